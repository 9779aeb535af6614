import { TareError } from '../../errors/index.ts'
import {
  type ContentStore,
  ConcurrencyLimiter,
  type Descriptor,
  type Digest,
  type DiffId,
  GC_CONTENT_LABEL,
  type ImageIndex,
  isConfigType,
  isDockerType,
  isIndexType,
  isLayerType,
  isManifestType,
  type Labels,
  type Manifest,
  type ManifestDocument,
  parseManifestDocument,
  type PlatformMatcher,
} from '../../oci/index.ts'
import { writeBlob } from '../../store/index.ts'
import { bytesSource, digestOf } from '../../stream/index.ts'
import { MAX_MANIFEST_BYTES } from '../../transport/index.ts'
import { layerDiffId } from '../content/layer-diff-id.ts'
import { readBlobBytes } from '../content/read-blob.ts'
import { MAX_CONFIG_BYTES } from '../tree.ts'
import type { ContentConverter } from './layer-converters.ts'
import { toDockerMediaType, toOciMediaType } from './media-types.ts'
import { type DescriptorChange, rewriteConfig, rewriteDocument } from './rewrite-document.ts'

/** Is told of every blob that was looked at, and may put another descriptor in the place of the converted one. */
export type ConvertHook = (
  content: ContentStore,
  original: Descriptor,
  converted: Descriptor | undefined,
  signal?: AbortSignal,
) => Promise<Descriptor | undefined>

/** What {@link imageConverter} does. */
export interface ImageConverterOptions {
  /** Converts layers; diffIDs that change with them are changed in the config. */
  readonly layer?: ContentConverter | undefined
  /** The family of media types to convert to. @default each stays as it is */
  readonly mediaTypes?: 'oci' | 'docker' | undefined
  /** Members of indexes to keep; those without a platform stay. @default all */
  readonly platform?: PlatformMatcher | undefined
  readonly afterEach?: ConvertHook | undefined
  /** Layers and members converted at a time, in each document. @default 2 */
  readonly concurrency?: number | undefined
}

/**
 * A converter of whole images: layers first, then config, manifest, and index. Documents in which nothing changes keep
 * their bytes; others are written as containerd would, and keep what neither knows. Labels go along, with references
 * to what took the place of the old.
 */
export function imageConverter(options: ImageConverterOptions): ContentConverter {
  return (content, descriptor, signal) => new ImageConversion(content, options, signal).convert(descriptor)
}

const DEFAULT_CONCURRENCY = 2

class ImageConversion {
  readonly #content: ContentStore
  readonly #options: ImageConverterOptions
  readonly #signal: AbortSignal | undefined
  /** What became of diffIDs. */
  readonly #diffIds = new Map<DiffId, Digest>()
  readonly #limiter: ConcurrencyLimiter

  constructor(content: ContentStore, options: ImageConverterOptions, signal: AbortSignal | undefined) {
    this.#content = content
    this.#options = options
    this.#signal = signal
    this.#limiter = new ConcurrencyLimiter(options.concurrency ?? DEFAULT_CONCURRENCY)
  }

  async convert(descriptor: Descriptor): Promise<Descriptor | undefined> {
    this.#signal?.throwIfAborted()
    const converted = await this.#convertContent(descriptor)
    const replaced = await this.#options.afterEach?.(this.#content, descriptor, converted, this.#signal)
    return this.#restyle(descriptor, replaced ?? converted)
  }

  async #convertContent(descriptor: Descriptor): Promise<Descriptor | undefined> {
    const { mediaType } = descriptor
    if (isLayerType(mediaType)) return this.#options.layer?.(this.#content, descriptor, this.#signal)
    if (isConfigType(mediaType)) return this.#convertConfig(descriptor)
    if (isManifestType(mediaType) || isIndexType(mediaType)) return this.#convertDocument(descriptor)
    return undefined
  }

  /** Gives a descriptor its place in the family of types; Docker's have no annotations. */
  #restyle(original: Descriptor, converted: Descriptor | undefined): Descriptor | undefined {
    const current = converted ?? original
    const mediaType = this.#styled(current.mediaType)
    const hasAnnotations = Object.keys(current.annotations ?? {}).length > 0
    if (isDockerType(mediaType) && hasAnnotations) {
      const { annotations: _, ...rest } = current
      return { ...rest, mediaType }
    }
    return mediaType === current.mediaType ? converted : { ...current, mediaType }
  }

  #styled(mediaType: string): string {
    switch (this.#options.mediaTypes) {
      case 'oci':
        return toOciMediaType(mediaType)
      case 'docker':
        return toDockerMediaType(mediaType)
      case undefined:
        return mediaType
    }
  }

  async #convertDocument(descriptor: Descriptor): Promise<Descriptor | undefined> {
    const [bytes, { labels: before }] = await Promise.all([
      readBlobBytes(this.#content, descriptor, MAX_MANIFEST_BYTES, { signal: this.#signal }),
      this.#content.info(descriptor.digest, { signal: this.#signal }),
    ])
    const document = parseManifestDocument(bytes, {
      subject: `manifest ${descriptor.digest}`,
      mediaType: descriptor.mediaType,
    })
    const labels = new Map(Object.entries(before))
    const changes =
      document.kind === 'index'
        ? await this.#indexChanges(document, labels)
        : await this.#manifestChanges(document, labels)
    const mediaType = this.#statedType(document, bytes)
    if (
      mediaType === undefined &&
      Object.values(changes)
        .flat()
        .every((change) => change === undefined)
    ) {
      return undefined
    }
    const dropAnnotations = this.#options.mediaTypes === 'docker'
    const text = rewriteDocument(Buffer.from(bytes).toString(), { ...changes, mediaType, dropAnnotations })
    return this.#write(text, descriptor, labels)
  }

  /** The type that a document states of itself, where it changes. */
  #statedType(document: ManifestDocument, bytes: Uint8Array): string | undefined {
    const styled = this.#styled(document.mediaType)
    if (styled === document.mediaType) return undefined
    // Docker's readers insist on it; an OCI document that did without goes on without.
    const value: unknown = JSON.parse(Buffer.from(bytes).toString())
    const states = typeof value === 'object' && value !== null && 'mediaType' in value
    return states || this.#options.mediaTypes === 'docker' ? styled : undefined
  }

  async #indexChanges(
    index: ImageIndex,
    labels: Map<string, string>,
  ): Promise<{ readonly manifests: readonly DescriptorChange[] }> {
    const { platform: matcher } = this.#options
    const manifests = await this.#each(index.manifests, async (member): Promise<DescriptorChange> => {
      const isKept = matcher === undefined || member.platform === undefined || matcher.matches(member.platform)
      return isKept ? this.convert(member) : 'removed'
    })
    if (manifests.length > 0 && manifests.every((change) => change === 'removed')) {
      throw new TareError('NO_MATCHING_PLATFORM', 'index has no match for the platform')
    }
    relabel(labels, index.manifests, manifests, (position) => `${GC_CONTENT_LABEL}.m.${position}`)
    return { manifests }
  }

  async #manifestChanges(
    manifest: Manifest,
    labels: Map<string, string>,
  ): Promise<{ readonly layers: readonly DescriptorChange[]; readonly config: DescriptorChange }> {
    const layers = await this.#each(manifest.layers, (layer) =>
      this.#limiter.run(() => this.#layer(layer), this.#signal),
    )
    const config = await this.convert(manifest.config)
    relabel(labels, manifest.layers, layers, (position) => `${GC_CONTENT_LABEL}.l.${position}`)
    relabel(labels, [manifest.config], [config], () => `${GC_CONTENT_LABEL}.config`)
    return { layers, config }
  }

  async #layer(layer: Descriptor): Promise<Descriptor | undefined> {
    const converted = await this.convert(layer)
    if (converted === undefined || converted.digest === layer.digest) return converted
    const options = { signal: this.#signal }
    const [before, after] = [
      await layerDiffId(this.#content, layer, options),
      await layerDiffId(this.#content, converted, options),
    ]
    if (before !== after) this.#diffIds.set(before, after)
    return converted
  }

  async #convertConfig(descriptor: Descriptor): Promise<Descriptor | undefined> {
    if (this.#diffIds.size === 0) return undefined
    const bytes = await readBlobBytes(this.#content, descriptor, MAX_CONFIG_BYTES, { signal: this.#signal })
    const text = rewriteConfig(Buffer.from(bytes).toString(), this.#diffIds)
    if (text === undefined) return undefined
    const { labels } = await this.#content.info(descriptor.digest, { signal: this.#signal })
    return this.#write(text, descriptor, new Map(Object.entries(labels)))
  }

  async #write(text: string, original: Descriptor, labels: ReadonlyMap<string, string>): Promise<Descriptor> {
    const bytes = Buffer.from(text)
    const digest = digestOf(bytes)
    const descriptor = { ...original, digest, size: bytes.length }
    const wanted: Labels = Object.fromEntries(labels)
    const ref = `converter-write-json-${digest}`
    const { isPresent } = await writeBlob(this.#content, ref, () => bytesSource(bytes), {
      expected: { digest, size: bytes.length },
      labels: wanted,
      signal: this.#signal,
    })
    // Somebody may have had the same document without its references.
    const paths = Object.keys(wanted).map((key) => `labels.${key}`)
    if (isPresent && paths.length > 0) await this.#content.updateLabels(digest, wanted, paths, { signal: this.#signal })
    return descriptor
  }

  /** All at the same time; how many really run is for {@link ImageConversion.#limiter} to say. */
  async #each<Change>(
    descriptors: readonly Descriptor[],
    work: (descriptor: Descriptor) => Promise<Change>,
  ): Promise<readonly Change[]> {
    const results = await Promise.allSettled(descriptors.map(work))
    return results.map((result) => {
      if (result.status === 'rejected') throw result.reason
      return result.value
    })
  }
}

/** Has labels refer to what took the place of the old, and to nothing that went. */
function relabel(
  labels: Map<string, string>,
  before: readonly Descriptor[],
  changes: readonly DescriptorChange[],
  key: (position: number) => string,
): void {
  for (const [position, change] of changes.entries()) {
    const old = before[position]
    if (change === undefined || old === undefined) continue
    clearGcLabels(labels, old.digest)
    if (change !== 'removed') labels.set(key(position), change.digest)
  }
}

/** Takes away the labels by which a blob refers to another. */
export function clearGcLabels(labels: Map<string, string>, digest: Digest): void {
  for (const [key, value] of labels) if (value === digest && key.startsWith(GC_CONTENT_LABEL)) labels.delete(key)
}
