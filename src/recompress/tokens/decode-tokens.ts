import { type BlockHeader, TOKEN_CODER, type TokenCoderKernel, type TokenWriter } from '../../kernels/index.ts'
import { ByteParser, type ByteSource } from '../../stream/index.ts'
import { PAYLOAD_VERSION } from './encode-tokens.ts'
import type { Expectation } from './expectation.ts'
import { corrupt, type StreamSide, TokenSession } from './token-session.ts'

/** How a payload is decoded. */
export interface DecodeTokensOptions {
  /** What the encoder was given. Default: nothing. */
  readonly expected?: AsyncIterable<Expectation> | undefined
  /** No longer stream is written: what the recipe says of the blob's size. */
  readonly maxBytes: number
}

const MAX_CHAIN_DEPTH = 1024
const MAX_LENGTH = 258
const MAX_TABLE_BITS = 15

/**
 * Makes a deflate stream again from its plain bytes. Holds about 200 KiB of plain bytes and the tokens of a block, at most
 * 330,000. Damage is often, not always, found out: check the digest of what comes.
 *
 * @returns the stream's bytes
 * @throws TareError `CORRUPT_PATCH` when the payload is malformed or doesn't belong to these plain bytes
 */
export async function* decodeTokens(
  kernel: TokenCoderKernel,
  writer: TokenWriter,
  payload: Uint8Array,
  plain: ByteSource,
  options: DecodeTokensOptions,
): AsyncGenerator<Uint8Array> {
  const { expected = nothing(), maxBytes } = options
  const parser = new ByteParser(payload, corrupt)
  if (parser.varint() !== PAYLOAD_VERSION) throw corrupt('unknown version')
  const [chainDepth, rememberedBytes] = [parser.varint(), parser.varint()]
  const [wholeLength, crcTableBits] = [parser.varint(), parser.varint()]
  if (chainDepth < 1 || chainDepth > MAX_CHAIN_DEPTH || crcTableBits > MAX_TABLE_BITS) {
    throw corrupt('parameters are out of range')
  }
  if (rememberedBytes > MAX_LENGTH || wholeLength > MAX_LENGTH) {
    throw corrupt('parameters are out of range')
  }
  const nextPiece = (): void => {
    const size = parser.varint()
    if (size > TOKEN_CODER.pieceBytes) throw corrupt('a piece is too long')
    kernel.beginDecoding(parser.bytes(size))
  }
  const stream = new WrittenStream(writer, maxBytes)
  const session = new TokenSession(kernel, { chainDepth, rememberedBytes, wholeLength, crcTableBits }, stream, expected)
  try {
    nextPiece()
    for await (const { bytes, windowBytes } of windowsOf(plain)) {
      await session.window(bytes, windowBytes)
      stream.plain = bytes
      session.code()
      yield* stream.take()
      if (bytes.length === windowBytes) break
      if (session.isPieceFull) {
        if (!kernel.endDecoding()) throw corrupt('a piece is too long')
        nextPiece()
      }
    }
    stream.end(session.codeEndPadding(0))
    yield* stream.take()
    if (!kernel.endDecoding() || !parser.isAtEnd) throw corrupt('there is more than the stream needs')
  } finally {
    await session.close()
  }
}

interface PlainWindow {
  /** The window and what is known behind it. */
  readonly bytes: Uint8Array
  readonly windowBytes: number
}

/** Windows of 64 KiB with 1 KiB ahead; the last one, perhaps empty, has nothing behind it. */
async function* windowsOf(plain: ByteSource): AsyncGenerator<PlainWindow> {
  const { windowBytes, aheadBytes } = TOKEN_CODER
  let held: Uint8Array = new Uint8Array(0)
  for await (const chunk of plain) {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    while (held.length >= windowBytes + aheadBytes) {
      yield { bytes: held.subarray(0, windowBytes + aheadBytes), windowBytes }
      held = held.subarray(windowBytes)
    }
  }
  if (held.length > windowBytes) {
    yield { bytes: held, windowBytes }
    held = held.subarray(windowBytes)
  }
  yield { bytes: held, windowBytes: held.length }
}

/** Writes what the session decodes. */
class WrittenStream implements StreamSide {
  /** The window's bytes. */
  plain: Uint8Array = new Uint8Array(0)
  readonly #writer: TokenWriter
  readonly #maxBytes: number
  #bytes = 0
  #parts: Uint8Array[] = []
  /** Tokens of a dynamic block whose codes are not known yet. */
  #held: Uint32Array[] | undefined

  constructor(writer: TokenWriter, maxBytes: number) {
    this.#writer = writer
    this.#maxBytes = maxBytes
    writer.begin()
  }

  /** What was written since the last call. */
  take(): readonly Uint8Array[] {
    const parts = this.#parts
    this.#parts = []
    return parts
  }

  end(padding: number): void {
    this.#put(this.#writer.end(padding))
  }

  headerOf(): undefined {}

  codesOf(): undefined {}

  endOf(): undefined {}

  began(header: BlockHeader): void {
    if (header.type === 'dynamic') this.#held = []
    else this.#put(this.#writer.beginBlock(header))
  }

  coded(tokens: Uint32Array): void {
    if (this.#held === undefined) this.#put(this.#writer.writeTokens(tokens))
    else this.#held.push(tokens.slice())
  }

  stored(offset: number, bytes: number): void {
    this.#put(this.#writer.writeStored(this.plain.subarray(offset, offset + bytes)))
  }

  knew(header: BlockHeader): void {
    this.#put(this.#writer.beginBlock(header))
    for (const tokens of this.#held ?? []) this.#put(this.#writer.writeTokens(tokens))
    this.#held = undefined
  }

  ended(type: BlockHeader['type']): void {
    this.#put(this.#writer.endBlock(type))
  }

  #put(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#bytes += bytes.length
    if (this.#bytes > this.#maxBytes) throw corrupt('the stream is longer than it should be')
    this.#parts.push(bytes)
  }
}

async function* nothing(): AsyncGenerator<Expectation> {}
