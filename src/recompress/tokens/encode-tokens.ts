import { TareError } from '../../errors/index.ts'
import {
  type BlockHeader,
  type DeflateEvent,
  type MatchSearch,
  TOKEN_CODER,
  type TokenCoderKernel,
} from '../../kernels/index.ts'
import { ByteWriter } from '../../stream/index.ts'
import { type Expectation, lengthOfToken } from './expectation.ts'
import { type StreamSide, TokenSession } from './token-session.ts'

/** First number of every payload. */
export const PAYLOAD_VERSION = 1

/** How a stream is coded. */
export interface EncodeTokensOptions {
  /** What the stream is expected to hold; the decoder has to be given the same. Default: nothing. */
  readonly expected?: AsyncIterable<Expectation> | undefined
  /** Where copies are looked for. Default: 256 places, all remembered. */
  readonly search?: MatchSearch | undefined
}

/** What is looked for where nothing is known of the encoder. */
export const DEFAULT_SEARCH: MatchSearch = { chainDepth: 256, rememberedBytes: 0, wholeLength: 0, crcTableBits: 0 }

/**
 * Codes what a deflate stream holds beyond its plain bytes: given the same plain bytes and expectations, `decodeTokens` makes
 * the stream again, to the bit. Holds about 200 KiB of plain bytes, their tokens, and the payload.
 *
 * @param events - the whole stream, as `TokenInflater` gives it
 * @returns the payload, see `docs/formats/token-recipe.md`
 * @throws TareError `LIMIT_EXCEEDED` when the stream is so strange that carrying it verbatim is better
 */
export async function encodeTokens(
  kernel: TokenCoderKernel,
  events: AsyncIterable<DeflateEvent> | Iterable<DeflateEvent>,
  options: EncodeTokensOptions = {},
): Promise<Uint8Array> {
  const { search = DEFAULT_SEARCH, expected = nothing() } = options
  const run = new EncodingRun(kernel, search, expected)
  try {
    for await (const event of events) await run.add(event)
    await run.finish()
  } finally {
    await run.close()
  }
  return run.payload()
}

/** Searches that known encoders come close to, the usual one first. */
const SEARCHES: readonly MatchSearch[] = [
  DEFAULT_SEARCH,
  { chainDepth: 1024, rememberedBytes: 0, wholeLength: 0, crcTableBits: 0 },
  { chainDepth: 24, rememberedBytes: 0, wholeLength: 0, crcTableBits: 0 },
  { chainDepth: 1, rememberedBytes: 1, wholeLength: 0, crcTableBits: 0 },
  { chainDepth: 1, rememberedBytes: 4, wholeLength: 0, crcTableBits: 13 },
  { chainDepth: 1, rememberedBytes: 4, wholeLength: 0, crcTableBits: 15 },
  { chainDepth: 16, rememberedBytes: 1, wholeLength: 4, crcTableBits: 0 },
  { chainDepth: 16, rememberedBytes: 1, wholeLength: 6, crcTableBits: 0 },
]

/**
 * Finds out how the encoder of a stream looks for copies, by trying.
 *
 * @param events - the beginning of the stream, best half a MiB of plain bytes or the whole stream; at least 128 KiB for a
 * choice to be made
 */
export async function chooseSearch(kernel: TokenCoderKernel, events: readonly DeflateEvent[]): Promise<MatchSearch> {
  let best = { search: DEFAULT_SEARCH, bytes: Infinity }
  for (const search of SEARCHES) {
    const run = new EncodingRun(kernel, search, nothing())
    for (const event of events) await run.add(event)
    const { length: bytes } = run.payload()
    if (bytes < best.bytes) best = { search, bytes }
  }
  return best.search
}

/** Codes windows as soon as what they need is there. */
class EncodingRun {
  readonly #kernel: TokenCoderKernel
  readonly #stream: BufferedStream = new BufferedStream()
  readonly #session: TokenSession
  readonly #payload: ByteWriter

  constructor(kernel: TokenCoderKernel, search: MatchSearch, expected: AsyncIterable<Expectation>) {
    this.#kernel = kernel
    this.#session = new TokenSession(kernel, search, this.#stream, expected)
    this.#payload = new ByteWriter().varint(PAYLOAD_VERSION)
    this.#payload.varint(search.chainDepth).varint(search.rememberedBytes)
    this.#payload.varint(search.wholeLength).varint(search.crcTableBits)
    kernel.beginEncoding()
  }

  async add(event: DeflateEvent): Promise<void> {
    this.#stream.add(event)
    while (this.#stream.plainBytes >= TOKEN_CODER.windowBytes + TOKEN_CODER.aheadBytes) {
      await this.#codeWindow(TOKEN_CODER.windowBytes)
    }
  }

  async finish(): Promise<void> {
    if (!this.#stream.isWhole) throw new TareError('INTERNAL', 'encodeTokens(): the events have no end')
    while (!this.#session.isEnded) await this.#codeWindow(Math.min(this.#stream.plainBytes, TOKEN_CODER.windowBytes))
    this.#session.codeEndPadding(this.#stream.endPadding)
  }

  payload(): Uint8Array {
    this.#endPiece()
    return this.#payload.finish()
  }

  async close(): Promise<void> {
    await this.#session.close()
  }

  async #codeWindow(windowBytes: number): Promise<void> {
    await this.#session.window(this.#stream.plain(windowBytes + TOKEN_CODER.aheadBytes), windowBytes)
    this.#stream.enterWindow(windowBytes, this.#kernel.tokens)
    this.#session.code()
    this.#stream.leaveWindow(windowBytes)
    if (this.#stream.plainBytes > 0 && this.#session.isPieceFull) {
      this.#endPiece()
      this.#kernel.beginEncoding()
    }
  }

  #endPiece(): void {
    const piece = this.#kernel.endEncoding()
    if (piece === undefined) throw tooStrange()
    this.#payload.varint(piece.length).bytes(piece)
  }
}

interface BufferedBlock {
  readonly header: BlockHeader
  tokens: number
  coded: number
  endPosition: number | undefined
}

interface TokenRun {
  readonly position: number
  readonly tokens: Uint32Array
}

/** The part of the stream that windows still need, in the order of coding. */
class BufferedStream implements StreamSide {
  endPadding = 0
  isWhole = false
  #plain: Uint8Array = new Uint8Array(0)
  #windowStart = 0
  #windowEnd = 0
  #position = 0
  #runs: TokenRun[] = []
  #blocks: BufferedBlock[] = []
  #isLast = false

  /** Bytes from the window's start on. */
  get plainBytes(): number {
    return this.#plain.length
  }

  add(event: DeflateEvent): void {
    switch (event.kind) {
      case 'block':
        this.#blocks.push({ header: event.header, tokens: 0, coded: 0, endPosition: undefined })
        return
      case 'tokens':
        if (event.tokens.length > 0) this.#runs.push({ position: this.#position, tokens: event.tokens })
        this.#plain = Buffer.concat([this.#plain, event.plain])
        this.#position += event.plain.length
        return
      case 'blockEnd': {
        const block = this.#blocks.at(-1)
        if (block === undefined) return
        block.tokens = event.tokens
        block.endPosition = this.#position
        return
      }
      case 'end':
        this.isWhole = true
        this.endPadding = event.padding
    }
  }

  plain(bytes: number): Uint8Array {
    return this.#plain.subarray(0, bytes)
  }

  /** Lays out the tokens that begin in the window. */
  enterWindow(windowBytes: number, tokens: Uint32Array): void {
    this.#windowEnd = this.#windowStart + windowBytes
    this.#isLast = windowBytes === this.#plain.length
    let filled = 0
    while (true) {
      const run = this.#runs[0]
      if (run === undefined || run.position >= this.#windowEnd) return
      let { position } = run
      let i = 0
      for (; i < run.tokens.length && position < this.#windowEnd; i++) {
        const token = run.tokens[i] ?? 0
        tokens[filled++] = token
        position += lengthOfToken(token)
      }
      if (i < run.tokens.length) {
        this.#runs[0] = { position, tokens: run.tokens.subarray(i) }
        return
      }
      this.#runs.shift()
    }
  }

  leaveWindow(windowBytes: number): void {
    this.#windowStart += windowBytes
    this.#plain = this.#plain.subarray(windowBytes)
  }

  headerOf(): BlockHeader | undefined {
    return this.#blocks[0]?.header
  }

  codesOf(): BlockHeader | undefined {
    return this.#blocks[0]?.header
  }

  endOf(): { readonly tokens: number; readonly position: number } | undefined {
    const block = this.#blocks[0]
    const position = block?.endPosition
    if (block === undefined || position === undefined) return undefined
    if (position >= this.#windowEnd && !this.#isLast) return undefined
    return { tokens: block.tokens - block.coded, position }
  }

  began(): void {}

  coded(tokens: Uint32Array): void {
    const block = this.#blocks[0]
    if (block !== undefined) block.coded += tokens.length
  }

  stored(): void {}

  knew(): void {}

  ended(): void {
    this.#blocks.shift()
  }
}

async function* nothing(): AsyncGenerator<Expectation> {}

function tooStrange(): TareError {
  return new TareError('LIMIT_EXCEEDED', 'deflate stream: its tokens take more room than the limit', {
    hint: 'Carry the stream as it is',
  })
}
