import { type Descriptor, formatPlatform, isAttestationPlatform, normalizePlatform } from '../oci/index.ts'
import { isZstdVariant } from './compression-variants.ts'
import type { Logger } from '../stream/index.ts'
import { isArtifactType } from './artifact-type.ts'

/** Members that claim one platform, other than as variants of different compression. */
export interface PlatformClash {
  readonly platform: string
  readonly members: readonly Descriptor[]
}

/** Finds the platforms that several members of a list claim. It is allowed, but rarely meant. */
export function platformClashes(members: readonly Descriptor[]): readonly PlatformClash[] {
  const groups = new Map<string, Descriptor[]>()
  for (const member of members) {
    const { platform, artifactType } = member
    if (platform === undefined || isArtifactType(artifactType) || isAttestationPlatform(platform)) continue
    const normal = normalizePlatform(platform)
    const key = JSON.stringify([formatPlatform(normal), normal.features ?? [], isZstdVariant(member)])
    groups.set(key, [...(groups.get(key) ?? []), member])
  }
  return [...groups.values()].flatMap((claiming) =>
    claiming.length > 1
      ? [{ platform: formatPlatform(claiming[0]?.platform ?? { os: '', architecture: '' }), members: claiming }]
      : [],
  )
}

/** Tells of every platform that one of `added` claims together with another member. */
export function warnOfClashes(members: readonly Descriptor[], added: readonly Descriptor[], logger: Logger): void {
  const digests = new Set(added.map(({ digest }) => digest))
  for (const clash of platformClashes(members)) {
    if (!clash.members.some(({ digest }) => digests.has(digest))) continue
    const claiming = clash.members.map(({ digest }) => digest).join(', ')
    logger.warn(`${clash.platform} is claimed by several members; most clients take the first: ${claiming}`)
  }
}
