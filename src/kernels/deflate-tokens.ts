import { readFile } from 'node:fs/promises'
import { TareError } from '../errors/index.ts'
import { type KernelMemory, type KernelModule, webAssembly } from './web-assembly.ts'

/**
 * Bits of a token. A literal is its byte; a match is `match | length - 3 << lengthShift | distance - 1`, with `long258` set
 * when length 258 is coded as symbol 284 with extra bits 31 instead of symbol 285.
 */
export const TOKEN = {
  match: 0x80000000,
  long258: 0x40000000,
  lengthShift: 16,
  lengthMask: 0xff,
  distanceMask: 0x7fff,
} as const

/** How the Huffman codes of a dynamic block are described, exactly as sent (RFC 1951 §3.2.7). */
export interface DynamicCodes {
  /** HLIT + 257, 257 to 286. */
  readonly literals: number
  /** HDIST + 1, 1 to 30. */
  readonly distances: number
  /** Lengths of the code length code, HCLEN + 4 of them, in the order they are sent. */
  readonly codeLengthLengths: Uint8Array
  /** Code lengths as sent, each `symbol | extra bits << 8`: symbols 0 to 15 are lengths, 16 to 18 runs. */
  readonly sequence: Uint16Array
}

/** Header of a deflate block: everything about it that its tokens or stored bytes don't tell. */
export type BlockHeader =
  | {
      readonly type: 'stored'
      readonly isFinal: boolean
      readonly storedBytes: number
      /** Value of the bits skipped before the length, zero in most streams. */
      readonly padding: number
    }
  | { readonly type: 'fixed'; readonly isFinal: boolean }
  | { readonly type: 'dynamic'; readonly isFinal: boolean; readonly codes: DynamicCodes }

/** What a deflate stream is made of, in order. Positions in bits and bytes count from the start of the stream. */
export type DeflateEvent =
  | { readonly kind: 'block'; readonly header: BlockHeader; readonly startBit: number; readonly headerEndBit: number }
  | {
      /** Part of a block, at most 65,794 bytes of plain; in stored blocks there are no tokens. Both arrays are copies. */
      readonly kind: 'tokens'
      readonly tokens: Uint32Array
      readonly plain: Uint8Array
    }
  | {
      readonly kind: 'blockEnd'
      readonly endBit: number
      readonly firstToken: number
      readonly tokens: number
      readonly plainStart: number
      readonly plainBytes: number
    }
  | {
      /** The final block is over. */
      readonly kind: 'end'
      readonly endBit: number
      /** Value of the bits that fill up the last byte. */
      readonly padding: number
      /** Size of the stream; what follows in the input isn't part of it. */
      readonly sizeBytes: number
      readonly plainBytes: number
    }

/** What `wasm/src/deflate-tokens.ts` exports. */
interface DeflateTokensExports {
  readonly memory: KernelMemory
  beginInflate(): void
  inflateInputAt(): number
  inflateInput(bytes: number): void
  inflate(): number
  inflateBit(): number
  inflateReason(): number
  inflateHeaderAt(): number
  inflateTokensAt(): number
  inflateTokenCount(): number
  inflatePlainAt(): number
  inflatePlainBytes(): number
  inflateEndPadding(): number
  beginWrite(): void
  writeHeaderAt(): number
  writeTokensAt(): number
  writeOutputAt(): number
  writeHeader(): number
  writeTokens(count: number): number
  writeBlockEnd(): number
  writeEnd(padding: number): number
}

const INPUT_BYTES = 0x10000
const WRITTEN_TOKENS = 0x4000
const CODE_LENGTH_CODES = 19
const MAX_CODE_LENGTHS = 316
const BLOCK_TYPES = ['stored', 'fixed', 'dynamic'] as const

/** Offsets in the kernel's header record, see `wasm/src/shared/deflate-format.ts`. */
const HEADER = {
  type: 0,
  isFinal: 4,
  padding: 8,
  storedBytes: 12,
  literals: 16,
  distances: 20,
  sent: 24,
  symbols: 28,
  codeLengthLengths: 32,
  sequence: 52,
  bytes: 684,
} as const

/** What `inflate` of the kernel gives. */
const STATUS = { needsInput: 0, blockBegins: 1, tokens: 2, blockEnds: 3, ended: 4 } as const

const REASONS: readonly string[] = [
  '',
  'a block has the reserved type',
  'a stored block contradicts its length',
  'a block describes too many codes',
  'a block describes its code lengths wrongly',
  'a block over-subscribes a code',
  'a block has no end of block',
  'a code stands for nothing',
  'a distance leads before the start',
]

/** Compiles the kernel; the module can be posted to worker threads. */
export async function compileDeflateTokensKernel(): Promise<KernelModule> {
  // The same path from src/kernels and from dist/kernels.
  return webAssembly.compile(await readFile(new URL('../../wasm/build/deflate-tokens.wasm', import.meta.url)))
}

/**
 * Takes a raw deflate stream apart: block headers, tokens and plain bytes, with which `TokenWriter` makes the same bits again.
 * The kernel's memory is fixed at about 700 KiB. One stream after another, each started with `begin()`.
 *
 * @see https://www.rfc-editor.org/rfc/rfc1951
 */
export class TokenInflater {
  readonly #kernel: DeflateTokensExports
  #isEnded = false
  #tokens = 0
  #plainBytes = 0
  #block = { firstToken: 0, plainStart: 0, startBit: 0 }

  constructor(module: KernelModule) {
    this.#kernel = instantiate(module)
    this.begin()
  }

  /** Compiles and instantiates: for callers with a single thread. */
  static async load(): Promise<TokenInflater> {
    return new TokenInflater(await compileDeflateTokensKernel())
  }

  /** Whether the final block was read. */
  get isEnded(): boolean {
    return this.#isEnded
  }

  /** Starts a new stream. */
  begin(): void {
    this.#kernel.beginInflate()
    this.#isEnded = false
    this.#tokens = 0
    this.#plainBytes = 0
    this.#block = { firstToken: 0, plainStart: 0, startBit: 0 }
  }

  /**
   * Takes the next bytes of the stream and gives what they hold, a piece at a time. Iterate to the end before the next call.
   * Bytes behind the stream are left alone: the `end` event tells its size.
   *
   * @throws TareError `CORRUPT_GZIP` with the bit position when the bytes are no deflate stream
   */
  *push(chunk: Uint8Array): Generator<DeflateEvent, void, undefined> {
    for (let at = 0; at < chunk.length && !this.#isEnded; at += INPUT_BYTES) {
      const piece = chunk.subarray(at, at + INPUT_BYTES)
      new Uint8Array(this.#kernel.memory.buffer).set(piece, this.#kernel.inflateInputAt())
      this.#kernel.inflateInput(piece.length)
      yield* this.#drain()
    }
  }

  /** @throws TareError `CORRUPT_GZIP` when the stream has not ended */
  finish(): void {
    if (!this.#isEnded) throw corrupt(this.#kernel.inflateBit(), 'the stream is cut off')
  }

  *#drain(): Generator<DeflateEvent, void, undefined> {
    const kernel = this.#kernel
    while (true) {
      const status = kernel.inflate()
      switch (status) {
        case STATUS.needsInput:
          return
        case STATUS.blockBegins: {
          const startBit = this.#block.startBit
          this.#block = { firstToken: this.#tokens, plainStart: this.#plainBytes, startBit }
          yield {
            kind: 'block',
            header: readHeader(kernel.memory, kernel.inflateHeaderAt()),
            startBit,
            headerEndBit: kernel.inflateBit(),
          }
          break
        }
        case STATUS.tokens:
          yield this.#run()
          break
        case STATUS.blockEnds: {
          if (kernel.inflatePlainBytes() > 0) yield this.#run()
          const { firstToken, plainStart } = this.#block
          const endBit = kernel.inflateBit()
          this.#block.startBit = endBit
          const tokens = this.#tokens - firstToken
          yield { kind: 'blockEnd', endBit, firstToken, tokens, plainStart, plainBytes: this.#plainBytes - plainStart }
          break
        }
        case STATUS.ended: {
          this.#isEnded = true
          const endBit = kernel.inflateBit()
          const sizeBytes = Math.ceil(endBit / 8)
          yield { kind: 'end', endBit, padding: kernel.inflateEndPadding(), sizeBytes, plainBytes: this.#plainBytes }
          return
        }
        default:
          throw corrupt(kernel.inflateBit(), REASONS[kernel.inflateReason()] ?? 'malformed')
      }
    }
  }

  #run(): DeflateEvent {
    const kernel = this.#kernel
    const buffer = kernel.memory.buffer
    const tokens = new Uint32Array(buffer, kernel.inflateTokensAt(), kernel.inflateTokenCount()).slice()
    const plain = new Uint8Array(buffer, kernel.inflatePlainAt(), kernel.inflatePlainBytes()).slice()
    this.#tokens += tokens.length
    this.#plainBytes += plain.length
    return { kind: 'tokens', tokens, plain }
  }
}

/**
 * Writes block headers and tokens as a raw deflate stream, bit for bit what `TokenInflater` read. All arrays returned are
 * copies. Headers and tokens may come from a patch: what can't be written is an error, never wrong bits.
 */
export class TokenWriter {
  readonly #kernel: DeflateTokensExports
  #storedLeft = 0

  constructor(module: KernelModule) {
    this.#kernel = instantiate(module)
    this.begin()
  }

  /** Compiles and instantiates: for callers with a single thread. */
  static async load(): Promise<TokenWriter> {
    return new TokenWriter(await compileDeflateTokensKernel())
  }

  /** Starts a new stream. */
  begin(): void {
    this.#kernel.beginWrite()
    this.#storedLeft = 0
  }

  /** @throws TareError `CORRUPT_PATCH` when no stream can have this header */
  beginBlock(header: BlockHeader): Uint8Array {
    const kernel = this.#kernel
    storeHeader(kernel.memory, kernel.writeHeaderAt(), header)
    if (header.type === 'stored') this.#storedLeft = header.storedBytes
    return this.#output(kernel.writeHeader(), 'a block describes codes that cannot be')
  }

  /** @throws TareError `CORRUPT_PATCH` when the block's code lacks a symbol */
  writeTokens(tokens: Uint32Array): Uint8Array {
    const kernel = this.#kernel
    const parts: Uint8Array[] = []
    for (let at = 0; at < tokens.length; at += WRITTEN_TOKENS) {
      const part = tokens.subarray(at, at + WRITTEN_TOKENS)
      new Uint32Array(kernel.memory.buffer, kernel.writeTokensAt(), part.length).set(part)
      parts.push(this.#output(kernel.writeTokens(part.length), 'a block lacks the code of one of its tokens'))
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts)
  }

  /** The bytes of a stored block; they stand in the stream as they are and may come in parts. */
  writeStored(bytes: Uint8Array): Uint8Array {
    if (bytes.length > this.#storedLeft) throw unwritable('a stored block is longer than its header says')
    this.#storedLeft -= bytes.length
    return bytes.slice()
  }

  /** Ends the block; a stored one has no end to write. */
  endBlock(type: BlockHeader['type']): Uint8Array {
    if (type !== 'stored') return this.#output(this.#kernel.writeBlockEnd(), 'a block has no end of block')
    if (this.#storedLeft > 0) throw unwritable('a stored block is shorter than its header says')
    return new Uint8Array(0)
  }

  /** Ends the stream with the value of the bits that fill its last byte. */
  end(padding: number): Uint8Array {
    return this.#output(this.#kernel.writeEnd(padding), '')
  }

  #output(bytes: number, trouble: string): Uint8Array {
    if (bytes < 0) throw unwritable(trouble)
    return new Uint8Array(this.#kernel.memory.buffer, this.#kernel.writeOutputAt(), bytes).slice()
  }
}

/** The header in a kernel's record. */
export function readHeader(memory: KernelMemory, at: number): BlockHeader {
  const record = new DataView(memory.buffer, at)
  const field = (offset: number): number => record.getUint32(offset, true)
  const isFinal = field(HEADER.isFinal) === 1
  const type = BLOCK_TYPES[field(HEADER.type)] ?? 'fixed'
  if (type === 'stored') {
    return { type, isFinal, storedBytes: field(HEADER.storedBytes), padding: field(HEADER.padding) }
  }
  if (type === 'fixed') return { type, isFinal }
  const codes: DynamicCodes = {
    literals: field(HEADER.literals),
    distances: field(HEADER.distances),
    codeLengthLengths: new Uint8Array(memory.buffer, at + HEADER.codeLengthLengths, field(HEADER.sent)).slice(),
    sequence: new Uint16Array(memory.buffer, at + HEADER.sequence, field(HEADER.symbols)).slice(),
  }
  return { type, isFinal, codes }
}

/**
 * Puts a header into a kernel's record.
 *
 * @throws TareError `CORRUPT_PATCH` when it doesn't fit there
 */
export function storeHeader(memory: KernelMemory, at: number, header: BlockHeader): void {
  new Uint8Array(memory.buffer, at, HEADER.bytes).fill(0)
  const record = new DataView(memory.buffer, at)
  const set = (offset: number, value: number): void => record.setUint32(offset, value, true)
  set(HEADER.type, BLOCK_TYPES.indexOf(header.type))
  set(HEADER.isFinal, header.isFinal ? 1 : 0)
  if (header.type === 'stored') {
    set(HEADER.storedBytes, header.storedBytes)
    set(HEADER.padding, header.padding)
  } else if (header.type === 'dynamic') {
    const { literals, distances, codeLengthLengths, sequence } = header.codes
    if (codeLengthLengths.length > CODE_LENGTH_CODES || sequence.length > MAX_CODE_LENGTHS) {
      throw unwritable('a block describes too many codes')
    }
    set(HEADER.literals, literals)
    set(HEADER.distances, distances)
    set(HEADER.sent, codeLengthLengths.length)
    set(HEADER.symbols, sequence.length)
    new Uint8Array(memory.buffer).set(codeLengthLengths, at + HEADER.codeLengthLengths)
    new Uint16Array(memory.buffer, at + HEADER.sequence, sequence.length).set(sequence)
  }
}

function instantiate(module: KernelModule): DeflateTokensExports {
  // The module is ours: build-wasm.ts made it from deflate-tokens.ts, whose exports the interface repeats.
  return new webAssembly.Instance(module).exports as unknown as DeflateTokensExports
}

function corrupt(bit: number, what: string): TareError {
  return new TareError('CORRUPT_GZIP', `deflate stream: ${what} (bit ${bit})`, {
    hint: 'Fetch the blob again. If it repeats, the source holds a damaged stream',
  })
}

function unwritable(what: string): TareError {
  return new TareError('CORRUPT_PATCH', `token recipe: ${what}`, { hint: 'Fetch or make the delta again' })
}
