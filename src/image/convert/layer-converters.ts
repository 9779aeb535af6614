import { decompress, zstd } from '../../compress/index.ts'
import { type ContentStore, type Descriptor, type DiffId, isUncompressedLayerType } from '../../oci/index.ts'
import type { GzipOptions } from '../../recompress/index.ts'
import { UNCOMPRESSED_LABEL, writeBlob } from '../../store/index.ts'
import { type ByteSource, Digester, digesting, verified } from '../../stream/index.ts'
import { type LayerCompression, withCompression } from './media-types.ts'

/**
 * Makes another content of one, in the same store.
 *
 * @returns the new descriptor; undefined where nothing has to change
 */
export type ContentConverter = (
  content: ContentStore,
  descriptor: Descriptor,
  signal?: AbortSignal,
) => Promise<Descriptor | undefined>

/** Unpacks layers. Those that say they are plain are left alone, even where they are not. */
export const uncompressLayer: ContentConverter = async (content, descriptor, signal) => {
  if (isUncompressedLayerType(descriptor.mediaType)) return undefined
  return rewrite(content, descriptor, 'none', `convert-uncompress-from-${descriptor.digest}`, (plain) => plain, signal)
}

/**
 * Packs layers in gzip, byte for byte as a known encoder does: the same layers on every machine. Those that are gzip
 * already are left alone, whoever made them.
 */
export function gzipLayer(options: Omit<GzipOptions, 'signal'>): ContentConverter {
  return async (content, descriptor, signal) => {
    if (withCompression(descriptor.mediaType, 'gzip') === descriptor.mediaType) return undefined
    const ref = `convert-gzip-from-${descriptor.digest}`
    return rewrite(content, descriptor, 'gzip', ref, (plain) => packedInGzip(plain, { ...options, signal }), signal)
  }
}

/** The encoder is loaded when something is packed: most of those who load this folder pack nothing. */
async function* packedInGzip(plain: ByteSource, options: GzipOptions): ByteSource {
  const { gzip } = await import('../../recompress/index.ts')
  yield* gzip(plain, options)
}

/**
 * Packs layers in Zstandard, by the libzstd of the Node.js that runs: other releases may make other bytes of the same
 * layer. Those that are Zstandard already are left alone.
 *
 * @param options.level - 1 to 19; 3 when left out
 */
export function zstdLayer(options: { readonly level?: number | undefined } = {}): ContentConverter {
  return async (content, descriptor, signal) => {
    if (withCompression(descriptor.mediaType, 'zstd') === descriptor.mediaType) return undefined
    const ref = `convert-zstd-from-${descriptor.digest}`
    return rewrite(content, descriptor, 'zstd', ref, (plain) => zstd(plain, options), signal)
  }
}

async function rewrite(
  content: ContentStore,
  descriptor: Descriptor,
  compression: LayerCompression,
  ref: string,
  pack: (plain: ByteSource) => ByteSource,
  signal: AbortSignal | undefined,
): Promise<Descriptor | undefined> {
  const mediaType = withCompression(descriptor.mediaType, compression)
  if (mediaType === undefined) return undefined
  const { [UNCOMPRESSED_LABEL]: _, ...labels } = (await content.info(descriptor.digest, { signal })).labels
  let digester = new Digester()
  async function* open(): ByteSource {
    digester = new Digester()
    await using reader = await content.openReader(descriptor, { signal })
    const stored = verified(reader.read(), descriptor, 'layer')
    const { source } = await decompress(stored, { subject: `layer ${descriptor.digest}` })
    yield* pack(digesting(source, digester))
  }
  // What an interrupted run left may have been made otherwise.
  await content.abort(ref).catch(() => {})
  const { digest, sizeBytes } = await writeBlob(content, ref, open, { labels, signal })
  if (compression !== 'none') await remember(content, digest, digester.digest(), signal)
  return { ...descriptor, mediaType, digest, size: sizeBytes }
}

/** Labels a compressed blob with what it unpacks to, also one that was there before. */
async function remember(
  content: ContentStore,
  digest: Descriptor['digest'],
  diffId: DiffId,
  signal: AbortSignal | undefined,
): Promise<void> {
  await content.updateLabels(digest, { [UNCOMPRESSED_LABEL]: diffId }, [`labels.${UNCOMPRESSED_LABEL}`], { signal })
}
