import { TareError } from '../errors/index.ts'
import { withoutAbsent } from './document-node.ts'

/**
 * What a member of an index runs on.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md#image-index-property-descriptions
 */
export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string | undefined
  readonly 'os.version'?: string | undefined
  readonly 'os.features'?: readonly string[] | undefined
  /** Docker lists only. */
  readonly features?: readonly string[] | undefined
}

const OS_PART = /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.%-]*)((?:\+[A-Za-z0-9_.%-]+)*)\))?$/
const PART = /^[A-Za-z0-9_.-]+$/

/**
 * Parses `os/architecture[/variant]`, where the system may carry a version and features as containerd writes them:
 * `windows(10.0.17763+win32k)/amd64`.
 *
 * @returns the platform in its normal form, see {@link normalizePlatform}
 * @throws {TareError} `INVALID_ARGUMENT`
 */
export function parsePlatform(text: string): Platform {
  const [system = '', architecture = '', variant, ...rest] = text.split('/', 4)
  const [, os, version, features] = OS_PART.exec(system) ?? []
  if (os === undefined || !PART.test(architecture) || !PART.test(variant ?? 'none') || rest.length > 0) {
    throw invalidPlatform(text)
  }
  return normalizePlatform({
    os,
    architecture,
    variant,
    'os.version': decodeOption(version ?? '', text),
    'os.features': (features ?? '').split('+').map((feature) => decodeOption(feature, text)),
  })
}

function invalidPlatform(text: string): TareError {
  return new TareError('INVALID_ARGUMENT', `platform ${JSON.stringify(text.slice(0, 160))} is malformed`, {
    hint: 'Write os/architecture or os/architecture/variant, such as linux/amd64 or linux/arm/v7',
  })
}

function decodeOption(option: string, text: string): string {
  try {
    return decodeURIComponent(option)
  } catch {
    throw invalidPlatform(text)
  }
}

/** Writes a platform the way {@link parsePlatform} reads it, every part as it stands; without a system, `unknown`. */
export function formatPlatform(platform: Platform): string {
  if (platform.os === '') return 'unknown'
  const features = [...(platform['os.features'] ?? [])].sort()
  const options = [platform['os.version'] ?? '', ...features].map(encodeOption).join('+')
  const system = options === '' ? platform.os : `${platform.os}(${options})`
  return [system, platform.architecture, platform.variant ?? ''].filter((part) => part !== '').join('/')
}

function encodeOption(option: string): string {
  return encodeURIComponent(option.toWellFormed()).replace(
    /[!'()*~]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/**
 * Gives a platform its usual spelling, so that equal platforms have equal fields: lower case, `x86_64` is `amd64`,
 * `aarch64` is `arm64`, `armhf` is `arm/v7`, `armel` is `arm/v6`, `i386` is `386`, `macos` is `darwin`; `arm` means v7,
 * and the variants that are implied (`amd64/v1`, `arm64/v8`) go. Features are sorted; empty fields are left out.
 *
 * @see https://github.com/containerd/platforms
 */
export function normalizePlatform(platform: Platform): Platform {
  const os = platform.os.toLowerCase()
  const [architecture, variant] = normalizeArchitecture(
    platform.architecture.toLowerCase(),
    (platform.variant ?? '').toLowerCase(),
  )
  return withoutAbsent({
    os: os === 'macos' ? 'darwin' : os,
    architecture,
    variant: variant || undefined,
    'os.version': platform['os.version'] || undefined,
    'os.features': sortedSet(platform['os.features']),
    features: sortedSet(platform.features),
  })
}

function sortedSet(texts: readonly string[] | undefined): readonly string[] | undefined {
  const sorted = [...new Set(texts)].filter((text) => text !== '').sort()
  return sorted.length === 0 ? undefined : sorted
}

function normalizeArchitecture(
  architecture: string,
  variant: string,
): readonly [architecture: string, variant: string] {
  switch (architecture) {
    case 'i386':
      return ['386', '']
    case 'x86_64':
    case 'x86-64':
    case 'amd64':
      return ['amd64', variant === 'v1' ? '' : variant]
    case 'aarch64':
    case 'arm64':
      return ['arm64', variant === '8' || variant === 'v8' ? '' : variant]
    case 'armhf':
      return ['arm', 'v7']
    case 'armel':
      return ['arm', 'v6']
    case 'arm':
      return ['arm', variant === '' ? 'v7' : variant.replace(/^[5-8]$/, 'v$&')]
    default:
      return [architecture, variant]
  }
}

/** Whether this is how BuildKit marks the members of an index that are attestations: `unknown/unknown`. */
export function isAttestationPlatform(platform: Platform): boolean {
  return platform.os === 'unknown' && platform.architecture === 'unknown'
}

/**
 * Whether what was made for `candidate` runs where `wanted` runs, older variants included: `arm/v7` runs `arm/v6`,
 * `amd64` runs `386`. Versions count for Windows only; a candidate may need no feature that is not wanted.
 */
export function matchPlatform(wanted: Platform, candidate: Platform): boolean {
  return matchRank(runnableFrom(wanted), candidate) !== undefined
}

/** Whether two platforms are the same after normalising; versions count for Windows only, and only where both state one. */
export function isSamePlatform(a: Platform, b: Platform): boolean {
  return matchRank([normalizePlatform(a)], b) !== undefined
}

/**
 * Ranks the candidates that run where `wanted` runs, as containerd's default matcher does.
 *
 * @returns positions in `candidates`, the best match first, equals in their order; `undefined` never matches
 */
export function rankPlatforms(wanted: Platform, candidates: readonly (Platform | undefined)[]): readonly number[] {
  const runnable = runnableFrom(wanted)
  const { os, 'os.version': version } = runnable[0]
  return candidates
    .flatMap((candidate, position) => {
      const rank = candidate === undefined ? undefined : matchRank(runnable, candidate)
      return rank === undefined ? [] : [{ position, rank, version: candidate?.['os.version'] }]
    })
    .sort((a, b) => a.rank - b.rank || (os === 'windows' ? compareVersions(a.version, b.version, version) : 0))
    .map(({ position }) => position)
}

/** The best match among things that have a platform, such as the members of an index; see {@link rankPlatforms}. */
export function selectPlatform<Member extends { readonly platform?: Platform | undefined }>(
  wanted: Platform,
  members: readonly Member[],
): Member | undefined {
  const [best] = rankPlatforms(
    wanted,
    members.map((member) => member.platform),
  )
  return best === undefined ? undefined : members[best]
}

/** Position of the first entry of `runnable` that `candidate` equals. */
function matchRank(runnable: readonly Platform[], candidate: Platform): number | undefined {
  const normal = normalizePlatform(candidate)
  const rank = runnable.findIndex(
    (platform) =>
      platform.os === normal.os &&
      platform.architecture === normal.architecture &&
      platform.variant === normal.variant &&
      (platform.os !== 'windows' || runsWindowsVersion(platform['os.version'], normal['os.version'])) &&
      (normal['os.features'] ?? []).every((feature) => platform['os.features']?.includes(feature) === true),
  )
  return rank < 0 ? undefined : rank
}

/** `wanted` and everything older that it runs, the best first. */
function runnableFrom(wanted: Platform): readonly [Platform, ...Platform[]] {
  const normal = normalizePlatform(wanted)
  return [
    normal,
    ...olderThan(normal.architecture, normal.variant ?? '').map(([architecture, variant]) =>
      normalizePlatform({ ...normal, architecture, variant }),
    ),
  ]
}

function olderThan(architecture: string, variant: string): readonly (readonly [string, string])[] {
  switch (architecture) {
    case 'amd64':
      return [
        ...downFrom(Number(/^v(\d)$/.exec(variant)?.[1] ?? 1) - 1, 1).map((n) => ['amd64', `v${n}`] as const),
        ['386', ''],
      ]
    case 'arm':
      return downFrom(Number(/^v(\d)$/.exec(variant)?.[1] ?? 0) - 1, 5).map((n) => ['arm', `v${n}`] as const)
    case 'arm64':
      return [
        ...olderArm64(variant || 'v8').map((older) => ['arm64', older] as const),
        ['arm', 'v8'],
        ...olderThan('arm', 'v8'),
      ]
    default:
      return []
  }
}

/** `v9.x` runs `v9.0` to `v9.x` and, since v9.0 came from v8.5, `v8.0` to `v8.(x+5)`. */
function olderArm64(variant: string): readonly string[] {
  const [, major, minor = '0'] = /^v([89])(?:\.(\d))?$/.exec(variant) ?? []
  const versions = (family: number, newest: number): readonly string[] =>
    downFrom(newest, 0).map((n) => (n === 0 ? `v${family}` : `v${family}.${n}`))
  if (major === '9') return [...versions(9, Number(minor) - 1), ...versions(8, Number(minor) + 5)]
  return major === '8' ? versions(8, Number(minor) - 1) : []
}

function downFrom(newest: number, oldest: number): readonly number[] {
  return Array.from({ length: Math.max(0, newest - oldest + 1) }, (_, index) => newest - index)
}

/** From this build (Windows Server 2022) on, hosts run the containers of every build since. */
const STABLE_WINDOWS_BUILD = 20348

/**
 * Whether a Windows host of version `host` runs a container of version `container`: major and minor are equal, and so
 * is the build unless both are past the stable one. A version with fewer than three numbers is a prefix; none runs all.
 */
function runsWindowsVersion(host: string | undefined, container: string | undefined): boolean {
  if (host === undefined || container === undefined || host === container) return true
  const [hostNumbers, numbers] = [versionNumbers(host), versionNumbers(container)]
  if (hostNumbers.slice(0, 2).some((number, index) => number !== numbers[index])) return false
  const [hostBuild, build] = [hostNumbers[2], numbers[2]]
  if (hostBuild === undefined || hostBuild === build) return true
  return build !== undefined && build >= STABLE_WINDOWS_BUILD && build <= hostBuild
}

/** The version that was asked for first, then the newest. */
function compareVersions(a: string | undefined, b: string | undefined, wanted: string | undefined): number {
  if (a === b) return 0
  if (a === wanted || b === wanted) return a === wanted ? -1 : 1
  const [left, right] = [versionNumbers(a ?? ''), versionNumbers(b ?? '')]
  const differing = [0, 1, 2, 3].find((index) => (left[index] || 0) !== (right[index] || 0))
  return differing === undefined ? 0 : (right[differing] || 0) - (left[differing] || 0)
}

function versionNumbers(version: string): readonly number[] {
  return version.split('.', 4).map(Number)
}
