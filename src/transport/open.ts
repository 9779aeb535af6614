import { statSync } from 'node:fs'
import type { DockerEngineOptions } from '../engine/index.ts'
import { hasErrorCode, TareError } from '../errors/index.ts'
import { openDirectoryDestination, openDirectorySource } from './dir.ts'
import { openDockerArchiveDestination } from './docker-archive-destination.ts'
import { openDockerArchiveSource } from './docker-archive-source.ts'
import type { ContainerdPlaceOptions } from './engine-options.ts'
import { openArchiveDestination, openArchiveSource } from './oci-archive.ts'
import { openLayoutDestination, openLayoutSource } from './oci-layout.ts'
import {
  bareReference,
  formatTransportReference,
  hasTransportPrefix,
  parseTransportReference,
  type TransportReference,
} from './reference-text.ts'
import type { RegistryTransportOptions } from './registry.ts'
import type { Digest } from '../oci/index.ts'
import type { ByteSource, OperationOptions } from '../stream/index.ts'
import { volumePath } from '../volumes/index.ts'
import { TarArchive } from './tar-archive.ts'
import type { ImageDestination, ImageSource } from './transport.ts'

/** What transports need to know of a run. */
export interface OpenContext extends OperationOptions {
  /** Where spools lie. @default the system's temporary directory */
  readonly workdir?: string | undefined
  /** Replaces what a `dir:` holds, and makes a layout of a directory with other files. @default false */
  readonly force?: boolean | undefined
  /** An image that a `dir:` may hold already, complete: a run that was cut off comes by again. */
  readonly mayHold?: Digest | undefined
  /** Archives are written as volumes of this many bytes. */
  readonly volumeBytes?: number | undefined
  /** Begins to read what an archive named `-` stands for as a source. Left out, there is none. */
  readonly standardInput?: (() => ByteSource) | undefined
  /** Gets an archive that is written to `-`, once it is finished. Left out, there is none. */
  readonly standardOutput?: ((archive: ByteSource) => Promise<void>) | undefined
  /** Directory of the local store; for `store:` only. */
  readonly storeDirectory?: string | undefined
  /** Namespace in the store. @default 'default' */
  readonly storeNamespace?: string | undefined
  /** For `docker-daemon:` only. */
  readonly docker?: DockerEngineOptions | undefined
  /** For `containerd:` only. */
  readonly containerd?: ContainerdPlaceOptions | undefined
  /** For `docker://` only. */
  readonly registry?: RegistryTransportOptions | undefined
}

/**
 * Opens a reference of any transport for reading. Text is parsed with a look at the disk: for paths with colons, and
 * to suggest a prefix where there is none.
 *
 * @throws {TareError} `UNKNOWN_TRANSPORT`, `INVALID_REFERENCE`, `FILE_NOT_FOUND`, `INVALID_ARCHIVE`, …
 */
export async function openSource(
  reference: TransportReference | string,
  context: OpenContext = {},
): Promise<ImageSource> {
  context.signal?.throwIfAborted()
  const parsed = typeof reference === 'string' ? await parseReferenceOnDisk(reference) : reference
  switch (parsed.transport) {
    case 'docker': {
      // Imported here so that archives never load the HTTP client.
      const { registrySource } = await import('./registry.ts')
      return registrySource(parsed.reference, context.registry)
    }
    case 'oci':
      return openLayoutSource(parsed)
    case 'oci-archive':
      return openArchiveSource(parsed, context)
    case 'docker-archive':
      return openDockerArchiveSource(parsed, context)
    case 'dir':
      return openDirectorySource(parsed)
    case 'store': {
      // Imported here so that nothing else loads SQLite.
      const { openStoreSource } = await import('./store.ts')
      return openStoreSource(parsed, context)
    }
    case 'docker-daemon': {
      const { openDockerDaemonSource } = await import('./docker-daemon-source.ts')
      return openDockerDaemonSource(parsed, context)
    }
    case 'containerd': {
      const { openContainerdSource } = await import('./containerd.ts')
      return openContainerdSource(parsed, context)
    }
  }
}

/**
 * Opens a reference of any transport for writing. Nothing is visible under it before the commit.
 *
 * @throws {TareError} `UNKNOWN_TRANSPORT`, `INVALID_REFERENCE`, `DESTINATION_EXISTS`, …
 */
export async function openDestination(
  reference: TransportReference | string,
  context: OpenContext = {},
): Promise<ImageDestination> {
  context.signal?.throwIfAborted()
  const parsed = typeof reference === 'string' ? await parseReferenceOnDisk(reference) : reference
  const isArchive = parsed.transport === 'oci-archive' || parsed.transport === 'docker-archive'
  if (context.volumeBytes !== undefined && !isArchive) {
    throw new TareError('INVALID_ARGUMENT', `${formatTransportReference(parsed)} is not written in volumes`, {
      hint: 'Only oci-archive: and docker-archive: can be split',
    })
  }
  switch (parsed.transport) {
    case 'docker': {
      const { registryDestination } = await import('./registry.ts')
      return registryDestination(parsed.reference, context.registry)
    }
    case 'oci':
      return openLayoutDestination(parsed, context)
    case 'oci-archive':
      return openArchiveDestination(parsed, context)
    case 'docker-archive':
      return openDockerArchiveDestination(parsed, context)
    case 'dir':
      return openDirectoryDestination(parsed, context)
    case 'store': {
      const { openStoreDestination } = await import('./store.ts')
      return openStoreDestination(parsed, context)
    }
    case 'docker-daemon': {
      const { openDockerDaemonDestination } = await import('./docker-daemon-destination.ts')
      return openDockerDaemonDestination(parsed, context)
    }
    case 'containerd': {
      const { openContainerdDestination } = await import('./containerd.ts')
      return openContainerdDestination(parsed, context)
    }
  }
}

/**
 * Like `parseTransportReference`, with a look at the disk: an existing path may hold colons, and the prefix suggested
 * for a bare path is the one of what lies there.
 *
 * @throws {TareError} `UNKNOWN_TRANSPORT`, `INVALID_REFERENCE`
 */
export async function parseReferenceOnDisk(text: string): Promise<TransportReference> {
  try {
    return parseTransportReference(text, { exists: isThere })
  } catch (error) {
    if (!hasErrorCode(error, 'UNKNOWN_TRANSPORT') || hasTransportPrefix(text)) throw error
    throw await withBetterHint(text, error)
  }
}

/** As a file, a directory, or in volumes. */
function isThere(path: string): boolean {
  return kindOf(path) !== 'absent' || kindOf(volumePath(path, 1, 3)) === 'file'
}

async function withBetterHint(text: string, error: TareError): Promise<TareError> {
  // `PATH:NAME` without a prefix is as likely as a bare path.
  for (const path of new Set([text, text.replace(/:[^/]*$/, '')])) {
    const likely = await likelyPrefixOfPath(path)
    if (likely !== undefined) return bareReference(text, likely)
  }
  return error
}

async function likelyPrefixOfPath(path: string): Promise<string | undefined> {
  switch (kindOf(path)) {
    case 'absent':
      return undefined
    case 'directory':
      return kindOf(`${path}/manifest.json`) === 'file' && kindOf(`${path}/index.json`) === 'absent' ? 'dir:' : 'oci:'
    case 'file':
      return likelyArchivePrefix(path)
  }
}

async function likelyArchivePrefix(path: string): Promise<string> {
  try {
    await using archive = await TarArchive.open(path, { otherwise: 'dir:' })
    if ((await archive.sizeOf('index.json')) !== undefined) return 'oci-archive:'
    return (await archive.sizeOf('manifest.json')) === undefined ? 'oci-archive:' : 'docker-archive:'
  } catch {
    // Only a guess is at stake; the path gets a proper error once it has a prefix.
    return 'oci-archive:'
  }
}

function kindOf(path: string): 'absent' | 'directory' | 'file' {
  try {
    const found = statSync(path, { throwIfNoEntry: false })
    if (found === undefined) return 'absent'
    return found.isDirectory() ? 'directory' : 'file'
  } catch {
    // Too long for a name, or behind a locked directory: either way nothing to be seen there.
    return 'absent'
  }
}
