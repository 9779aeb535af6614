import { type GzipMember, gzipMembers, type RangeOpener } from '../compress/index.ts'
import type { DeflateCheckpoint, EncoderSpec } from '../kernels/index.ts'
import { ByteReader, type ByteSource, type OperationOptions, readAllBytes } from '../stream/index.ts'
import type { KernelRunner } from '../workers/index.ts'
import { hasErrorCode } from '../errors/index.ts'
import { candidateRounds } from './candidates.ts'
import { nearestEncoder, type Trial } from './nearest-encoder.ts'
import type { Encoder, MemberRecipe, Recipe, Trailer } from './recipe.ts'
import { deflateMember, PlainStretch } from './regenerate.ts'
import { findSyncMarkers, readSigns } from './stream-signs.ts'
import { codeCorrections } from './token-stream.ts'

/** A file, or a part of one, that can be read anywhere. */
export interface RandomBytes {
  readonly sizeBytes: number
  readonly open: RangeOpener
}

/** Options of {@link detectRecipe}. */
export interface DetectOptions extends OperationOptions {
  readonly kernels: KernelRunner
  /** Encoders that made this blob's neighbours: tried first. The ones found are put in front. */
  readonly hints?: EncoderSpec[] | undefined
}

/** Plain bytes that trials run over: enough for a first sync marker of pgzip at its default. */
const TRIAL_PLAIN_BYTES = 1_200_000
/** Compressed bytes that surely unpack to as much, or are the whole stream. */
const TRIAL_DEFLATE_BYTES = 1_300_000
/** Deflate streams up to this size may stand in the recipe as they are. */
const MAX_VERBATIM_BYTES = 32
/** Plain bytes between checkpoints. */
const CHECKPOINT_BYTES = 4 * 1024 * 1024
const MAX_HINTS = 8
const MAX_TRAILING_BYTES = 4096

/**
 * Finds out how a gzip blob was made.
 *
 * @param blob - the compressed bytes
 * @param plain - what they unpack to
 * @returns a recipe whose every member was compared to its end; undefined where an encoder is not known
 * @throws {TareError} `CORRUPT_GZIP`
 */
export async function detectRecipe(
  blob: RandomBytes,
  plain: RandomBytes,
  options: DetectOptions,
): Promise<Recipe | undefined> {
  const detector = new MemberDetector(blob, plain, options)
  const members: MemberRecipe[] = []
  let end = 0
  for await (const member of gzipMembers(blob.open, blob.sizeBytes)) {
    options.signal?.throwIfAborted()
    const recipe = await detector.detect(member)
    if (recipe === undefined) return undefined
    members.push(recipe)
    end = member.deflateOffset + member.deflateBytes + member.trailerBytes.length
  }
  const trailingBytes = blob.sizeBytes - end
  if (members.length === 0 || trailingBytes > MAX_TRAILING_BYTES) return undefined
  const trailing = await readRange(blob.open, end, trailingBytes)
  return { blobBytes: blob.sizeBytes, members, trailing }
}

class MemberDetector {
  readonly #blob: RandomBytes
  readonly #plain: RandomBytes
  readonly #options: DetectOptions
  readonly #hints: EncoderSpec[]
  /** Of the member at hand; finding them takes a reading of all of it. */
  #markers: { readonly member: GzipMember; readonly positions: readonly number[] } | undefined

  constructor(blob: RandomBytes, plain: RandomBytes, options: DetectOptions) {
    this.#blob = blob
    this.#plain = plain
    this.#options = options
    this.#hints = options.hints ?? []
  }

  async detect(member: GzipMember): Promise<MemberRecipe | undefined> {
    const trial = await this.#readTrial(member)
    const hinted = await this.#tryRound(member, trial, this.#hints)
    if (hinted !== undefined) return this.#found(hinted)
    const tailBytes = Math.min(TAIL_BYTES, member.deflateBytes)
    const tailOffset = member.deflateOffset + member.deflateBytes - tailBytes
    const tail = await readRange(this.#blob.open, tailOffset, tailBytes)
    const signs = await readSigns(this.#openDeflate(member), tail, SIGNS_PLAIN_BYTES)
    const rounds = candidateRounds(member.header, signs)
    for (const round of rounds) {
      const found = await this.#tryRound(member, trial, round)
      if (found !== undefined) return this.#found(found)
    }
    if (member.deflateBytes <= MAX_VERBATIM_BYTES) {
      return { ...this.#recipe(member), encoder: { kind: 'verbatim', deflate: trial.deflate } }
    }
    return this.#correct(member, trial, [...this.#hints, ...rounds.flat()])
  }

  /**
   * Where no encoder makes the stream exactly: the nearest one with corrections, or a stream of no known encoder,
   * whichever costs less.
   */
  async #correct(member: GzipMember, trial: Trial, specs: readonly EncoderSpec[]): Promise<MemberRecipe | undefined> {
    const nearest = await nearestEncoder(
      this.#options.kernels,
      specs.slice(0, MAX_COMPARED),
      trial,
      this.#options.signal,
    )
    const unknown: MemberRecipe = { ...this.#recipe(member), encoder: { kind: 'unknown' } }
    const choices =
      nearest === undefined
        ? [unknown]
        : [{ ...unknown, encoder: nearest, flushes: await this.#flushesOf(member, nearest) }, unknown]
    let best: MemberRecipe | undefined
    for (const choice of choices) {
      const corrections = await this.#codeCorrections(member, choice)
      if (corrections === undefined || corrections.length >= (best?.corrections.length ?? member.deflateBytes)) continue
      best = { ...choice, corrections }
      if (corrections.length <= MIN_CHEAP_BYTES + member.deflateBytes / CHEAP_PART) break
    }
    return best
  }

  /** Undefined for a stream so strange that it had better be shipped whole. */
  async #codeCorrections(member: GzipMember, recipe: MemberRecipe): Promise<Uint8Array | undefined> {
    const plain = this.#plain.open({ offset: member.plainOffset, length: member.plainBytes })
    try {
      return await codeCorrections(recipe, () => this.#openDeflate(member), plain, this.#options)
    } catch (error) {
      if (hasErrorCode(error, 'LIMIT_EXCEEDED')) return undefined
      throw error
    }
  }

  /** The encoders that agree with the beginning are run over the whole member, one after the other. */
  async #tryRound(member: GzipMember, trial: Trial, specs: readonly EncoderSpec[]): Promise<MemberRecipe | undefined> {
    if (specs.length === 0) return undefined
    const { kernels, signal } = this.#options
    const results = await kernels.tryEncoders({ specs, flushes: [], ...trial }, signal)
    for (const [index, { isEqual }] of results.entries()) {
      const encoder = specs[index]
      if (!isEqual || encoder === undefined) continue
      const recipe = { ...this.#recipe(member), encoder }
      if (trial.isWhole) return recipe
      const compared = await this.#compare(member, recipe)
      if (compared.isEqual) return { ...recipe, checkpoints: compared.checkpoints }
      const flushes = await this.#flushesOf(member, encoder)
      const flushed = { ...recipe, flushes }
      if (flushes.length > 0 && (await this.#compare(member, flushed)).isEqual) return flushed
    }
    return this.#tryFlushed(member, specs, results)
  }

  /** Where nobody agrees, a flush may be to blame: the encoder that got furthest is tried with the flushes there are. */
  async #tryFlushed(
    member: GzipMember,
    specs: readonly EncoderSpec[],
    results: readonly { readonly equalBytes: number }[],
  ): Promise<MemberRecipe | undefined> {
    const furthest = results.reduce(
      (best, { equalBytes }, index) => (equalBytes > (results[best]?.equalBytes ?? 0) ? index : best),
      0,
    )
    const encoder = specs[furthest]
    if (encoder === undefined || (results[furthest]?.equalBytes ?? 0) < MIN_AGREEMENT_BYTES) return undefined
    const flushes = await this.#flushesOf(member, encoder)
    if (flushes.length === 0) return undefined
    const recipe = { ...this.#recipe(member), encoder, flushes }
    return (await this.#compare(member, recipe)).isEqual ? recipe : undefined
  }

  /** Flushes that the encoder does not make by itself. */
  async #flushesOf(member: GzipMember, encoder: EncoderSpec): Promise<readonly number[]> {
    if (encoder.kind === 'pigz') return []
    if (this.#markers?.member !== member) {
      this.#markers = { member, positions: await findSyncMarkers(this.#openDeflate(member)) }
    }
    const markers = this.#markers.positions
    return encoder.kind === 'pgzip' ? flushesBetween(markers, encoder.blockBytes, member.plainBytes) : markers
  }

  async #compare(
    member: GzipMember,
    recipe: MemberRecipe,
  ): Promise<{ readonly isEqual: boolean; readonly checkpoints: readonly DeflateCheckpoint[] }> {
    const checkpoints: DeflateCheckpoint[] = []
    await using plain = new ByteReader(this.#plain.open({ offset: member.plainOffset, length: member.plainBytes }))
    await using actual = new ByteReader(this.#openDeflate(member))
    for await (const made of this.#make(recipe, new PlainStretch(plain, member.plainBytes), checkpoints)) {
      if (!Buffer.from(made).equals(await actual.read(made.length))) return { isEqual: false, checkpoints: [] }
    }
    return { isEqual: await actual.isAtEnd(), checkpoints }
  }

  async *#make(recipe: MemberRecipe, plain: PlainStretch, checkpoints: DeflateCheckpoint[]): ByteSource {
    const { kernels, signal } = this.#options
    const { encoder, flushes } = recipe
    if (encoder.kind !== 'go' || flushes.length > 0) {
      yield* deflateMember(recipe, plain, { kernels, signal })
      return
    }
    const job = { spec: encoder, flushes, checkpointBytes: CHECKPOINT_BYTES }
    for await (const output of kernels.deflateStream(job, plain.chunks(), signal)) {
      checkpoints.push(...output.checkpoints)
      yield output.deflate
    }
  }

  async #readTrial(member: GzipMember): Promise<Trial> {
    const plainBytes = Math.min(TRIAL_PLAIN_BYTES, member.plainBytes)
    const isWhole = plainBytes === member.plainBytes
    const deflateBytes = isWhole ? member.deflateBytes : Math.min(TRIAL_DEFLATE_BYTES, member.deflateBytes)
    return {
      plain: await readRange(this.#plain.open, member.plainOffset, plainBytes),
      deflate: await readRange(this.#blob.open, member.deflateOffset, deflateBytes),
      isWhole,
    }
  }

  #openDeflate({ deflateOffset, deflateBytes }: GzipMember): ByteSource {
    return this.#blob.open({ offset: deflateOffset, length: deflateBytes })
  }

  #recipe(member: GzipMember): Omit<MemberRecipe, 'encoder'> {
    return {
      header: member.headerBytes,
      plainBytes: member.plainBytes,
      flushes: [],
      checkpoints: [],
      corrections: new Uint8Array(0),
      // Whether it is the standard one shows when the whole blob is proven; a cut or wrong one is kept as it is.
      trailer: trailerOf(member),
    }
  }

  #found(recipe: MemberRecipe): MemberRecipe {
    const { encoder } = recipe
    if (!isKnownEncoder(encoder)) return recipe
    const known = this.#hints.findIndex((hint) => JSON.stringify(hint) === JSON.stringify(encoder))
    if (known >= 0) this.#hints.splice(known, 1)
    this.#hints.unshift(encoder)
    this.#hints.length = Math.min(this.#hints.length, MAX_HINTS)
    return recipe
  }
}

const SIGNS_PLAIN_BYTES = 2_300_000
const TAIL_BYTES = 6
/** Corrections this small, or this part of their stream, are not worth looking for better ones. */
const MIN_CHEAP_BYTES = 256
const CHEAP_PART = 200
/** Encoders that are compared by their tokens when none makes the stream. */
const MAX_COMPARED = 48
/** An encoder that parts sooner is another one. */
const MIN_AGREEMENT_BYTES = 64

/** Sync markers of pgzip that are not the border of a full block, nor the end. A flush begins a new block. */
function flushesBetween(markers: readonly number[], blockBytes: number, plainBytes: number): readonly number[] {
  const flushes: number[] = []
  let border = blockBytes
  for (const marker of markers) {
    if (marker < border && marker < plainBytes) flushes.push(marker)
    border = marker + blockBytes
  }
  return flushes
}

function isKnownEncoder(encoder: Encoder): encoder is EncoderSpec {
  return encoder.kind !== 'verbatim' && encoder.kind !== 'unknown' && encoder.kind !== 'baseline'
}

function trailerOf({ trailerBytes, plainBytes }: GzipMember): Trailer {
  const isStandard = trailerBytes.length === 8 && Buffer.from(trailerBytes).readUInt32LE(4) === plainBytes % 2 ** 32
  return isStandard ? { kind: 'standard' } : { kind: 'verbatim', bytes: trailerBytes }
}

async function readRange(open: RangeOpener, offset: number, length: number): Promise<Uint8Array> {
  return length <= 0 ? new Uint8Array(0) : readAllBytes(open({ offset, length }), length, 'stretch of a blob')
}
