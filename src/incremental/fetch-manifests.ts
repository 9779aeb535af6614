import { TareError } from '../errors/index.ts'
import { isSchema1, manifestsOf, readImageTree } from '../image/index.ts'
import {
  type DiffId,
  type Digest,
  isIndexType,
  type Manifest,
  parseSchema1Manifest,
  type Platform,
  type Schema1Manifest,
} from '../oci/index.ts'
import { digestOf, type OperationOptions } from '../stream/index.ts'
import type { ImageSource, ManifestContent } from '../transport/index.ts'

/** One manifest of an image, of any kind that has layers. */
export interface FetchedImageManifest extends ManifestContent {
  readonly document: Manifest | Schema1Manifest
  /** From the index's descriptor, else from the config if that was read. */
  readonly platform?: Platform | undefined
  /** Of the layers, where a config was read that names them; in the order of the layers. */
  readonly diffIds?: readonly DiffId[] | undefined
}

/** Options of {@link fetchManifests}. */
export interface FetchManifestsOptions extends OperationOptions {
  /** Read configs too: they name platforms and diffIDs. @default false */
  readonly configs?: boolean | undefined
  /** What the reference points at, where it is known already. */
  readonly root?: ManifestContent | undefined
}

/**
 * Reads the manifests of an image: the one there is, or every one of an index, nested indexes included, in order and
 * each digest once. Docker schema 1 is read too. Layers are not touched.
 *
 * @throws {CopyError} with the code of its cause; {@link TareError} `LIMIT_EXCEEDED` for absurd trees
 */
export async function fetchManifests(
  source: ImageSource,
  options: FetchManifestsOptions = {},
): Promise<readonly FetchedImageManifest[]> {
  const root = options.root ?? (await source.resolve(options))
  if (!isSchema1(root)) return manifestsBelow(source, root, options)
  const { digest } = root.descriptor
  return [{ ...root, document: parseSchema1Manifest(root.bytes, `manifest ${digest}`) }]
}

/**
 * Reads the manifests that an index lists, nested indexes included.
 *
 * @param bytes - the index
 * @param mediaType - of the index
 * @throws {TareError} `INVALID_ARGUMENT` when `mediaType` is not one of an index; see {@link fetchManifests}
 */
export async function processList(
  source: ImageSource,
  bytes: Uint8Array,
  mediaType: string,
  options: FetchManifestsOptions = {},
): Promise<readonly FetchedImageManifest[]> {
  if (!isIndexType(mediaType)) {
    throw new TareError('INVALID_ARGUMENT', `${mediaType} is not the type of an index`, {
      hint: 'Use fetchManifests for what may be either',
    })
  }
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length }
  return manifestsBelow(source, { descriptor, bytes }, options)
}

async function manifestsBelow(
  source: ImageSource,
  root: ManifestContent,
  { configs = false, ...options }: FetchManifestsOptions,
): Promise<readonly FetchedImageManifest[]> {
  const tree = await readImageTree(source, { ...options, root, configs: configs ? 'parse' : 'skip', side: 'baseline' })
  return manifestsOf(tree).map(({ descriptor, bytes, document, platform, config }) => {
    const diffIds = config?.rootfs.diffIds
    const isMatched = diffIds?.length === document.layers.length
    return { descriptor, bytes, document, platform, ...(isMatched ? { diffIds } : {}) }
  })
}

/** The digests of all layers that manifests name: what a receiver of these images has. */
export function buildLayersDictionary(...manifests: readonly FetchedImageManifest[]): ReadonlySet<Digest> {
  return new Set(manifests.flatMap(({ document }) => document.layers.map((layer) => layer.digest)))
}
