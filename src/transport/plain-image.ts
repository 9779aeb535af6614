import { TareError } from '../errors/index.ts'
import {
  type Descriptor,
  type DiffId,
  type Digest,
  isConfigType,
  isEncryptedLayerType,
  isIndexType,
  isLayerType,
  isManifestType,
  isSchema1Type,
  type Manifest,
  parseImageConfig,
  parseManifestDocument,
} from '../oci/index.ts'
import { abortable, type OperationOptions, readAllBytes, verified } from '../stream/index.ts'
import { MAX_CONFIG_BYTES } from './docker-archive-source.ts'
import type { BlobOpener, ManifestContent } from './transport.ts'

/**
 * Refuses what can't be kept as a config and plain layers.
 *
 * @param reference - of the destination, as text
 * @throws {TareError} `PLATFORM_REQUIRED`, `SCHEMA1_UNSUPPORTED`, `UNSUPPORTED_BY_DESTINATION`
 */
export function checkPlainType(reference: string, mediaType: string): void {
  if (isIndexType(mediaType)) throw new TareError('PLATFORM_REQUIRED', `${reference} can hold one platform only`)
  if (isSchema1Type(mediaType)) throw new TareError('SCHEMA1_UNSUPPORTED', `${mediaType} is not handled yet`)
  if (!isManifestType(mediaType)) throw unsupported(reference, `content of type ${mediaType}`)
}

/**
 * The manifest of an image that can be kept as a config and plain layers.
 *
 * @param reference - of the destination, as text
 * @throws {TareError} as {@link checkPlainType}, also for artifacts and encrypted layers
 */
export function plainManifest(reference: string, { descriptor, bytes }: ManifestContent): Manifest {
  const { digest, mediaType } = descriptor
  checkPlainType(reference, mediaType)
  const manifest = parseManifestDocument(bytes, { subject: `manifest ${digest}`, mediaType })
  if (manifest.kind === 'index') throw new TareError('PLATFORM_REQUIRED', `${reference} can hold one platform only`)
  if (!isConfigType(manifest.config.mediaType)) {
    throw unsupported(reference, `an artifact (${manifest.artifactType ?? manifest.config.mediaType})`)
  }
  const foreign = manifest.layers.find(
    (layer) => !isLayerType(layer.mediaType) || isEncryptedLayerType(layer.mediaType),
  )
  if (foreign !== undefined) throw unsupported(reference, `a layer of type ${foreign.mediaType}`)
  return manifest
}

function unsupported(reference: string, what: string): TareError {
  return new TareError('UNSUPPORTED_BY_DESTINATION', `${reference} cannot hold ${what}`, {
    hint: 'Use oci:, oci-archive:, dir:, store: or docker://',
  })
}

/** A config with its exact bytes. */
export interface PlainConfig {
  readonly digest: Digest
  readonly bytes: Uint8Array
  readonly diffIds: readonly DiffId[]
}

/**
 * Reads a config, verified. **Buffers** it.
 *
 * @throws {TareError} `DIGEST_MISMATCH`, `SIZE_MISMATCH`, `INVALID_DOCUMENT`, `LIMIT_EXCEEDED`
 */
export async function readPlainConfig(
  descriptor: Descriptor,
  open: BlobOpener,
  { signal }: OperationOptions,
): Promise<PlainConfig> {
  const { digest } = descriptor
  const source = verified(abortable(await open(), signal), descriptor, 'config')
  const bytes = await readAllBytes(source, MAX_CONFIG_BYTES, `config ${digest}`)
  return { digest, bytes, diffIds: parseImageConfig(bytes, `config ${digest}`).rootfs.diffIds }
}
