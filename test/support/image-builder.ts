import { gzipSync } from 'node:zlib'
import { readImageTree } from '../../src/image/index.ts'
import { type Descriptor, type DigestAlgorithm, MEDIA_TYPE, type Platform } from '../../src/oci/index.ts'
import { bytesSource, digestOf, readAllBytes } from '../../src/stream/index.ts'
import { TAR_TRAILER, tarHeader, tarPadding } from '../../src/tar/index.ts'
import { type ManifestContent, type OpenContext, openDestination, openSource } from '../../src/transport/index.ts'

/** Makes a tar of regular files. */
export function tarOf(files: Readonly<Record<string, string | Uint8Array>>, mtime = 0): Uint8Array {
  const parts: Uint8Array[] = []
  for (const [path, text] of Object.entries(files)) {
    const content = typeof text === 'string' ? Buffer.from(text) : text
    parts.push(tarHeader({ path, type: 'file', sizeBytes: content.length, mtime }), content, tarPadding(content.length))
  }
  return Buffer.concat([...parts, TAR_TRAILER])
}

/** An image to make. */
export interface ImageRecipe {
  readonly layers: readonly Uint8Array[]
  /** `gzip` is Node's own; a function is any other encoder. @default 'none' */
  readonly compression?: 'none' | 'gzip' | ((tar: Uint8Array) => Uint8Array) | undefined
  readonly platform?: Platform | undefined
  /** Of the diffIDs. @default 'sha256' */
  readonly algorithm?: DigestAlgorithm | undefined
}

interface BuiltImage {
  readonly manifest: ManifestContent
  readonly blobs: readonly { readonly descriptor: Descriptor; readonly bytes: Uint8Array }[]
}

function contentOf(
  mediaType: string,
  bytes: Uint8Array,
): { readonly descriptor: Descriptor; readonly bytes: Uint8Array } {
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, bytes }
}

/** A manifest with its config and layers, all in memory. */
export function buildImage(recipe: ImageRecipe): BuiltImage {
  const { compression = 'none' } = recipe
  const compress = compression === 'gzip' ? (tar: Uint8Array): Uint8Array => gzipSync(tar) : compression
  const layers = recipe.layers.map((tar) =>
    compress === 'none' ? contentOf(MEDIA_TYPE.OCI_LAYER, tar) : contentOf(MEDIA_TYPE.OCI_LAYER_GZIP, compress(tar)),
  )
  const config = contentOf(
    MEDIA_TYPE.OCI_CONFIG,
    Buffer.from(
      JSON.stringify({
        os: recipe.platform?.os ?? 'linux',
        architecture: recipe.platform?.architecture ?? 'amd64',
        variant: recipe.platform?.variant,
        rootfs: { type: 'layers', diff_ids: recipe.layers.map((tar) => digestOf(tar, recipe.algorithm)) },
      }),
    ),
  )
  const manifest = contentOf(
    MEDIA_TYPE.OCI_MANIFEST,
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPE.OCI_MANIFEST,
        config: config.descriptor,
        layers: layers.map((layer) => layer.descriptor),
      }),
    ),
  )
  return { manifest, blobs: [config, ...layers] }
}

/** Writes an image to a reference of any transport. @returns its manifest */
export async function writeImage(
  reference: string,
  recipe: ImageRecipe,
  context: OpenContext = {},
): Promise<ManifestContent> {
  const { manifest, blobs } = buildImage(recipe)
  await writeContents(reference, blobs, [manifest], context)
  return manifest
}

/** Writes an index of images, each with its platform. @returns the index */
export async function writeIndex(
  reference: string,
  recipes: readonly ImageRecipe[],
  context: OpenContext = {},
): Promise<ManifestContent> {
  const images = recipes.map((recipe) => ({ ...buildImage(recipe), platform: recipe.platform }))
  const index = contentOf(
    MEDIA_TYPE.OCI_INDEX,
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPE.OCI_INDEX,
        manifests: images.map(({ manifest, platform }) => ({ ...manifest.descriptor, platform })),
      }),
    ),
  )
  await writeContents(
    reference,
    images.flatMap((image) => image.blobs),
    [...images.map((image) => image.manifest), index],
    context,
  )
  return index
}

async function writeContents(
  reference: string,
  blobs: BuiltImage['blobs'],
  manifests: readonly ManifestContent[],
  context: OpenContext,
): Promise<void> {
  await using destination = await openDestination(reference, context)
  const unique = [...new Map(blobs.map((blob) => [blob.descriptor.digest, blob])).values()]
  await destination.prepare?.({ blobs: unique.map((blob) => blob.descriptor), manifests })
  for (const { descriptor, bytes } of unique) await destination.putBlob(descriptor, async () => bytesSource(bytes))
  for (const manifest of manifests) await destination.putManifest(manifest)
  await destination.commit(manifests.at(-1) as ManifestContent)
}

/** One layer, counted from 0, of an image that keeps plain layers. */
export async function plainLayer(reference: string, index: number): Promise<Uint8Array> {
  await using source = await openSource(reference)
  const { blobs } = await readImageTree(source)
  const layer = blobs.filter((blob) => blob.role === 'layer')[index]
  if (layer === undefined) throw new Error(`${reference} has no layer ${index}`)
  return await readAllBytes(await source.openBlob(layer.descriptor), 100_000_000, 'layer')
}
