import { hasErrorCode, TareError } from '../errors/index.ts'
import {
  type ContentManager,
  type ContentProvider,
  type DiffId,
  type Digest,
  formatReference,
  parseReference,
} from '../oci/index.ts'
import { mapLimited, type OperationOptions } from '../stream/index.ts'
import type { NewImage } from '../store/index.ts'
import { DEFAULT_CONTAINERD_NAMESPACE } from './engine-reference.ts'
import { MAX_ENGINE_IMAGES } from './engine-layers.ts'
import type { OpenContext } from './open.ts'

/** A kind of place on this machine that keeps images. */
export type LocalPlaceKind = 'store' | 'docker-daemon' | 'containerd'

/** Blobs, and records that name images among them. */
export interface LocalRecords {
  readonly content: ContentProvider & Pick<ContentManager, 'info'>
  readonly images: {
    list(
      filters: readonly string[],
      options: Pick<OperationOptions, 'signal'>,
    ): Promise<readonly Pick<NewImage, 'name' | 'target'>[]>
  }
}

/** An image of an engine that tells no more of its layers than what they unpack to. */
export interface LayeredImage {
  /** Opens it. */
  readonly reference: string
  /** Plain layers, lowest first. */
  readonly diffIds: readonly DiffId[]
}

/** Images that are at hand without a network: in the local store, or in an engine on this machine. */
export type LocalPlace = AsyncDisposable & {
  /** What messages call it. */
  readonly subject: string
} & (
    | {
        readonly kind: 'records'
        readonly records: LocalRecords
        /** Opens one manifest of a record's image. */
        referenceTo(name: string, manifest: Digest): string
      }
    | {
        readonly kind: 'layers'
        /** Whether layers are kept as they came, so that another compression of them will not always do. */
        readonly keepsBlobs: boolean
        listImages(options: OperationOptions): Promise<readonly LayeredImage[]>
      }
  )

/** Questions at a time. */
const CONCURRENCY = 4

/**
 * Opens a place to look for images in.
 *
 * @throws {TareError} `FILE_NOT_FOUND` where there is no store, `ENGINE_UNREACHABLE` where there is no engine;
 *   `STORE_DAMAGED`, `ENGINE_PROTOCOL`, …
 */
export async function openLocalPlace(kind: LocalPlaceKind, context: OpenContext): Promise<LocalPlace> {
  switch (kind) {
    case 'store':
      return openStorePlace(context)
    case 'docker-daemon':
      return openDockerPlace(context)
    case 'containerd':
      return openContainerdPlace(context)
  }
}

async function openStorePlace({ storeDirectory, storeNamespace, signal }: OpenContext): Promise<LocalPlace> {
  if (storeDirectory === undefined) throw new TareError('FILE_NOT_FOUND', 'no directory is set for the store')
  const { Store } = await import('../store/index.ts')
  const store = await Store.open(storeDirectory, { create: false, signal })
  return {
    kind: 'records',
    subject: `store ${storeDirectory}`,
    records: store.namespace(storeNamespace),
    referenceTo: (name, manifest) => `store:${recordText(name, manifest)}`,
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  }
}

async function openContainerdPlace(context: OpenContext): Promise<LocalPlace> {
  const { ContainerdEngine } = await import('../engine/index.ts')
  const { namespace = DEFAULT_CONTAINERD_NAMESPACE, ...options } = context.containerd ?? {}
  const engine = await ContainerdEngine.connect(options, context)
  return {
    kind: 'records',
    subject: `namespace ${namespace} of ${engine.subject}`,
    records: engine.namespace(namespace),
    referenceTo: (name, manifest) => `containerd:${recordText(name, manifest)}`,
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  }
}

async function openDockerPlace(context: OpenContext): Promise<LocalPlace> {
  const { DockerEngine } = await import('../engine/index.ts')
  const engine = await DockerEngine.connect(context.docker, context)
  return {
    kind: 'layers',
    subject: engine.subject,
    keepsBlobs: engine.storage === 'blobs',
    async listImages(options) {
      const ids = (await engine.imageIds(options)).slice(0, MAX_ENGINE_IMAGES)
      const images = await mapLimited(
        ids,
        CONCURRENCY,
        async (id, _position, signal) => engine.findImage(id, { ...options, signal }),
        options,
      )
      // What went meanwhile is left out.
      return images.flatMap((image) =>
        image === undefined
          ? []
          : [{ reference: `docker-daemon:${image.tags[0] ?? image.id}`, diffIds: image.diffIds }],
      )
    },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  }
}

/** Records need not have names of Docker's form; the digest alone will do for those. */
function recordText(name: string, digest: Digest): string {
  try {
    const { digest: own, ...reference } = parseReference(name)
    return own === undefined ? `${formatReference(reference)}@${digest}` : `@${digest}`
  } catch (error) {
    if (hasErrorCode(error, 'INVALID_REFERENCE')) return `@${digest}`
    throw error
  }
}
