import { TareError } from '../errors/index.ts'
import {
  attestedDigest,
  bareDescriptor,
  type Descriptor,
  type Digest,
  formatPlatform,
  isAttestationPlatform,
  matchPlatform,
  MEDIA_TYPE,
  type Platform,
  selectPlatform,
} from '../oci/index.ts'
import { digestOf } from '../stream/index.ts'
import { type ImageNode, type ImageTree, type IndexNode, imageTree, type ManifestNode } from './tree.ts'

/** What narrowing made of the index. */
export type IndexFate =
  /** The image is one manifest; there was nothing to narrow. */
  | { readonly kind: 'single' }
  /** Every member was kept, so the index is byte for byte the same. */
  | { readonly kind: 'whole' }
  /** One member is left and stands for itself. */
  | { readonly kind: 'dropped'; readonly from: Digest }
  /** Several members are left; a new index lists just these. */
  | { readonly kind: 'rewritten'; readonly from: Digest; readonly to: Digest }

/** A narrowed tree and what became of its index. */
export interface NarrowedTree {
  readonly tree: ImageTree
  readonly index: IndexFate
}

/**
 * Keeps only the members that the wanted platforms pick, each the best match, with their attestations when an index
 * remains. One member left is taken without its index; several get a new index that lists just them, because
 * registries refuse an index whose members are absent.
 *
 * @param platforms - wanted, in any order; none keeps everything
 * @throws {TareError} `NO_MATCHING_PLATFORM`
 */
export function narrowTree(tree: ImageTree, platforms: readonly Platform[]): NarrowedTree {
  const { root } = tree
  if (root.kind === 'manifest') {
    for (const wanted of platforms) {
      if (root.platform !== undefined && !matchPlatform(wanted, root.platform)) throw noMatch(wanted, [root])
    }
    return { tree, index: { kind: 'single' } }
  }
  if (platforms.length === 0) return { tree, index: { kind: 'whole' } }
  const candidates = manifestsBelow(root)
  const picked = new Set(platforms.map((wanted) => pickMember(wanted, candidates)))
  const from = root.descriptor.digest
  const [only] = picked
  if (picked.size === 1 && only !== undefined) {
    return { tree: memberTree(only), index: { kind: 'dropped', from } }
  }
  const pickedDigests = new Set([...picked].map((node) => node.descriptor.digest))
  const kept = candidates.filter((node) => {
    const attested = attestedDigest(node.descriptor)
    return picked.has(node) || (attested !== undefined && pickedDigests.has(attested))
  })
  if (kept.length === root.document.manifests.length) return { tree, index: { kind: 'whole' } }
  const rewritten = rewriteIndex(root, kept)
  return { tree: imageTree(rewritten), index: { kind: 'rewritten', from, to: rewritten.descriptor.digest } }
}

/** One member of an index on its own, without what the index said of it. */
export function memberTree(member: ManifestNode): ImageTree {
  return imageTree(withoutIndex(member))
}

/** The platforms that an index offers, attestations left out, as text. */
export function offeredPlatforms(root: ImageNode): readonly string[] {
  const nodes = root.kind === 'index' ? manifestsBelow(root) : [root]
  return nodes.flatMap(({ platform }) =>
    platform === undefined || isAttestationPlatform(platform) ? [] : [formatPlatform(platform)],
  )
}

/** What to do where one image is wanted and an index is there. */
export function platformHint(root: ImageNode): string {
  const offered = offeredPlatforms(root)
  return offered.length === 0
    ? 'It names no platform; pick a member by its digest'
    : `Choose a member with --platform: ${offered.join(', ')}`
}

function manifestsBelow(node: IndexNode): ManifestNode[] {
  return node.members.flatMap((member) => (member.kind === 'index' ? manifestsBelow(member) : [member]))
}

function pickMember(wanted: Platform, candidates: readonly ManifestNode[]): ManifestNode {
  const runnable = candidates.filter((node) => node.platform === undefined || !isAttestationPlatform(node.platform))
  const member = selectPlatform(wanted, runnable)
  if (member === undefined) throw noMatch(wanted, candidates)
  return member
}

function noMatch(wanted: Platform, candidates: readonly ManifestNode[]): TareError {
  const offered = [...new Set(candidates.flatMap((node) => offeredPlatforms(node)))]
  return new TareError('NO_MATCHING_PLATFORM', `platform ${formatPlatform(wanted)} is not in the image`, {
    hint: offered.length === 0 ? 'The image names no platform' : `It has ${offered.join(', ')}`,
  })
}

/** The platform belongs to the index's descriptor; on its own the manifest goes without. */
function withoutIndex(node: ManifestNode): ManifestNode {
  return { ...node, descriptor: bareDescriptor(node.descriptor) }
}

function rewriteIndex(root: IndexNode, kept: readonly ManifestNode[]): IndexNode {
  const members: readonly Descriptor[] = kept.map((node) => node.descriptor)
  const { mediaType, artifactType, subject, annotations } = root.document
  const bytes = new TextEncoder().encode(
    JSON.stringify({ schemaVersion: 2, mediaType, artifactType, manifests: members, subject, annotations }),
  )
  const descriptor: Descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length }
  const document = { ...root.document, mediaType: mediaType || MEDIA_TYPE.OCI_INDEX, manifests: members }
  return { kind: 'index', descriptor, bytes, document, members: kept, leaves: [] }
}
