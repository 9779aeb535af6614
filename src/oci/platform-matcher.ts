import { TareError } from '../errors/index.ts'
import {
  isSamePlatform,
  matchPlatform,
  normalizePlatform,
  type Platform,
  parsePlatform,
  rankPlatforms,
} from './platform.ts'

/** Picks platforms, and says which of two it likes better. */
export interface PlatformMatcher {
  matches(platform: Platform): boolean
  /** Negative when `a` is to come before `b`, positive the other way round, 0 where it does not matter. */
  compare(a: Platform, b: Platform): number
}

/** Whatever runs where `wanted` runs, the best first: older variants too, and `386` on `amd64`. */
export function onlyPlatform(wanted: Platform): PlatformMatcher {
  return {
    matches: (platform) => matchPlatform(wanted, platform),
    compare(a, b) {
      const ranks = rankPlatforms(wanted, [a, b])
      const [rankOfA, rankOfB] = [ranks.indexOf(0), ranks.indexOf(1)]
      if (rankOfA === -1 || rankOfB === -1) return byMatch(rankOfA !== -1, rankOfB !== -1)
      // Equals keep their order, so the other order has to agree before one counts as better.
      return rankPlatforms(wanted, [b, a])[0] === (rankOfA < rankOfB ? 1 : 0) ? rankOfA - rankOfB : 0
    },
  }
}

/** Just this platform. */
export function onlyPlatformStrict(wanted: Platform): PlatformMatcher {
  return anyPlatform(wanted)
}

/** Any of these, an earlier one first. */
export function orderedPlatforms(...wanted: readonly Platform[]): PlatformMatcher {
  const rank = (platform: Platform): number => {
    const at = wanted.findIndex((one) => isSamePlatform(one, platform))
    return at === -1 ? wanted.length : at
  }
  return { matches: (platform) => rank(platform) < wanted.length, compare: (a, b) => rank(a) - rank(b) }
}

/** Any of these, in no order; without any, nothing matches. */
export function anyPlatform(...wanted: readonly Platform[]): PlatformMatcher {
  const matches = (platform: Platform): boolean => wanted.some((one) => isSamePlatform(one, platform))
  return { matches, compare: (a, b) => byMatch(matches(a), matches(b)) }
}

/** Every platform, in no order. */
export const ALL_PLATFORMS: PlatformMatcher = { matches: () => true, compare: () => 0 }

function byMatch(a: boolean, b: boolean): number {
  return Number(b) - Number(a)
}

/**
 * Sorts what has a platform: the preferred first, what has none last, equals in their order.
 *
 * @returns a new list
 */
export function sortByPlatform<Member extends { readonly platform?: Platform | undefined }>(
  members: readonly Member[],
  matcher: PlatformMatcher,
): readonly Member[] {
  return members.toSorted(({ platform: a }, { platform: b }) => {
    if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined)
    return matcher.compare(a, b)
  })
}

const SYSTEMS: ReadonlySet<string> = new Set(
  'aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos'.split(
    ' ',
  ),
)
const ARCHITECTURES: ReadonlySet<string> = new Set(
  (
    '386 amd64 amd64p32 arm armbe arm64 arm64be ppc64 ppc64le loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ' +
    'ppc riscv riscv64 s390 s390x sparc sparc64 wasm'
  ).split(' '),
)

/**
 * Parses a platform of which one half may be left out: `linux`, `arm64`, `linux/arm/v7`. The other half is the host's.
 *
 * @param host - the platform of the machine that asks
 * @throws {TareError} `INVALID_ARGUMENT`, also for `*` and for a single word that names neither
 */
export function parsePlatformSpecifier(text: string, host: Platform): Platform {
  if (text.includes('/')) return parsePlatform(text)
  const { os, architecture } = normalizePlatform({ os: text, architecture: text })
  if (SYSTEMS.has(os)) return normalizePlatform({ ...host, os })
  if (ARCHITECTURES.has(architecture)) return parsePlatform(`${host.os}/${text}`)
  throw new TareError('INVALID_ARGUMENT', `platform ${JSON.stringify(text.slice(0, 160))} is unknown`, {
    hint: 'Write os/architecture or os/architecture/variant, such as linux/amd64 or linux/arm/v7',
  })
}

const NODE_ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  mipsel: 'mipsle',
  loong64: 'loong64',
}

/**
 * The platform of a machine, from what Node.js calls its system and processor.
 *
 * @param system - `process.platform`
 * @param processor - `process.arch`
 */
export function platformOfHost(system: string, processor: string): Platform {
  return normalizePlatform({
    os: system === 'win32' ? 'windows' : system === 'sunos' ? 'solaris' : system,
    architecture: NODE_ARCHITECTURES[processor] ?? processor,
  })
}
