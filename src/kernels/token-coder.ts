import { readFile } from 'node:fs/promises'
import { TareError } from '../errors/index.ts'
import { type BlockHeader, readHeader, storeHeader } from './deflate-tokens.ts'
import { type KernelMemory, type KernelModule, webAssembly } from './web-assembly.ts'

/** What `wasm/src/token-coder.ts` exports. */
interface TokenCoderExports {
  readonly memory: KernelMemory
  begin(chainDepth: number, rememberedBytes: number, wholeLength: number, crcTableBits: number): void
  payloadAt(): number
  beginEncoding(): void
  endEncoding(): number
  beginDecoding(bytes: number): void
  endDecoding(): number
  isExhausted(): number
  codeBitBy(model: number, bit: number): number
  codeNumberBy(model: number, value: number): number
  nextWindow(): number
  setWindow(bytes: number, ahead: number): void
  turnWindow(): void
  hintsAt(): number
  tokensAt(): number
  tokenOffset(): number
  takeCodedTokens(): number
  skipBytes(bytes: number): void
  beginCounts(): void
  codeTokens(count: number, limit: number): number
  codeHeader(hasHint: number): number
  headerAt(): number
  hintHeaderAt(): number
}

/** Sizes that the kernel and its callers share. */
export const TOKEN_CODER = {
  windowBytes: 0x10000,
  /** Bytes behind a window that have to be known, where the stream is that long. */
  aheadBytes: 0x400,
  /** Most bytes of a piece of payload. */
  pieceBytes: 0x300000,
} as const

/** How the kernel looks for the copies a stream may have used; stored in the payload. */
export interface MatchSearch {
  /** Like places looked at for one position, 1 to 1,024. */
  readonly chainDepth: number
  /** How many bytes of a match's start later matches may refer to, up to 258; 0 for all of it. */
  readonly rememberedBytes: number
  /** Matches up to this length are remembered all the same, and of longer ones the last byte too; 0 for neither. */
  readonly wholeLength: number
  /** Not 0: only the newest place in each slot of a table of 2^this, by CRC-32C of four bytes, is found; at most 15. */
  readonly crcTableBits: number
}

/** Memory beyond what the kernel starts with: the tables of its mixing model. */
const GROWN_PAGES = 24

/** What the self-check is coded as: it may never change, or payloads of old would read differently. */
const KNOWN_ANSWER = 'dbfa'

/** Compiles the kernel; the module can be posted to worker threads. */
export async function compileTokenCoderKernel(): Promise<KernelModule> {
  // The same path from src/kernels and from dist/kernels.
  return webAssembly.compile(await readFile(new URL('../../wasm/build/token-coder.wasm', import.meta.url)))
}

/**
 * The kernel that codes tokens and block headers given the plain bytes they stand for. What a method takes to encode it gives
 * back when decoding. Its memory is fixed at about 7 MiB. See `docs/formats/token-recipe.md`.
 */
export class TokenCoderKernel {
  readonly #kernel: TokenCoderExports

  /** @throws TareError `INTERNAL` when the kernel doesn't pass its self-check */
  constructor(module: KernelModule) {
    // The module is ours: build-wasm.ts made it from token-coder.ts, whose exports the interface repeats.
    this.#kernel = new webAssembly.Instance(module).exports as unknown as TokenCoderExports
    this.#kernel.memory.grow(GROWN_PAGES)
    this.#checkItself()
  }

  /** Resets everything for a new stream. */
  begin(search: MatchSearch): void {
    const { chainDepth, rememberedBytes, wholeLength, crcTableBits } = search
    this.#kernel.begin(chainDepth, rememberedBytes, wholeLength, crcTableBits)
  }

  beginEncoding(): void {
    this.#kernel.beginEncoding()
  }

  /** The piece of payload, a copy; undefined when it is longer than `TOKEN_CODER.pieceBytes`. */
  endEncoding(): Uint8Array | undefined {
    const bytes = this.#kernel.endEncoding()
    return bytes < 0 ? undefined : this.#view(this.#kernel.payloadAt(), bytes).slice()
  }

  /** @param piece - at most `TOKEN_CODER.pieceBytes` */
  beginDecoding(piece: Uint8Array): void {
    this.#view(this.#kernel.payloadAt(), piece.length).set(piece)
    this.#kernel.beginDecoding(piece.length)
  }

  /** Whether the piece was used up exactly. */
  endDecoding(): boolean {
    return this.#kernel.endDecoding() !== 0
  }

  /** Whether decoding has gone beyond the end of the piece. */
  get isExhausted(): boolean {
    return this.#kernel.isExhausted() !== 0
  }

  /** @param model - 0 to 255 */
  codeBit(model: number, bit: boolean): boolean {
    return this.#kernel.codeBitBy(model, bit ? 1 : 0) !== 0
  }

  /** @param model - 0 to 31 */
  codeNumber(model: number, value: number): number {
    return this.#kernel.codeNumberBy(model, value) >>> 0
  }

  /** Moves to the next window; `plain` is the window and up to `TOKEN_CODER.aheadBytes` behind it. */
  nextWindow(plain: Uint8Array, windowBytes: number): void {
    this.#kernel.turnWindow()
    this.#view(this.#kernel.nextWindow(), plain.length).set(plain)
    this.#kernel.setWindow(windowBytes, plain.length - windowBytes)
  }

  /** The expected token by offset in the window, to be filled after `nextWindow`; a view. */
  get hints(): Uint32Array {
    return new Uint32Array(this.#kernel.memory.buffer, this.#kernel.hintsAt(), TOKEN_CODER.windowBytes)
  }

  /** The window's tokens: filled by the caller to encode, by the kernel to decode; a view. */
  get tokens(): Uint32Array {
    return new Uint32Array(this.#kernel.memory.buffer, this.#kernel.tokensAt(), TOKEN_CODER.windowBytes)
  }

  /** Offset in the window of the next token; a match may lead beyond the window. */
  get offset(): number {
    return this.#kernel.tokenOffset()
  }

  /** Tokens coded one by one since the last call. */
  takeCodedTokens(): number {
    return this.#kernel.takeCodedTokens()
  }

  /** Passes bytes of a stored block. */
  skip(bytes: number): void {
    this.#kernel.skipBytes(bytes)
  }

  /** Starts the statistics of a block. */
  beginBlock(): void {
    this.#kernel.beginCounts()
  }

  /** Codes `count` tokens, or those up to offset `limit`; gives their number, -1 when the payload can't be right. */
  codeTokens(count: number, limit: number): number {
    return this.#kernel.codeTokens(count, limit)
  }

  /** Codes the header of a dynamic block whose tokens were coded; undefined when the payload can't be right. */
  codeHeader(
    header: BlockHeader | undefined,
    hint: BlockHeader | undefined,
    isFinal: boolean,
  ): BlockHeader | undefined {
    const { memory } = this.#kernel
    const blank: BlockHeader = {
      type: 'dynamic',
      isFinal,
      codes: { literals: 0, distances: 0, codeLengthLengths: new Uint8Array(0), sequence: new Uint16Array(0) },
    }
    storeHeader(memory, this.#kernel.headerAt(), header ?? blank)
    if (hint !== undefined) storeHeader(memory, this.#kernel.hintHeaderAt(), hint)
    if (this.#kernel.codeHeader(hint === undefined ? 0 : 1) === 0) return undefined
    const coded = readHeader(memory, this.#kernel.headerAt())
    return coded.type === 'dynamic' ? { ...coded, isFinal } : undefined
  }

  #checkItself(): void {
    const plain = new TextEncoder().encode('kernels are pure, kernels are spu')
    const tokens = Uint32Array.from([...plain.subarray(0, 20), 0x80070011, 115, 112, 117])
    const search: MatchSearch = { chainDepth: 4, rememberedBytes: 0, wholeLength: 0, crcTableBits: 0 }
    this.begin(search)
    this.beginEncoding()
    this.nextWindow(plain, plain.length)
    this.tokens.set(tokens)
    this.codeNumber(0, tokens.length)
    const encoded = this.codeTokens(tokens.length, plain.length)
    const piece = this.endEncoding() ?? new Uint8Array(0)

    this.begin(search)
    this.beginDecoding(piece)
    this.nextWindow(plain, plain.length)
    const decoded = this.codeTokens(this.codeNumber(0, 0), plain.length)
    const isSame = tokens.every((token, i) => this.tokens[i] === token) && this.endDecoding()
    if (
      encoded !== tokens.length ||
      decoded !== tokens.length ||
      !isSame ||
      Buffer.from(piece).toString('hex') !== KNOWN_ANSWER
    ) {
      throw new TareError('INTERNAL', 'token coder: the kernel fails its self-check')
    }
  }

  #view(at: number, bytes: number): Uint8Array {
    return new Uint8Array(this.#kernel.memory.buffer, at, bytes)
  }
}
