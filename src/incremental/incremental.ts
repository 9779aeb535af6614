import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CredentialProvider, credentialProvider } from '../auth/index.ts'
import { TareError } from '../errors/index.ts'
import { parseReference, type Platform } from '../oci/index.ts'
import type { OperationOptions, ProgressEvent } from '../stream/index.ts'
import {
  hasTransportPrefix,
  type ImageDestination,
  type ImageSource,
  type LayoutReference,
  type OpenContext,
  openDestination,
  openSource,
  parseReferenceOnDisk,
  type TransportReference,
} from '../transport/index.ts'
import { createThreadRunner, type KernelRunner } from '../workers/index.ts'
import type { ImageSelection } from './final-image.ts'
import { hostPlatform } from './host-platform.ts'
import { type PullOptions, pullIncremental } from './pull.ts'
import { type PushMapping, pushIncremental, type PushReport, vetIncremental, type VetReport } from './push.ts'
import { IncrementalArchive } from './read-archive.ts'
import { RemoveOnClose } from './remove-on-close.ts'

/** A user and a password. */
export interface UserPassword {
  readonly username: string
  readonly password: string
}

/**
 * Who somebody is to each of three registries. Where a record is missing, the provider of the {@link Incremental} is
 * asked; a record that is there replaces it for that side.
 */
export interface Authentications {
  /** Reads the base image. */
  readonly base?: UserPassword | undefined
  /** Reads the final image. */
  readonly final?: UserPassword | undefined
  /** Writes to the target, and reads from it to vet. */
  readonly push?: UserPassword | undefined
}

/** Where progress is told as text. */
export interface Reporter {
  write(text: string): unknown
}

/** Options of {@link Incremental}. */
export interface IncrementalOptions {
  /** @default nobody in particular */
  readonly authentications?: Authentications | undefined
  /** Take all members of an index; else the one for the running system, in pull and push. @default false */
  readonly allArchitectures?: boolean | undefined
  /** Gets lines such as `Copying blob sha256:…`. @default nothing is told */
  readonly reporter?: Reporter | undefined
  /** Where archives are written before they are read. @default the system's temporary directory */
  readonly temporaryDirectory?: string | undefined
  /** The system that an instance is chosen for. @default the one this process runs on */
  readonly platform?: Platform | undefined
  /** How archives are made: conversion, matching, referrers, concurrency. */
  readonly pull?: Pick<PullOptions, 'convert' | 'match' | 'referrers' | 'concurrency' | 'klauspostRelease'> | undefined
  /** How registries are reached; `credentials` counts where `authentications` have no record. */
  readonly registry?: OpenContext['registry']
  /** Finds credentials as containers' tools do; a shorter way to `registry.credentials`. */
  readonly credentialFiles?: Parameters<typeof credentialProvider>[0]
  /** Runs what compresses; started when it is first needed otherwise. */
  readonly kernels?: KernelRunner | undefined
}

/** What an operation of {@link Incremental} can be given. */
export type IncrementalCallOptions = Pick<OperationOptions, 'signal' | 'logger' | 'onProgress'>

/**
 * Pulls the difference between two images as an OCI archive, and pushes it where the base's layers are. The same object
 * may run several operations at once; it keeps nothing between them.
 *
 * References are those of registries, `registry.example/app:v2`; with a transport's prefix, of any transport.
 *
 * @example
 * ```ts
 * import { Incremental } from 'tare/incremental'
 *
 * async function carry(): Promise<void> {
 *   const incremental = new Incremental({ authentications: { final: { username: 'me', password: 'secret' } } })
 *   await using archive = await incremental.pull('registry.example/app:v1', 'registry.example/app:v2')
 *   await incremental.push(archive.path, 'mirror.example/app:v2')
 * }
 * console.log(carry.name)
 * ```
 */
export class Incremental {
  readonly #options: IncrementalOptions

  /** Nothing is checked and nothing is opened here. */
  constructor(options: IncrementalOptions = {}) {
    this.#options = Object.freeze({ ...options })
  }

  /**
   * Writes the difference between two images to a file in the temporary directory. Disposing the result deletes it; after
   * a failure there is none.
   *
   * @throws {TareError} `INVALID_REFERENCE` before any network; {@link CopyError} with the side that failed
   */
  async pull(base: string, final: string, options: IncrementalCallOptions = {}): Promise<RemoveOnClose> {
    options.signal?.throwIfAborted()
    const { temporaryDirectory = tmpdir(), allArchitectures, pull = {} } = this.#options
    const references = [await readReference(base), await readReference(final)] as const
    const path = join(temporaryDirectory, `${randomUUID()}.tar`)
    await using stack = new AsyncDisposableStack()
    const baseSource = stack.use(await this.#open(references[0], 'base', options))
    const finalSource = stack.use(await this.#open(references[1], 'final', options))
    const needsKernels = pull.convert !== undefined || pull.match === 'diffid'
    await pullIncremental([baseSource], [{ source: finalSource }], path, {
      ...pull,
      ...this.#operation(options),
      selection: this.#selection(allArchitectures),
      kernels: needsKernels ? this.#kernels(stack) : undefined,
      workdir: temporaryDirectory,
    })
    return await RemoveOnClose.open(path)
  }

  /**
   * Pushes an archive: uploads what the target lacks, mounts what other repositories have. The tag comes last.
   *
   * @param archive - path of an OCI archive with one image
   * @throws {MissingLayersError} when layers are nowhere; no tag is made then
   * @throws {TareError} `INVALID_REFERENCE`, `AMBIGUOUS_IMAGE`; {@link CopyError}
   */
  async push(archive: string, destination: string, options: IncrementalCallOptions = {}): Promise<PushReport> {
    await using stack = new AsyncDisposableStack()
    const { opened, mapping } = await this.#prepare(archive, destination, options, stack)
    return await pushIncremental(opened, [mapping], {
      ...this.#operation(options),
      selection: this.#selection(this.#options.allArchitectures),
      kernels: opened.recipes.size === 0 ? undefined : this.#kernels(stack),
    })
  }

  /**
   * Checks, without writing, that a push would have all its layers: in the target's repository, whatever is tagged there,
   * or in another one to mount them from. All members of an index count.
   *
   * @throws {MissingLayersError} naming every layer that is nowhere; see {@link Incremental.push}
   */
  async pushVet(archive: string, destination: string, options: IncrementalCallOptions = {}): Promise<VetReport> {
    await using stack = new AsyncDisposableStack()
    const { opened, mapping } = await this.#prepare(archive, destination, options, stack)
    return await vetIncremental(opened, [mapping], this.#operation(options))
  }

  async #prepare(
    archive: string,
    destination: string,
    options: IncrementalCallOptions,
    stack: AsyncDisposableStack,
  ): Promise<{ readonly opened: IncrementalArchive; readonly mapping: PushMapping }> {
    const reference = await readReference(destination)
    const file: LayoutReference = { transport: 'oci-archive', path: archive }
    const opened = stack.use(
      await IncrementalArchive.open(file, { ...options, workdir: this.#options.temporaryDirectory }),
    )
    const [image, ...others] = opened.images
    if (image === undefined || others.length > 0) {
      throw new TareError('AMBIGUOUS_IMAGE', `${archive} has ${opened.images.length} images`, {
        hint: 'Push several with pushIncremental, which takes a destination for each',
      })
    }
    const context = this.#context('push', options)
    const target: ImageDestination = stack.use(await openDestination(reference, context))
    return { opened, mapping: { image, destination: target } }
  }

  #open(
    reference: TransportReference,
    side: keyof Authentications,
    options: IncrementalCallOptions,
  ): Promise<ImageSource> {
    return openSource(reference, this.#context(side, options))
  }

  #context(side: keyof Authentications, { signal, logger }: IncrementalCallOptions): OpenContext {
    const { registry, temporaryDirectory: workdir } = this.#options
    return { signal, logger, workdir, registry: { ...registry, credentials: this.#credentials(side) } }
  }

  #credentials(side: keyof Authentications): CredentialProvider | undefined {
    const { authentications, registry, credentialFiles } = this.#options
    const record = authentications?.[side]
    if (record !== undefined) return async () => ({ kind: 'basic', ...record })
    return registry?.credentials ?? (credentialFiles === undefined ? undefined : credentialProvider(credentialFiles))
  }

  #selection(all: boolean | undefined): ImageSelection {
    if (all === true) return { kind: 'all' }
    return { kind: 'system', platform: this.#options.platform ?? hostPlatform() }
  }

  #kernels(stack: AsyncDisposableStack): KernelRunner {
    return this.#options.kernels ?? stack.use(createThreadRunner({ threads: 2 }))
  }

  #operation({ signal, logger, onProgress }: IncrementalCallOptions): OperationOptions {
    const { reporter } = this.#options
    return {
      signal,
      logger,
      onProgress: (event) => {
        onProgress?.(event)
        const line = reportLine(event)
        if (line !== undefined) reporter?.write(`${line}\n`)
      },
    }
  }
}

/** Text without a transport is a registry's reference. @throws {TareError} `INVALID_REFERENCE` */
async function readReference(text: string): Promise<TransportReference> {
  const reference: TransportReference = hasTransportPrefix(text)
    ? await parseReferenceOnDisk(text)
    : { transport: 'docker', reference: parseReference(text) }
  if (reference.transport === 'docker') {
    const { tag, digest } = reference.reference
    if (tag !== undefined && digest !== undefined) {
      throw new TareError('INVALID_REFERENCE', `reference ${JSON.stringify(text)} has a tag and a digest`, {
        hint: 'Name the image by one of them',
      })
    }
  }
  return reference
}

/** Progress as the engine of containers/image tells it. */
function reportLine({ kind, id, label, state }: ProgressEvent): string | undefined {
  if (kind !== 'blob') return undefined
  const what = label === 'config' ? 'config' : 'blob'
  switch (state) {
    case 'started':
      return `Copying ${what} ${id}`
    case 'skipped':
      return `Copying ${what} ${id} skipped: already exists`
    case 'done':
      return `Copying ${what} ${id} done`
    case 'running':
    case 'failed':
      return undefined
  }
}
