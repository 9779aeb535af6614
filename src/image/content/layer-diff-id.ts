import { decompress } from '../../compress/index.ts'
import {
  type ContentManager,
  type ContentProvider,
  type Descriptor,
  type DiffId,
  isDigest,
  isUncompressedLayerType,
} from '../../oci/index.ts'
import { UNCOMPRESSED_LABEL } from '../../store/index.ts'
import { Digester } from '../../stream/index.ts'
import type { ContentReadOptions } from './read-blob.ts'

/**
 * The digest of a layer's plain tar: the layer's own where its type says that it is plain; else what its label says;
 * else what comes out when it is unpacked, which the label then remembers.
 *
 * @throws {TareError} `BLOB_NOT_FOUND`, `CORRUPT_GZIP`, `CORRUPT_ZSTD`, …
 */
export async function layerDiffId(
  content: ContentProvider & ContentManager,
  layer: Descriptor,
  options: ContentReadOptions = {},
): Promise<DiffId> {
  if (isUncompressedLayerType(layer.mediaType)) return layer.digest
  const { labels } = await content.info(layer.digest, options)
  const known = Object.hasOwn(labels, UNCOMPRESSED_LABEL) ? labels[UNCOMPRESSED_LABEL] : undefined
  if (isDigest(known)) return known
  const digester = new Digester()
  await using reader = await content.openReader(layer, options)
  const { source } = await decompress(reader.read(), { subject: `layer ${layer.digest}` })
  for await (const chunk of source) digester.update(chunk)
  const diffId = digester.digest()
  // Only a memory: where it can't be kept, it is found out again.
  await content
    .updateLabels(layer.digest, { [UNCOMPRESSED_LABEL]: diffId }, [`labels.${UNCOMPRESSED_LABEL}`], options)
    .catch(() => {})
  options.signal?.throwIfAborted()
  return diffId
}
