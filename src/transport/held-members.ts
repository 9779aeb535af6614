import { TareError } from '../errors/index.ts'
import {
  childDescriptors,
  type Descriptor,
  formatPlatform,
  isAttestation,
  isForeignLayerType,
  isIndexType,
  isManifestType,
  parseManifestDocument,
} from '../oci/index.ts'
import type { OperationOptions } from '../stream/index.ts'
import type { ManifestContent } from './transport.ts'

/** Where an engine's blobs are looked for. */
export interface HeldBlobs {
  /** Whether a blob is there; not verified. */
  has(descriptor: Descriptor, options: OperationOptions): Promise<boolean>
  /** A manifest or index that is there, verified. */
  readManifest(descriptor: Descriptor, options: OperationOptions): Promise<Uint8Array>
}

/** Indexes nested deeper than this are left to whoever reads them. */
const MAX_DEPTH = 8

/**
 * What of an image can be read where engines keep, of an index, the platforms that were asked for alone. A manifest, or
 * an index that is there with all its members, is the image; of an index of which one image is there, with everything
 * it needs, that image is.
 *
 * @param reference - as text, for messages
 * @throws {TareError} `AMBIGUOUS_IMAGE` with the members that can be picked, where several are there but not all
 */
export async function heldImage(
  reference: string,
  root: ManifestContent,
  blobs: HeldBlobs,
  options: OperationOptions = {},
): Promise<ManifestContent> {
  const { digest, mediaType } = root.descriptor
  const document = parseManifestDocument(root.bytes, { subject: `manifest ${digest} of ${reference}`, mediaType })
  if (document.kind !== 'index') return root
  const held: Descriptor[] = []
  for (const member of document.manifests) if (await isWhole(member, blobs, options, 0)) held.push(member)
  const images = held.filter((member) => !isAttestation(member))
  const [only] = images
  // Where nothing can be read, the one who tries to is told what is absent.
  if (held.length === document.manifests.length || only === undefined) return root
  if (images.length > 1) {
    const shown = images.slice(0, 20).map(({ digest: one, platform }) => {
      return platform === undefined ? one : `${one} (${formatPlatform(platform)})`
    })
    throw new TareError('AMBIGUOUS_IMAGE', `${reference} has some members of its index only`, {
      hint: `Pick one with @DIGEST; it has ${shown.join(', ')}${images.length > 20 ? ', …' : ''}`,
    })
  }
  const count = `1 of ${document.manifests.length}`
  options.logger?.warn(`${reference} has ${count} members of index ${digest}; ${only.digest} is read alone`)
  const bytes = await blobs.readManifest(only, options)
  return { descriptor: { mediaType: only.mediaType, digest: only.digest, size: only.size }, bytes }
}

async function isWhole(
  descriptor: Descriptor,
  blobs: HeldBlobs,
  options: OperationOptions,
  depth: number,
): Promise<boolean> {
  options.signal?.throwIfAborted()
  const { digest, mediaType } = descriptor
  if (isForeignLayerType(mediaType) && (descriptor.urls?.length ?? 0) > 0) return true
  if (!(await blobs.has(descriptor, options))) return false
  if (depth === MAX_DEPTH || !(isIndexType(mediaType) || isManifestType(mediaType))) return true
  const bytes = await blobs.readManifest(descriptor, options)
  const document = parseManifestDocument(bytes, { subject: `manifest ${digest}`, mediaType })
  for (const child of childDescriptors(document)) {
    if (!(await isWhole(child, blobs, options, depth + 1))) return false
  }
  return true
}
