import { TareError } from '../errors/index.ts'
import {
  type ConvertedImage,
  convertToOci,
  type ImageTree,
  type IndexFate,
  isSchema1,
  narrowTree,
  readImageTree,
  schema1AsOci,
} from '../image/index.ts'
import { type Descriptor, formatReference, type Platform } from '../oci/index.ts'
import { type ByteSource, bytesSource, type OperationOptions, type SpoolDirectory } from '../stream/index.ts'
import {
  entryName,
  type ImageSource,
  type ManifestContent,
  parseTransportReference,
  type TransportReference,
} from '../transport/index.ts'
import type { KernelRunner } from '../workers/index.ts'
import type { BaseLayers } from './base-layers.ts'
import { gzipLikeContainersImage } from './gzip-encoder.ts'
import { systemImage } from './system-image.ts'

/** An image to deliver. */
export interface FinalInput {
  readonly source: ImageSource
  /**
   * What it is called in the archive.
   *
   * @default its reference in a registry, its name in a layout or archive, if it is one with a repository or tag
   */
  readonly name?: string | undefined
}

/**
 * What is taken of an index: the whole, the members that platforms pick, or the one instance that the engine of
 * containers/image would choose for a system.
 */
export type ImageSelection =
  | { readonly kind: 'all' }
  | { readonly kind: 'platforms'; readonly platforms: readonly Platform[] }
  | { readonly kind: 'system'; readonly platform: Platform }

/** How final images are read. */
export interface ReadFinalOptions extends OperationOptions {
  /** @default all */
  readonly selection?: ImageSelection | undefined
  /** `oci` converts to OCI as containers/image does; left out, digests are kept. */
  readonly convert?: 'oci' | undefined
  /** Runs the compressor of plain layers; only for `convert`. */
  readonly kernels?: KernelRunner | undefined
  readonly klauspostRelease?: string | undefined
}

/** An image to deliver, read: documents and configs, no layers. */
export interface FinalImage {
  readonly reference: string
  readonly name?: string | undefined
  readonly source: ImageSource
  readonly tree: ImageTree
  readonly index: IndexFate
  /** Whether the documents are not those of the source: digests differ from its own. */
  readonly isConverted: boolean
  /** Layers that are always carried, because their image was read whole to be converted as the original does. */
  readonly carriesAllLayers: boolean
  /** Opens a config or a layer. Bytes of the source are not verified. */
  openBlob(descriptor: Descriptor, options?: OperationOptions): Promise<ByteSource>
}

/**
 * Reads an image to deliver. Docker schema 1 becomes OCI, since nothing else that an archive holds can express it.
 *
 * @param content - what the source's reference points at; asked for when left out
 * @param spool - for layers that have to be read or compressed to be converted
 * @throws {CopyError} with the side `source`; {@link TareError} `NO_MATCHING_PLATFORM`, `UNSUPPORTED_BY_DESTINATION`
 */
export async function readFinal(
  input: FinalInput,
  content: ManifestContent | undefined,
  base: BaseLayers,
  spool: SpoolDirectory,
  options: ReadFinalOptions,
): Promise<FinalImage> {
  const { source } = input
  const { signal, logger, onProgress } = options
  const operation = { signal, logger, onProgress }
  const root = content ?? (await source.resolve(operation))
  const fromSchema1 = isSchema1(root)
  const readable = fromSchema1
    ? await schema1AsOci(root, source, {
        ...operation,
        spool,
        knownLayer: (digest) => knownLayer(base, digest, options),
      })
    : source
  const whole = await readImageTree(readable, {
    ...operation,
    configs: 'keep',
    ...(fromSchema1 ? {} : { root }),
  })
  const { tree, index } = select(whole, options.selection ?? { kind: 'all' })
  const converted = options.convert === 'oci' ? await convert(tree, readable, base, spool, options) : undefined
  const image = converted?.tree ?? tree
  const configs = configsOf(image)
  return {
    reference: source.reference,
    name: input.name ?? referenceName(parseTransportReference(source.reference)) ?? fullName(root.descriptor),
    source,
    tree: image,
    index,
    isConverted: fromSchema1 || converted?.isChanged === true,
    carriesAllLayers: fromSchema1 && options.convert === 'oci',
    openBlob: async (descriptor, openOptions) => {
      const config = configs.get(descriptor.digest)
      if (config !== undefined) return bytesSource(config)
      return (converted ?? readable).openBlob(descriptor, openOptions)
    },
  }
}

/** What a layout calls its only image; a bare tag says too little to be found by among others. */
function fullName(entry: Descriptor): string | undefined {
  const name = entryName(entry)
  return name !== undefined && /[/:]/.test(name) ? name : undefined
}

/** A layer of base needs no reading where base tells its diffID; converted as the original does, all are read. */
function knownLayer(
  base: BaseLayers,
  digest: Descriptor['digest'],
  { convert: conversion }: ReadFinalOptions,
): { readonly size: number; readonly diffId: Descriptor['digest'] } | undefined {
  const layer = base.byDigest(digest)
  if (conversion !== undefined || layer?.diffId === undefined || layer.descriptor.size === 0) return undefined
  return { size: layer.descriptor.size, diffId: layer.diffId }
}

function select(tree: ImageTree, selection: ImageSelection): { readonly tree: ImageTree; readonly index: IndexFate } {
  switch (selection.kind) {
    case 'all':
      return narrowTree(tree, [])
    case 'platforms':
      return narrowTree(tree, selection.platforms)
    case 'system':
      return systemImage(tree, selection.platform)
  }
}

function convert(
  tree: ImageTree,
  source: ImageSource,
  base: BaseLayers,
  spool: SpoolDirectory,
  { kernels, klauspostRelease, signal, logger, onProgress }: ReadFinalOptions,
): Promise<ConvertedImage> {
  if (kernels === undefined)
    throw new TareError('INTERNAL', 'a conversion was asked for without kernels to compress with')
  return convertToOci(tree, source, {
    signal,
    logger,
    onProgress,
    spool,
    isKept: ({ digest }) => base.byDigest(digest) !== undefined,
    gzip: (plain, plainBytes) => gzipLikeContainersImage(plain, plainBytes, { kernels, klauspostRelease, signal }),
  })
}

/** Configs were read with the documents; a second request for each would be wasted. */
function configsOf(tree: ImageTree): ReadonlyMap<Descriptor['digest'], Uint8Array> {
  return new Map(
    tree.documents.flatMap((node) =>
      node.kind === 'manifest' && node.configBytes !== undefined
        ? [[node.document.config.digest, node.configBytes] as const]
        : [],
    ),
  )
}

/**
 * The name that a reference gives an image: registry, repository and tag, or the name in a layout or archive. Undefined
 * where it gives none.
 */
export function referenceName(reference: TransportReference): string | undefined {
  switch (reference.transport) {
    case 'docker': {
      const { registry, repository, tag, digest } = reference.reference
      if (tag !== undefined || digest === undefined)
        return formatReference({ registry, repository, tag: tag ?? 'latest' })
      return formatReference({ registry, repository, digest })
    }
    case 'oci':
    case 'oci-archive':
    case 'docker-archive':
      return reference.pick?.kind === 'name' ? reference.pick.name : undefined
    case 'store':
    case 'containerd':
      return reference.name === '' ? undefined : reference.name
    case 'docker-daemon':
      return typeof reference.image === 'string' ? undefined : formatReference(reference.image)
    case 'dir':
      return undefined
  }
}
