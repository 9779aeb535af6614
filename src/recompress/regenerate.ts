import { crc32 } from 'node:zlib'
import { type EncoderSpec, PGZIP_DICTIONARY_BYTES, PIGZ_DICTIONARY_BYTES, pgzipDictionary } from '../kernels/index.ts'
import type { Digest } from '../oci/index.ts'
import { ByteReader, type ByteSource, mapOrdered } from '../stream/index.ts'
import type { DeflatePiece, KernelRunner } from '../workers/index.ts'
import { corruptRecipe, type MemberRecipe, type Recipe } from './recipe.ts'
import { correctedStream } from './token-stream.ts'

/** What {@link regenerate} works with. */
export interface RegenerateOptions {
  readonly kernels: KernelRunner
  readonly signal?: AbortSignal | undefined
  /** Opens a compressed blob of the baseline; needed only by recipes that say so. */
  readonly openBlob?: ((digest: Digest) => ByteSource) | undefined
}

/**
 * Makes a compressed blob again from its plain bytes, bit for bit. Not verified: whoever knows the blob's digest does
 * that. Memory is bounded by a few segments or blocks for each worker.
 *
 * @param plain - everything the blob unpacks to, in order
 * @throws {TareError} `CORRUPT_RECIPE`, `UNSUPPORTED_FORMAT`
 */
export async function* regenerate(recipe: Recipe, plain: ByteSource, options: RegenerateOptions): ByteSource {
  await using reader = new ByteReader(plain)
  for (const member of recipe.members)
    yield* regenerateMember(member, new PlainStretch(reader, member.plainBytes), options)
  if (!(await reader.isAtEnd())) throw corruptRecipe('the content goes on behind its last member')
  if (recipe.trailing.length > 0) yield recipe.trailing
}

/** Makes one member of a blob again: header, deflate stream, trailer. */
export async function* regenerateMember(
  member: MemberRecipe,
  plain: PlainStretch,
  options: RegenerateOptions,
): ByteSource {
  yield member.header
  yield* deflateMember(member, plain, options)
  await plain.finish()
  yield member.trailer.kind === 'verbatim' ? member.trailer.bytes : plain.trailer()
}

/** Makes the deflate stream of a member from its plain bytes. */
export function deflateMember(member: MemberRecipe, plain: PlainStretch, options: RegenerateOptions): ByteSource {
  const { encoder, flushes, checkpoints } = member
  if (encoder.kind === 'verbatim') return verbatim(encoder.deflate, plain)
  if (member.corrections.length > 0 || encoder.kind === 'unknown' || encoder.kind === 'baseline') {
    return correctedStream(member, plain.chunks(), options, maxDeflateBytes(member.plainBytes))
  }
  if (encoder.kind === 'pgzip' && flushes.length === 0) return makePieces(pgzipPieces(encoder, plain), options)
  if (encoder.kind === 'pigz' && (encoder.mode === 'parallel' || encoder.isIndependent)) {
    return makePieces(pigzPieces(encoder, plain), options)
  }
  if (encoder.kind === 'go' && checkpoints.length > 0) return makePieces(segments(member, encoder, plain), options)
  return makeStream(member, encoder, plain, options)
}

/** Hostile corrections could go on for ever; no encoder makes a stream much longer than its content. */
function maxDeflateBytes(plainBytes: number): number {
  return plainBytes * 2 + 64 * 1024
}

async function* verbatim(deflate: Uint8Array, plain: PlainStretch): ByteSource {
  await plain.finish()
  if (deflate.length > 0) yield deflate
}

async function* makeStream(
  { flushes }: MemberRecipe,
  spec: EncoderSpec,
  plain: PlainStretch,
  { kernels, signal }: RegenerateOptions,
): ByteSource {
  const job = { spec, flushes }
  for await (const { deflate } of kernels.deflateStream(job, plain.chunks(), signal)) {
    if (deflate.length > 0) yield deflate
  }
}

async function* makePieces(pieces: AsyncIterable<DeflatePiece>, { kernels, signal }: RegenerateOptions): ByteSource {
  const make = (piece: DeflatePiece, ending: AbortSignal): Promise<Uint8Array> => kernels.deflatePiece(piece, ending)
  yield* mapOrdered(pieces, kernels.concurrency, make, { signal })
}

async function* pgzipPieces(
  parameters: Extract<EncoderSpec, { kind: 'pgzip' }>,
  plain: PlainStretch,
): AsyncIterable<DeflatePiece> {
  let dictionary = new Uint8Array(0)
  // A block that fills up is never the last: an empty one follows it.
  for (let isLast = false; !isLast; ) {
    const block = await plain.read(parameters.blockBytes)
    isLast = block.length < parameters.blockBytes
    const nextDictionary = new Uint8Array(pgzipDictionary(block.subarray(-(PGZIP_DICTIONARY_BYTES + 1))))
    yield { kind: 'pgzip', parameters, dictionary, plain: block, isLast }
    dictionary = nextDictionary
  }
}

async function* pigzPieces(
  parameters: Extract<EncoderSpec, { kind: 'pigz' }>,
  plain: PlainStretch,
): AsyncIterable<DeflatePiece> {
  let history = new Uint8Array(0)
  for (let isLast = false; !isLast; ) {
    const block = await plain.read(parameters.blockBytes)
    isLast = plain.isAtEnd
    const nextHistory = lastBytes(PIGZ_DICTIONARY_BYTES, history, block)
    yield { kind: 'pigz', parameters, history, plain: block, isLast }
    history = nextHistory
  }
}

/** Plain bytes behind a checkpoint that the encoder may want to see before it ends the block there. */
const LOOK_AHEAD_BYTES = 64 * 1024
/** Plain bytes before a checkpoint that its encoder may refer to. */
const WINDOW_BYTES = 32 * 1024

async function* segments(member: MemberRecipe, spec: EncoderSpec, plain: PlainStretch): AsyncIterable<DeflatePiece> {
  const borders = [undefined, ...member.checkpoints, undefined]
  let window = new Uint8Array(0)
  let ahead = new Uint8Array(0)
  for (let index = 0; index + 1 < borders.length; index++) {
    const [from, to] = [borders[index], borders[index + 1]]
    const start = from?.inputBytes ?? 0
    const wanted = (to?.inputBytes ?? member.plainBytes) - start
    const seen = wanted + (to === undefined ? 0 : LOOK_AHEAD_BYTES)
    const bytes = Buffer.concat([ahead, await plain.read(Math.max(0, seen - ahead.length))])
    const deflateBytes =
      to === undefined ? undefined : Math.floor(to.outputBits / 8) - Math.floor((from?.outputBits ?? 0) / 8)
    ahead = new Uint8Array(bytes.subarray(wanted))
    const nextWindow = lastBytes(WINDOW_BYTES, window, bytes.subarray(0, wanted))
    yield { kind: 'segment', spec, checkpoint: from, window, plain: bytes, deflateBytes }
    window = nextWindow
  }
}

/** The last `count` bytes of two arrays laid end to end, in an array of their own. */
function lastBytes(count: number, first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat([first, second]).subarray(-count))
}

/** The plain bytes of one member: counts them, and hashes them for the trailer. */
export class PlainStretch {
  readonly #reader: ByteReader
  readonly #plainBytes: number
  #left: number
  #crc = 0

  constructor(reader: ByteReader, plainBytes: number) {
    this.#reader = reader
    this.#plainBytes = plainBytes
    this.#left = plainBytes
  }

  /** Up to `length` bytes, in an array that is the caller's; fewer only at the end of the member. @throws {TareError} `CORRUPT_RECIPE` when the content ends early */
  async read(length: number): Promise<Uint8Array> {
    const wanted = Math.min(length, this.#left)
    if (wanted === 0) return new Uint8Array(0)
    // A copy: what the reader gives may be a view of something larger, and pieces give their arrays away.
    const bytes = new Uint8Array(await this.#reader.read(wanted))
    if (bytes.length < wanted) throw corruptRecipe('the content ends before its last member')
    this.#left -= wanted
    this.#crc = crc32(bytes, this.#crc)
    return bytes
  }

  get isAtEnd(): boolean {
    return this.#left === 0
  }

  async *chunks(): ByteSource {
    while (this.#left > 0) yield await this.read(CHUNK_BYTES)
  }

  /** Passes over what is left. */
  async finish(): Promise<void> {
    for await (const chunk of this.chunks()) void chunk
  }

  /** CRC-32 and length, as a member ends. @see https://www.rfc-editor.org/rfc/rfc1952#section-2.3.1 */
  trailer(): Uint8Array {
    const bytes = Buffer.alloc(8)
    bytes.writeUInt32LE(this.#crc >>> 0, 0)
    bytes.writeUInt32LE(this.#plainBytes % 2 ** 32, 4)
    return bytes
  }
}

const CHUNK_BYTES = 256 * 1024
