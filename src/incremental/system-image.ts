import { TareError } from '../errors/index.ts'
import {
  type ImageTree,
  type IndexFate,
  type IndexNode,
  type ManifestNode,
  memberTree,
  platformHint,
} from '../image/index.ts'
import { formatPlatform, MEDIA_TYPE, type Platform } from '../oci/index.ts'

/** Annotation by which containers/image marks members whose layers are Zstandard. */
const ZSTD_ANNOTATION = 'io.github.containers.compression.zstd'

/**
 * Picks the instance of an index that the engine of containers/image picks for a system: the most specific variant that
 * runs there; of an OCI index, Zstandard before other compression, and members without a platform in the last resort.
 * Versions and features of the system do not count. An image that is no index is taken as it is.
 *
 * @throws {TareError} `NO_MATCHING_PLATFORM`
 */
export function systemImage(
  tree: ImageTree,
  platform: Platform,
): { readonly tree: ImageTree; readonly index: IndexFate } {
  const { root } = tree
  if (root.kind === 'manifest') return { tree, index: { kind: 'single' } }
  const wanted = wantedPlatforms(platform)
  const isDocker = root.descriptor.mediaType === MEDIA_TYPE.DOCKER_LIST
  const [best] = manifestMembers(root)
    .map((node, position) => ({ node, position, ...rank(node, wanted, isDocker) }))
    .filter(({ match }) => match !== undefined)
    .toSorted(
      (a, b) => (a.match ?? 0) - (b.match ?? 0) || Number(b.isZstd) - Number(a.isZstd) || a.position - b.position,
    )
  if (best === undefined) {
    throw new TareError('NO_MATCHING_PLATFORM', `platform ${formatPlatform(platform)} is not in the image`, {
      hint: platformHint(root),
    })
  }
  return { tree: memberTree(best.node), index: { kind: 'dropped', from: root.descriptor.digest } }
}

function rank(
  { descriptor }: ManifestNode,
  wanted: readonly Platform[],
  isDocker: boolean,
): { readonly match: number | undefined; readonly isZstd: boolean } {
  const isZstd = !isDocker && descriptor.annotations?.[ZSTD_ANNOTATION] === 'true'
  const { platform } = descriptor
  if (platform === undefined) return { match: isDocker ? undefined : wanted.length, isZstd }
  const match = wanted.findIndex(
    ({ os, architecture, variant = '' }) =>
      os === platform.os && architecture === platform.architecture && variant === (platform.variant ?? ''),
  )
  return { match: match === -1 ? undefined : match, isZstd }
}

/** Variants that run older ones, from the newest. */
const VARIANTS: Readonly<Record<string, readonly string[]>> = { arm: ['v8', 'v7', 'v6', 'v5'], arm64: ['v8'] }

/** The system itself and what it runs besides, the platform without a variant among them. */
function wantedPlatforms({ os, architecture, variant = '' }: Platform): readonly Platform[] {
  const known = VARIANTS[architecture] ?? []
  const from = known.indexOf(variant)
  const older = from === -1 ? [variant] : known.slice(from)
  const variants = variant === '' ? ['', ...known] : [...older, '']
  return variants.map((each) => ({ os, architecture, variant: each }))
}

function manifestMembers(node: IndexNode): readonly ManifestNode[] {
  return node.members.flatMap((member) => (member.kind === 'index' ? manifestMembers(member) : [member]))
}
