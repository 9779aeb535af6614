import { ContainerdEngine, DockerEngine } from '../engine/index.ts'
import { TareError } from '../errors/index.ts'
import type { Descriptor } from '../oci/index.ts'
import { DEFAULT_NAMESPACE, Store } from '../store/index.ts'
import type { ByteSource, OperationOptions } from '../stream/index.ts'
import {
  type ImageSource,
  type ManifestContent,
  type OpenBlobOptions,
  type OpenContext,
  openSource,
  type TransportReference,
} from '../transport/index.ts'
import type { InventoryInput } from './inventory.ts'

/** Where images lie on this machine: the local store, a namespace of containerd, an engine with Docker's API. */
export type ImagePlace = 'store' | 'containerd' | 'docker-daemon'

/**
 * Lists every image of a place, to take stock of them. Each is opened when it is read, and let go of afterwards: what an
 * engine saves of one image is gone before the disk fills up with all.
 *
 * @param context - tells where the place is, as for references
 * @throws {TareError} `FILE_NOT_FOUND` where there is no store, `ENGINE_UNREACHABLE`, …
 */
export async function listImagesOf(place: ImagePlace, context: OpenContext): Promise<readonly InventoryInput[]> {
  return (await referencesAt(place, context)).map(({ reference, name }) => {
    const source = new DeferredSource(reference, name, context)
    return { source, name: name.replaceAll(/\s/g, '_'), mayLackLayers: true, release: () => source.close() }
  })
}

interface NamedReference {
  readonly reference: TransportReference
  readonly name: string
}

async function referencesAt(place: ImagePlace, context: OpenContext): Promise<readonly NamedReference[]> {
  const { signal } = context
  switch (place) {
    case 'store': {
      const { storeDirectory, storeNamespace = DEFAULT_NAMESPACE } = context
      if (storeDirectory === undefined) {
        throw new TareError('INVALID_ARGUMENT', 'no directory is set for the store', {
          hint: 'Give one with --store, or as storeDirectory',
        })
      }
      await using store = await Store.open(storeDirectory, { create: false, signal })
      const records = await store.namespace(storeNamespace).images.list([], { signal })
      return records.map(({ name }) => ({ reference: { transport: 'store', name }, name }))
    }
    case 'containerd': {
      await using engine = await ContainerdEngine.connect(context.containerd, context)
      const namespace = context.containerd?.namespace ?? DEFAULT_NAMESPACE
      const records = await engine.namespace(namespace).images.list([], { signal })
      return records.map(({ name }) => ({ reference: { transport: 'containerd', namespace, name }, name }))
    }
    case 'docker-daemon': {
      await using engine = await DockerEngine.connect(context.docker, context)
      const ids = new Set(await engine.imageIds(context))
      return [...ids].map((image) => ({ reference: { transport: 'docker-daemon', image }, name: image }))
    }
  }
}

/** Opens what it reads with the first use; {@link DeferredSource.close} lets go of it until the next. */
class DeferredSource implements ImageSource {
  readonly reference: string
  readonly layerForm = 'stored'
  readonly #target: TransportReference
  readonly #context: OpenContext
  #opened: Promise<ImageSource> | undefined

  constructor(target: TransportReference, name: string, context: OpenContext) {
    this.reference = `${target.transport}:${name}`
    this.#target = target
    this.#context = context
  }

  async resolve(options?: OperationOptions): Promise<ManifestContent> {
    return (await this.#open()).resolve(options)
  }

  async readManifest(descriptor: Descriptor, options?: OperationOptions): Promise<Uint8Array> {
    return (await this.#open()).readManifest(descriptor, options)
  }

  async openBlob(descriptor: Descriptor, options?: OpenBlobOptions): Promise<ByteSource> {
    return (await this.#open()).openBlob(descriptor, options)
  }

  async hasBlob(descriptor: Descriptor, options?: OperationOptions): Promise<boolean> {
    // An engine gives images whole or not at all.
    return (await (await this.#open()).hasBlob?.(descriptor, options)) ?? true
  }

  async close(): Promise<void> {
    const opened = this.#opened
    this.#opened = undefined
    const source = await opened?.catch(() => undefined)
    await source?.[Symbol.asyncDispose]()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #open(): Promise<ImageSource> {
    this.#opened ??= openSource(this.#target, this.#context)
    return this.#opened
  }
}
