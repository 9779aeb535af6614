import { type GzipMember, gzipMembers } from '../compress/index.ts'
import type { EncoderSpec } from '../kernels/index.ts'
import type { Digest } from '../oci/index.ts'
import { Digester, readAllBytes } from '../stream/index.ts'
import { type DetectOptions, detectRecipe, type RandomBytes } from './detect.ts'
import { encoderName } from './encoder-names.ts'
import { type Encoder, formatRecipe, type MemberRecipe, type Recipe } from './recipe.ts'
import { regenerate } from './regenerate.ts'
import { readSigns, type StreamSigns } from './stream-signs.ts'

/** Options of {@link explainGzip}. */
export interface ExplainOptions extends DetectOptions {
  /** The blob's digest, which its regeneration must have. */
  readonly digest: Digest
  /** A clock that counts milliseconds. */
  readonly now: () => number
}

/**
 * How well a stream is understood. `exact`: its encoder makes every byte. `corrected`: it makes all but a few, which the
 * recipe holds. `predicted`: the encoder is not known, and the recipe holds what a general one guesses wrong.
 */
export type Precision = 'exact' | 'corrected' | 'predicted'

/** Members of a gzip blob that one encoder made in one way. */
export interface MemberGroup {
  readonly count: number
  readonly precision: Precision
  readonly encoder: Encoder['kind']
  /** Software that writes so, for people. */
  readonly name: string
  /** Of klauspost's encoders. @see docs/formats/encoders.md */
  readonly family?: number | undefined
  readonly level?: number | undefined
  /** Of zlib. */
  readonly memLevel?: number | undefined
  /** Of encoders that cut their input. */
  readonly blockBytes?: number | undefined
  readonly plainBytes: number
  /** Flushes that the encoder was asked for. */
  readonly flushCount: number
  /** Places at which regeneration can begin anew. */
  readonly checkpointCount: number
  readonly correctionBytes: number
}

/** What the structure of a stream tells where its encoder is not known. */
export interface SignsReport extends Omit<StreamSigns, 'syncMarkers'> {
  /** Which member was looked at: the largest one whose encoder is not known, from 0. */
  readonly member: number
  readonly syncMarkerCount: number
  /** Of its header: 2 for the best, 4 for the fastest compression, as a rule. */
  readonly extraFlags: number
  readonly operatingSystem: number
}

/** How a gzip blob was made, and what it takes to make it again. */
export interface GzipExplanation {
  readonly memberCount: number
  /** That of the least understood member; `unknown` where there is no recipe. */
  readonly precision: Precision | 'unknown'
  readonly plainBytes: number
  /** In the order in which their first members stand. Empty where there is no recipe. */
  readonly groups: readonly MemberGroup[]
  readonly recipeBytes?: number | undefined
  /** Time it took to find the recipe. */
  readonly detectSeconds: number
  /** Time it took to make the whole blob again. */
  readonly regenerateSeconds?: number | undefined
  /** Plain bytes taken in a second while it was made again. */
  readonly plainBytesPerSecond?: number | undefined
  /** Present where an encoder is not known exactly. */
  readonly signs?: SignsReport | undefined
}

/**
 * Finds out how a gzip blob was made, and makes it again to prove it and to measure the speed.
 *
 * @param plain - what the blob unpacks to
 * @throws {TareError} `CORRUPT_GZIP`
 */
export async function explainGzip(
  blob: RandomBytes,
  plain: RandomBytes,
  options: ExplainOptions,
): Promise<GzipExplanation> {
  const { now } = options
  const start = now()
  const found = await detectRecipe(blob, plain, options)
  const detected = now()
  const isProven = found !== undefined && (await isRegenerated(found, plain, options))
  const regenerated = now()
  const detectSeconds = seconds(start, detected)
  const plainBytes = plain.sizeBytes
  if (!isProven) {
    const { memberCount, signs } = await lookAt(blob, () => true)
    return { memberCount, precision: 'unknown', plainBytes, groups: [], detectSeconds, signs }
  }
  const { members } = found
  const isUnknown = members.map((member) => precisionOf(member) === 'predicted')
  const regenerateSeconds = seconds(detected, regenerated)
  return {
    memberCount: members.length,
    precision:
      PRECISIONS.findLast((precision) => members.some((member) => precisionOf(member) === precision)) ?? 'exact',
    plainBytes,
    groups: groupMembers(members),
    recipeBytes: formatRecipe(found).length,
    detectSeconds,
    regenerateSeconds,
    plainBytesPerSecond: regenerateSeconds > 0 ? Math.round(plainBytes / regenerateSeconds) : undefined,
    signs: isUnknown.includes(true) ? (await lookAt(blob, (index) => isUnknown[index] === true)).signs : undefined,
  }
}

/** To the millisecond. */
function seconds(from: number, to: number): number {
  return Math.round(to - from) / 1000
}

/** The least trouble first. */
const PRECISIONS: readonly Precision[] = ['exact', 'corrected', 'predicted']

function precisionOf({ encoder, corrections }: MemberRecipe): Precision {
  if (encoder.kind === 'unknown' || encoder.kind === 'baseline') return 'predicted'
  return corrections.length === 0 ? 'exact' : 'corrected'
}

async function isRegenerated(recipe: Recipe, plain: RandomBytes, options: ExplainOptions): Promise<boolean> {
  const digester = new Digester()
  for await (const chunk of regenerate(recipe, plain.open({}), options)) digester.update(chunk)
  return digester.digest() === options.digest
}

function groupMembers(members: readonly MemberRecipe[]): readonly MemberGroup[] {
  const groups = new Map<string, MemberGroup>()
  for (const member of members) {
    const { encoder } = member
    const precision = precisionOf(member)
    const settings = settingsOf(encoder)
    const key = JSON.stringify([settings, precision])
    const group = groups.get(key)
    groups.set(key, {
      count: (group?.count ?? 0) + 1,
      precision,
      encoder: encoder.kind,
      name: encoderName(encoder),
      family: 'family' in settings ? settings.family : undefined,
      level: 'level' in settings ? settings.level : undefined,
      memLevel: 'memLevel' in settings ? settings.memLevel : undefined,
      blockBytes: 'blockBytes' in settings ? settings.blockBytes : undefined,
      plainBytes: (group?.plainBytes ?? 0) + member.plainBytes,
      flushCount: (group?.flushCount ?? 0) + member.flushes.length,
      checkpointCount: (group?.checkpointCount ?? 0) + member.checkpoints.length,
      correctionBytes: (group?.correctionBytes ?? 0) + member.corrections.length,
    })
  }
  return [...groups.values()]
}

/** What tells encoders apart; what differs from member to member is left out. */
function settingsOf(encoder: Encoder): EncoderSpec | { readonly kind: Encoder['kind'] } {
  switch (encoder.kind) {
    case 'verbatim':
    case 'unknown':
    case 'baseline':
      return { kind: encoder.kind }
    case 'go':
    case 'klauspost':
    case 'pgzip':
    case 'zlib':
    case 'gzip':
    case 'pigz':
      return encoder
  }
}

const SIGNS_PLAIN_BYTES = 2_300_000
const TAIL_BYTES = 6

/** Counts members, and looks at the largest one of those wanted. */
async function lookAt(
  blob: RandomBytes,
  isWanted: (index: number) => boolean,
): Promise<{ readonly memberCount: number; readonly signs?: SignsReport | undefined }> {
  let memberCount = 0
  let largest: (GzipMember & { readonly index: number }) | undefined
  for await (const member of gzipMembers(blob.open, blob.sizeBytes)) {
    const index = memberCount++
    if (isWanted(index) && member.deflateBytes > (largest?.deflateBytes ?? -1)) largest = { ...member, index }
  }
  if (largest === undefined) return { memberCount }
  const { deflateOffset, deflateBytes, header, index } = largest
  const tailBytes = Math.min(TAIL_BYTES, deflateBytes)
  const tailRange = { offset: deflateOffset + deflateBytes - tailBytes, length: tailBytes }
  const tail = await readAllBytes(blob.open(tailRange), tailBytes, 'end of a deflate stream')
  const deflate = blob.open({ offset: deflateOffset, length: deflateBytes })
  const { syncMarkers, ...signs } = await readSigns(deflate, tail, SIGNS_PLAIN_BYTES)
  const { extraFlags, operatingSystem } = header
  return {
    memberCount,
    signs: { member: index, ...signs, syncMarkerCount: syncMarkers.length, extraFlags, operatingSystem },
  }
}
