import { TareError } from '../../errors/index.ts'
import type { BlockHeader, MatchSearch, TokenCoderKernel } from '../../kernels/index.ts'
import { type Expectation, lengthOfToken } from './expectation.ts'

/** A block of the stream as far as it is known; to encode its end is known too. */
interface Block {
  readonly header: BlockHeader
  /** The header expected here. */
  readonly hint: BlockHeader | undefined
  readonly start: number
  tokens: number
  storedLeft: number
  isHeaderCoded: boolean
}

/** Where blocks are expected to begin and the last one to end. */
interface Border {
  readonly position: number
  readonly header: BlockHeader | undefined
}

/** What the two directions do differently: encoding asks for the actual stream, decoding writes it. */
export interface StreamSide {
  /** To encode: the header of the block that begins. */
  headerOf(): BlockHeader | undefined
  /** To encode: the header of the present block, for its codes. */
  codesOf(): BlockHeader | undefined
  /** To encode: how many tokens are left of the block, if it ends in this window, and where. */
  endOf(): { readonly tokens: number; readonly position: number } | undefined
  began(header: BlockHeader): void
  coded(tokens: Uint32Array): void
  /** Bytes of a stored block, by offset in the window. */
  stored(offset: number, bytes: number): void
  /** The codes of the present dynamic block are known now. */
  knew(header: BlockHeader): void
  ended(type: BlockHeader['type']): void
}

/** After this many tokens of a block its codes are coded in its midst, so that nobody has to hold more. */
const HELD_TOKENS = 2 ** 18
/** A piece of payload ends with the window in which this many tokens were coded one by one; a block counts for some. */
const PIECE_TOKENS = 2 ** 17
const BLOCK_TOKENS = 64
const ALL = 0xffffff

/** Models of bits, by number of the first. */
const BIT = {
  /** By type expected, and whether all plain bytes are used up. */
  isExpectedType: 0,
  /** A tree of two bits, by last type and whether all plain bytes are used up. */
  type: 8,
  /** By what is expected, whether all plain bytes are used up, and type. */
  isFinal: 40,
  isExpectedStored: 64,
  isPadded: 66,
  isEndPadded: 67,
  /** By the last two times. */
  endsAtBorder: 72,
  endsWithWindow: 76,
  /** By the last two times and bytes left for each token. */
  endsAtCount: 80,
  endsAtLength: 112,
  /** By whether it did last time and whether there was any other guess. */
  goesOn: 120,
} as const
const NUMBER = { storedBytes: 0, padding: 1, tokens: 2, endPadding: 3 } as const
const TYPES = ['stored', 'fixed', 'dynamic'] as const

/**
 * The walk over blocks and windows that encoder and decoder share, window by window. docs/formats/token-recipe.md has what it
 * codes and in which order.
 */
export class TokenSession {
  readonly #kernel: TokenCoderKernel
  readonly #side: StreamSide
  readonly #expectations: ExpectationCursor
  #block: Block | undefined
  #isEnded = false
  #windowStart = 0
  #windowBytes = 0
  #isLast = false
  #work = 0
  // what guesses are made of
  #lastType = 3
  #lastTokens = 0
  #lastBytes = 0
  #lastStored = 0
  #atBorder = 0
  #atCount = 0
  #atLength = 0
  #wentOn = 0
  #windowTokens = 0

  constructor(kernel: TokenCoderKernel, search: MatchSearch, side: StreamSide, expected: AsyncIterable<Expectation>) {
    this.#kernel = kernel
    this.#side = side
    this.#expectations = new ExpectationCursor(expected)
    kernel.begin(search)
  }

  /** Whether the final block is over. */
  get isEnded(): boolean {
    return this.#isEnded
  }

  /** Whether enough was coded for a piece of payload. Starts counting anew when it was. */
  get isPieceFull(): boolean {
    this.#work += this.#kernel.takeCodedTokens()
    if (this.#work < PIECE_TOKENS) return false
    this.#work = 0
    return true
  }

  /** Lets go of the expectations. */
  async close(): Promise<void> {
    await this.#expectations.close()
  }

  /** Takes the next window: its bytes and up to 1,024 more, fewer only at the end of the plain bytes. */
  async window(plain: Uint8Array, windowBytes: number): Promise<void> {
    this.#windowStart += this.#windowBytes
    this.#windowBytes = windowBytes
    this.#windowTokens = 0
    this.#isLast = plain.length === windowBytes
    this.#kernel.nextWindow(plain, windowBytes)
    await this.#expectations.fill(this.#kernel.hints, this.#windowStart, windowBytes)
  }

  /** Codes the window. @throws TareError `CORRUPT_PATCH` when the payload can't be right */
  code(): void {
    while (!this.#isEnded) {
      if (this.#kernel.offset >= this.#windowBytes && !this.#isLast) return
      this.#block ??= this.#begin()
      if (!this.#continue(this.#block)) return
      this.#end(this.#block)
    }
  }

  /** Codes the bits behind the last block. */
  codeEndPadding(padding: number): number {
    if (this.#kernel.offset < this.#windowBytes || !this.#isLast) {
      throw corrupt('the stream ends before its plain bytes do')
    }
    if (!this.#kernel.codeBit(BIT.isEndPadded, padding !== 0)) return 0
    return this.#kernel.codeNumber(NUMBER.endPadding, padding) & 0x7f
  }

  get #position(): number {
    return this.#windowStart + this.#kernel.offset
  }

  #begin(): Block {
    const kernel = this.#kernel
    if (kernel.isExhausted) throw corrupt('the payload is cut off')
    this.#work += BLOCK_TOKENS
    const hint = this.#expectations.headerAt(this.#position)
    const actual = this.#side.headerOf()
    const atEnd = this.#isLast && kernel.offset >= this.#windowBytes ? 1 : 0
    const type = this.#codeType(actual, hint, atEnd)
    const hintFinal = hint === undefined ? 0 : hint.isFinal ? 2 : 1
    const isFinal = kernel.codeBit(
      BIT.isFinal + hintFinal * 8 + atEnd * 4 + TYPES.indexOf(type),
      actual?.isFinal === true,
    )
    const header = this.#header(type, isFinal, actual, hint)
    this.#side.began(header)
    if (type === 'dynamic') kernel.beginBlock()
    const storedLeft = header.type === 'stored' ? header.storedBytes : 0
    return { header, hint, start: this.#position, tokens: 0, storedLeft, isHeaderCoded: type !== 'dynamic' }
  }

  #codeType(actual: BlockHeader | undefined, hint: BlockHeader | undefined, atEnd: number): BlockHeader['type'] {
    const kernel = this.#kernel
    if (hint !== undefined) {
      const model = BIT.isExpectedType + TYPES.indexOf(hint.type) * 2 + atEnd
      if (kernel.codeBit(model, actual?.type === hint.type)) return hint.type
    }
    const wanted = actual === undefined ? 0 : TYPES.indexOf(actual.type)
    const tree = BIT.type + (this.#lastType * 2 + atEnd) * 4
    const high = kernel.codeBit(tree + 1, wanted > 1)
    const low = kernel.codeBit(tree + (high ? 3 : 2), (wanted & 1) === 1)
    const type = TYPES[(high ? 2 : 0) + (low ? 1 : 0)]
    if (type === undefined) throw corrupt('a block has the reserved type')
    return type
  }

  #header(
    type: BlockHeader['type'],
    isFinal: boolean,
    actual: BlockHeader | undefined,
    hint: BlockHeader | undefined,
  ): BlockHeader {
    if (type === 'fixed') return { type, isFinal }
    if (type === 'dynamic') return { type, isFinal, codes: NO_CODES }
    const kernel = this.#kernel
    const { storedBytes, padding } = actual?.type === 'stored' ? actual : { storedBytes: 0, padding: 0 }
    const guess = hint?.type === 'stored' ? hint.storedBytes : this.#lastStored
    const isGuess = kernel.codeBit(BIT.isExpectedStored + (hint?.type === 'stored' ? 1 : 0), storedBytes === guess)
    const bytes = isGuess ? guess : kernel.codeNumber(NUMBER.storedBytes, storedBytes)
    const isPadded = kernel.codeBit(BIT.isPadded, padding !== 0)
    if (bytes > 0xffff) throw corrupt('a stored block is too long')
    this.#lastStored = bytes
    return {
      type,
      isFinal,
      storedBytes: bytes,
      padding: isPadded ? kernel.codeNumber(NUMBER.padding, padding) & 0x7f : 0,
    }
  }

  /** Goes on with a block as far as the window reaches; whether the block ended. */
  #continue(block: Block): boolean {
    const kernel = this.#kernel
    const { offset } = kernel
    if (block.header.type === 'stored') {
      const bytes = Math.min(block.storedLeft, this.#windowBytes - offset)
      kernel.skip(bytes)
      this.#side.stored(offset, bytes)
      block.storedLeft -= bytes
      if (block.storedLeft > 0 && this.#isLast) throw corrupt('a stored block is longer than the plain bytes')
      return block.storedLeft === 0
    }
    const { isEnd, count, limit } = this.#codeEnd(block)
    const coded = kernel.codeTokens(count ?? ALL, limit)
    if (coded < 0 || kernel.isExhausted) throw corrupt('a token can not be')
    if (count === undefined ? kernel.offset < limit || (isEnd && kernel.offset > limit) : coded !== count) {
      throw corrupt('a block does not end where it should')
    }
    this.#side.coded(kernel.tokens.subarray(this.#windowTokens, this.#windowTokens + coded))
    this.#windowTokens += coded
    block.tokens += coded
    if (!isEnd && !block.isHeaderCoded && block.tokens >= HELD_TOKENS) this.#codeCodes(block)
    return isEnd
  }

  /** Where the block ends, or that it goes on behind the window: what is likely is asked first. */
  #codeEnd(block: Block): BlockEnd {
    const kernel = this.#kernel
    const actual = this.#side.endOf()
    const windowEnd = this.#windowStart + this.#windowBytes
    const isInside = (position: number): boolean => position < windowEnd || (this.#isLast && position === windowEnd)
    const at = (position: number): BlockEnd => ({ isEnd: true, count: undefined, limit: position - this.#windowStart })
    let guesses = 0

    const border = this.#expectations.borderAt(this.#position)
    if (border !== undefined && isInside(border)) {
      guesses = 1
      const isHit = kernel.codeBit(BIT.endsAtBorder + (this.#atBorder & 3), actual?.position === border)
      this.#atBorder = (this.#atBorder << 1) | Number(isHit)
      if (isHit) return at(border)
    }
    if (this.#isLast && kernel.codeBit(BIT.endsWithWindow + guesses, actual?.position === windowEnd))
      return at(windowEnd)
    const left = this.#lastTokens - block.tokens
    const bytesLeft = this.#windowBytes - kernel.offset
    if (left > 0 && left <= bytesLeft) {
      guesses = 1
      const bytesEach = Math.min(31 - Math.clz32(Math.floor(bytesLeft / left)), 7)
      const isHit = kernel.codeBit(BIT.endsAtCount + bytesEach * 4 + (this.#atCount & 3), actual?.tokens === left)
      this.#atCount = (this.#atCount << 1) | Number(isHit)
      if (isHit) return { isEnd: true, count: left, limit: this.#windowBytes }
    }
    const likeLast = block.start + this.#lastBytes
    if (this.#lastBytes > 0 && likeLast >= this.#position && isInside(likeLast)) {
      guesses = 1
      const isHit = kernel.codeBit(BIT.endsAtLength + (this.#atLength & 3), actual?.position === likeLast)
      this.#atLength = (this.#atLength << 1) | Number(isHit)
      if (isHit) return at(likeLast)
    }
    if (!this.#isLast) {
      const goesOn = kernel.codeBit(BIT.goesOn + this.#wentOn + guesses * 2, actual === undefined)
      this.#wentOn = Number(goesOn)
      if (goesOn) return { isEnd: false, count: undefined, limit: this.#windowBytes }
    }
    return { isEnd: true, count: kernel.codeNumber(NUMBER.tokens, actual?.tokens ?? 0), limit: this.#windowBytes }
  }

  #end(block: Block): void {
    if (!block.isHeaderCoded) this.#codeCodes(block)
    const { type, isFinal } = block.header
    this.#side.ended(type)
    this.#lastType = TYPES.indexOf(type)
    if (block.tokens > 0) {
      this.#lastTokens = block.tokens
      this.#lastBytes = this.#position - block.start
    }
    this.#block = undefined
    this.#isEnded = isFinal
  }

  /** Codes the codes of a dynamic block, which follow from its tokens more or less. */
  #codeCodes(block: Block): void {
    const hint = this.#expectations.latestHeader
    const expected = hint?.type === 'dynamic' ? hint : undefined
    const header = this.#kernel.codeHeader(this.#side.codesOf(), expected, block.header.isFinal)
    if (header === undefined) throw corrupt('a block describes codes that can not be')
    block.isHeaderCoded = true
    this.#side.knew(header)
  }
}

/** The block ends after `count` tokens, or at offset `limit` where there is no count; or it goes on to the window's end. */
interface BlockEnd {
  readonly isEnd: boolean
  readonly count: number | undefined
  readonly limit: number
}

const NO_CODES = {
  literals: 0,
  distances: 0,
  codeLengthLengths: new Uint8Array(0),
  sequence: new Uint16Array(0),
}

/** Reads expectations along with the windows. */
class ExpectationCursor {
  readonly #iterator: AsyncIterator<Expectation>
  #next: Expectation | undefined
  #isOver = false
  #borders: Border[] = []
  #latest: BlockHeader | undefined

  constructor(expected: AsyncIterable<Expectation>) {
    this.#iterator = expected[Symbol.asyncIterator]()
  }

  /** Header of the last expected block that began at or before what was asked for. */
  get latestHeader(): BlockHeader | undefined {
    return this.#latest
  }

  async close(): Promise<void> {
    this.#isOver = true
    await this.#iterator.return?.()
  }

  async fill(hints: Uint32Array, windowStart: number, windowBytes: number): Promise<void> {
    const windowEnd = windowStart + windowBytes
    while (true) {
      const expectation = this.#next ?? (await this.#pull())
      this.#next = expectation
      if (expectation === undefined || expectation.position > windowEnd) return
      if (expectation.kind === 'tokens') {
        const { tokens } = expectation
        let { position } = expectation
        let i = 0
        for (; i < tokens.length && position < windowEnd; i++) {
          const token = tokens[i] ?? 0
          if (position >= windowStart) hints[position - windowStart] = token
          position += lengthOfToken(token)
        }
        if (i < tokens.length) {
          this.#next = { kind: 'tokens', position, tokens: tokens.subarray(i) }
          return
        }
      } else {
        this.#borders.push({
          position: expectation.position,
          header: expectation.kind === 'block' ? expectation.header : undefined,
        })
      }
      this.#next = undefined
    }
  }

  /** The header of a block expected to begin just there. */
  headerAt(position: number): BlockHeader | undefined {
    if (this.borderAt(position) !== position || this.#borders[0]?.header === undefined) return undefined
    this.#latest = this.#borders.shift()?.header
    return this.#latest
  }

  /** The next border there or behind, as far as windows were filled. */
  borderAt(position: number): number | undefined {
    while ((this.#borders[0]?.position ?? Infinity) < position) {
      this.#latest = this.#borders.shift()?.header ?? this.#latest
    }
    return this.#borders[0]?.position
  }

  async #pull(): Promise<Expectation | undefined> {
    if (this.#isOver) return undefined
    const { value, done } = await this.#iterator.next()
    this.#isOver = done === true
    return done === true ? undefined : value
  }
}

export function corrupt(what: string): TareError {
  return new TareError('CORRUPT_PATCH', `token recipe: ${what}`, { hint: 'Fetch or make the delta again' })
}
