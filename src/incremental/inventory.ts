import { CopyError } from '../errors/index.ts'
import {
  type Descriptor,
  type DiffId,
  type Digest,
  type DocumentNode,
  parseJson,
  type Platform,
  readDescriptor,
  readDocument,
} from '../oci/index.ts'
import {
  bytesSource,
  mapLimited,
  type OperationOptions,
  readAllBytes,
  readFileRange,
  writeFileAtomically,
} from '../stream/index.ts'
import type { ImageSource } from '../transport/index.ts'
import { checkVersion, recordedName } from './archive-format.ts'
import { type FetchedImageManifest, fetchManifests } from './fetch-manifests.ts'
import { KnownLayersSource } from './known-layers-source.ts'

/** A layer of an inventory. */
export interface InventoryLayer {
  readonly mediaType: string
  readonly digest: Digest
  /** Bytes; 0 where it is not known, as for Docker schema 1. */
  readonly size: number
  readonly diffId?: DiffId | undefined
}

/** A manifest of an inventory. */
export interface InventoryManifest {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly platform?: Platform | undefined
  readonly layers: readonly InventoryLayer[]
}

/** An image of an inventory. */
export interface InventoryImage {
  /** A registry's full reference, or the name in a store. */
  readonly name: string
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly manifests: readonly InventoryManifest[]
}

/**
 * What images there are somewhere, by digests, diffIDs, sizes and platforms: enough to leave their layers out elsewhere.
 *
 * @see docs/formats/inventory.md
 */
export interface Inventory {
  readonly tool: string
  readonly images: readonly InventoryImage[]
}

/** The media type that an inventory states. */
export const INVENTORY_MEDIA_TYPE = 'application/vnd.tare.inventory.v1+json'
/** No larger inventory is read. */
export const MAX_INVENTORY_BYTES: number = 64 * 1024 * 1024
const MAX_IMAGES = 100_000
const MAX_MANIFESTS = 10_000
const MAX_LAYERS = 200_000
/** Images read at a time. */
const CONCURRENCY = 4

/** An image to take stock of. */
export interface InventoryInput {
  readonly source: ImageSource
  /** @default its reference in a registry */
  readonly name?: string | undefined
  /** Whether its layers need not be there, so that each is looked for. @default false */
  readonly mayLackLayers?: boolean | undefined
  /** Is called when the image has been read. */
  readonly release?: (() => Promise<void>) | undefined
}

/**
 * Takes stock of images: manifests and configs are read, layers are not. A layer that is known to be absent is none of
 * the stock.
 *
 * @param tool - what does it, recorded: `tare/0.1.0`
 * @throws {CopyError} with the side `source`
 */
export async function takeInventory(
  inputs: readonly InventoryInput[],
  tool: string,
  options: OperationOptions = {},
): Promise<Inventory> {
  const images = await mapLimited(
    inputs,
    CONCURRENCY,
    async (input, _index, signal): Promise<InventoryImage> => {
      const { source, name, release } = input
      try {
        const root = await source.resolve({ ...options, signal })
        const fetched = await fetchManifests(source, { ...options, signal, root, configs: true })
        const { mediaType, digest, size } = root.descriptor
        const recorded = name ?? recordedName(source.reference)
        const manifests: InventoryManifest[] = []
        for (const each of fetched) manifests.push(await withoutAbsent(inventoryManifest(each), input, signal))
        return { name: recorded, mediaType, digest, size, manifests }
      } catch (error) {
        throw CopyError.at('source', source.reference, error)
      } finally {
        await release?.()
      }
    },
    options,
  )
  return { tool, images }
}

async function withoutAbsent(
  manifest: InventoryManifest,
  { source, mayLackLayers }: InventoryInput,
  signal: AbortSignal,
): Promise<InventoryManifest> {
  if (mayLackLayers !== true || source.hasBlob === undefined) return manifest
  const layers: InventoryLayer[] = []
  for (const layer of manifest.layers) if (await source.hasBlob(layer, { signal })) layers.push(layer)
  return { ...manifest, layers }
}

function inventoryManifest(manifest: FetchedImageManifest): InventoryManifest {
  const { descriptor, document, platform, diffIds } = manifest
  const { mediaType, digest, size } = descriptor
  const layers =
    document.kind === 'schema1'
      ? document.layers.map((layer) => ({ mediaType: 'application/octet-stream', digest: layer.digest, size: 0 }))
      : document.layers.map((layer, at) => ({
          mediaType: layer.mediaType,
          digest: layer.digest,
          size: layer.size,
          ...(diffIds?.[at] === undefined ? {} : { diffId: diffIds[at] }),
        }))
  return { mediaType, digest, size, ...(platform === undefined ? {} : { platform }), layers }
}

/** The inventory's exact bytes. Layers stand in one list, each once, and manifests name them by their place in it. */
export function formatInventory({ tool, images }: Inventory): Uint8Array {
  const places = new Map<string, number>()
  const layers: unknown[] = []
  const placeOf = ({ mediaType, digest, size, diffId }: InventoryLayer): number => {
    const key = `${digest} ${mediaType} ${diffId}`
    const known = places.get(key)
    if (known !== undefined) return known
    places.set(key, layers.length)
    return layers.push({ mediaType, digest, size, diffId }) - 1
  }
  const listed = images.map(({ name, mediaType, digest, size, manifests }) => ({
    name,
    mediaType,
    digest,
    size,
    manifests: manifests.map((manifest) => ({
      mediaType: manifest.mediaType,
      digest: manifest.digest,
      size: manifest.size,
      platform: manifest.platform,
      layers: manifest.layers.map(placeOf),
    })),
  }))
  const document = { schemaVersion: 1, mediaType: INVENTORY_MEDIA_TYPE, tool, images: listed, layers }
  return new TextEncoder().encode(`${JSON.stringify(document)}\n`)
}

/**
 * Parses and checks an inventory.
 *
 * @param bytes - at most 64 MiB
 * @throws {InvalidDocumentError} with every problem; {@link TareError} `UNSUPPORTED_FORMAT`, `LIMIT_EXCEEDED`
 */
export function parseInventory(bytes: Uint8Array, subject: string): Inventory {
  return readDocument(parseJson(bytes, subject, MAX_INVENTORY_BYTES), subject, (root) => {
    if (root.at('mediaType').text() !== INVENTORY_MEDIA_TYPE) {
      root.at('mediaType').report(`must be ${INVENTORY_MEDIA_TYPE}`)
    }
    checkVersion(root, subject)
    const layers = root.at('layers').list(MAX_LAYERS, readLayer)
    return {
      tool: root.at('tool').text() ?? '',
      images: root.at('images').list(MAX_IMAGES, (image) => ({
        name: readName(image.at('name')),
        ...readContent(image),
        manifests: image.at('manifests').list(MAX_MANIFESTS, (manifest) => readManifest(manifest, layers)),
      })),
    }
  })
}

function readLayer(node: DocumentNode): InventoryLayer {
  const diffId = node.at('diffId').optional((digest) => digest.digest())
  return { ...readContent(node), ...(diffId === undefined ? {} : { diffId }) }
}

function readManifest(node: DocumentNode, layers: readonly InventoryLayer[]): InventoryManifest {
  const content = readContent(node)
  const { platform } = readDescriptor(node)
  const listed = node.at('layers').list(MAX_MANIFESTS, (place) => {
    const layer = layers[place.size()]
    if (layer === undefined) place.report('is no place in the list of layers')
    return layer
  })
  return {
    ...content,
    ...(platform === undefined ? {} : { platform }),
    layers: listed.filter((layer) => layer !== undefined),
  }
}

function readContent(node: DocumentNode): {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
} {
  return {
    mediaType: node.at('mediaType').mediaType(),
    digest: node.at('digest').digest(),
    size: node.at('size').size(),
  }
}

/** A name that ends up on terminals and in annotations. */
function readName(node: DocumentNode): string {
  const name = node.text() ?? ''
  if (!/^[!-~]{0,512}$/.test(name)) node.report('must be up to 512 printable characters without blanks')
  return name
}

/** Reads the inventory in a file. @throws {TareError} `FILE_NOT_FOUND`, `LIMIT_EXCEEDED`, and as {@link parseInventory} */
export async function readInventory(path: string): Promise<Inventory> {
  const bytes = await readAllBytes(readFileRange(path), MAX_INVENTORY_BYTES, path)
  return parseInventory(bytes, `inventory ${path}`)
}

/** Writes an inventory to a file, which appears whole. @returns its bytes */
export async function writeInventory(path: string, inventory: Inventory): Promise<number> {
  const bytes = formatInventory(inventory)
  await writeFileAtomically(path, bytesSource(bytes))
  return bytes.length
}

/**
 * The images of an inventory as baselines: their layers are known by digest and diffID, and can't be opened. Manifests and
 * configs are stand-ins, see {@link KnownLayersSource}.
 */
export function inventorySources({ images }: Inventory): readonly ImageSource[] {
  return images.map(({ name, mediaType, digest, size, manifests }) => {
    const known = manifests.map((manifest) => ({
      descriptor: { mediaType: manifest.mediaType, digest: manifest.digest, size: manifest.size },
      platform: manifest.platform,
      layers: manifest.layers.map(({ diffId, ...descriptor }) => ({ descriptor, diffId })),
    }))
    const root: Descriptor = { mediaType, digest, size }
    return new KnownLayersSource({ reference: `inventory:${name === '' ? digest : name}`, root, manifests: known })
  })
}
