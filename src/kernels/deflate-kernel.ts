import { readFile } from 'node:fs/promises'
import { TareError } from '../errors/index.ts'
import { KNOWN_ANSWERS, KNOWN_INPUT } from './deflate-known-answers.ts'
import { type KernelMemory, type KernelModule, webAssembly } from './web-assembly.ts'

/** The encoder kernels: one WebAssembly module each. */
export type DeflateKernelName = 'go-deflate' | 'klauspost-deflate' | 'zlib-deflate'

/** Which encoder: `docs/formats/encoders.md` says what the numbers mean to each kernel. */
export interface DeflateParameters {
  /** Versions of the encoder that write the same; ids are only ever added. */
  readonly family: number
  /** The level as the encoder itself numbers them. */
  readonly level: number
  /** What else the family wants to know; 0 when nothing. */
  readonly parameter: number
}

/**
 * A place where an encoder can be resumed without its output before: a border between two blocks. With it go at most
 * 32,768 bytes of input. See `docs/formats/encoders.md`.
 */
export interface DeflateCheckpoint {
  /** Input bytes before the border. */
  readonly inputBytes: number
  /** Bits of output before the border; the byte it falls into is begun. */
  readonly outputBits: number
  /** The encoder's own state: an unsigned integer below 2^31. */
  readonly state: number
}

/** The most a kernel takes at once, in bytes. */
const INPUT_BYTES = 65_536
/** Bytes of input that go with a checkpoint: fewer only when there are no more. */
const WINDOW_BYTES = 32_768

/** What encoder kernels export. */
interface DeflateExports {
  readonly memory: KernelMemory
  begin(family: number, level: number, parameter: number): number
  inputAt(): number
  outputAt(): number
  dictionary(byteCount: number): void
  write(byteCount: number): number
  flush(mode: number): number
  end(): number
  checkpoint?(): number
  checkpointInput?(): number
  checkpointBits?(): number
  checkpointState?(): number
  resume?(inputBytes: number, outputBits: number, state: number, byteCount: number): number
}

/** Compiles a kernel. The module can be posted to worker threads; each makes its own `DeflateKernel` of it. */
export async function compileDeflateKernel(name: DeflateKernelName): Promise<KernelModule> {
  // The same path from src/kernels and from dist/kernels.
  return webAssembly.compile(await readFile(new URL(`../../wasm/build/${name}.wasm`, import.meta.url)))
}

/**
 * An encoder of raw deflate streams (RFC 1951), without the header and trailer of gzip or zlib: writes, bit for bit, what
 * a known encoder writes. One stream at a time: `begin`, then any number of `write` and `flush`, then `end`.
 * Memory is fixed, below 4 MB. What methods return is the caller's.
 */
export class DeflateKernel {
  readonly #name: DeflateKernelName
  readonly #kernel: DeflateExports
  readonly #input: Uint8Array

  /**
   * @param name - which kernel the module is
   * @throws TareError `INTERNAL` when the module doesn't pass its self-check
   */
  constructor(module: KernelModule, name: DeflateKernelName) {
    this.#name = name
    // The module is ours: build-wasm.ts made it from the source of that name, whose exports the interface repeats.
    this.#kernel = new webAssembly.Instance(module).exports as unknown as DeflateExports
    // Its memory never grows, so this view stays good.
    this.#input = new Uint8Array(this.#kernel.memory.buffer, this.#kernel.inputAt(), INPUT_BYTES)
    this.#checkItself()
  }

  /** Compiles and instantiates: for callers with a single thread. */
  static async load(name: DeflateKernelName): Promise<DeflateKernel> {
    return new DeflateKernel(await compileDeflateKernel(name), name)
  }

  /**
   * Starts a stream; whatever was before is forgotten.
   *
   * @throws TareError `UNSUPPORTED_FORMAT` when the kernel has no encoder of these parameters
   */
  begin(parameters: DeflateParameters): void {
    const { family, level, parameter } = parameters
    const isKnown = [family, level, parameter].every((value) => (value | 0) === value)
    if (!isKnown || this.#kernel.begin(family, level, parameter) === 0) {
      throw new TareError(
        'UNSUPPORTED_FORMAT',
        `kernel ${this.#name}: no encoder of family ${family}, level ${level}, parameter ${parameter}`,
        { hint: 'Use a newer Tare' },
      )
    }
  }

  /**
   * History to copy from that is not part of the stream; right after `begin`.
   *
   * @param bytes - of more than 65,536 bytes the last count
   */
  setDictionary(bytes: Uint8Array): void {
    const last = bytes.subarray(Math.max(0, bytes.length - INPUT_BYTES))
    this.#input.set(last)
    this.#kernel.dictionary(last.length)
  }

  /**
   * Encodes more input.
   *
   * @param chunk - any size: where the input is cut does not show in the stream
   * @returns what can be written by now: often nothing, as blocks are written whole
   */
  write(chunk: Uint8Array): Uint8Array {
    if (chunk.length <= INPUT_BYTES) {
      this.#input.set(chunk)
      return this.#take(this.#kernel.write(chunk.length))
    }
    const parts: Uint8Array[] = []
    for (let start = 0; start < chunk.length; start += INPUT_BYTES) {
      parts.push(this.write(chunk.subarray(start, start + INPUT_BYTES)))
    }
    return Buffer.concat(parts)
  }

  /**
   * Flushes as the encoder itself does when asked to.
   *
   * @param mode - 0: a sync flush, after which the output stands at a byte border; others are the kernel's own
   */
  flush(mode = 0): Uint8Array {
    return this.#take(this.#kernel.flush(mode))
  }

  /** Ends the stream. */
  end(): Uint8Array {
    return this.#take(this.#kernel.end())
  }

  /**
   * The last border passed at which this stream could be resumed; `undefined` when there was none since `begin`, or the
   * encoder can't be resumed. The same one is returned until the next is passed.
   */
  checkpoint(): DeflateCheckpoint | undefined {
    const kernel = this.#kernel
    if (kernel.checkpoint?.() !== 1) return undefined
    return {
      inputBytes: kernel.checkpointInput?.() ?? 0,
      outputBits: kernel.checkpointBits?.() ?? 0,
      state: kernel.checkpointState?.() ?? 0,
    }
  }

  /**
   * Goes on at a checkpoint, right after `begin` with the parameters of that stream. The next byte to write is the one
   * behind `checkpoint.inputBytes`; the first byte to come out is the one that holds bit `checkpoint.outputBits`, whole.
   *
   * @param windowBytes - the input before the checkpoint: the last 32,768 bytes, or all when there are fewer; of more the
   *   last count
   * @throws TareError `CORRUPT_RECIPE` when the checkpoint can't be one of this encoder, or comes with too few bytes
   */
  resume(checkpoint: DeflateCheckpoint, windowBytes: Uint8Array): void {
    const { inputBytes, outputBits, state } = checkpoint
    const window = windowBytes.subarray(Math.max(0, windowBytes.length - WINDOW_BYTES))
    const isSound =
      isCount(inputBytes) &&
      isCount(outputBits) &&
      (state | 0) === state &&
      state >= 0 &&
      window.length === Math.min(inputBytes, WINDOW_BYTES)
    this.#input.set(window)
    if (!isSound || this.#kernel.resume?.(inputBytes, outputBits, state, window.length) !== 1) {
      throw new TareError(
        'CORRUPT_RECIPE',
        `checkpoint ${inputBytes}/${outputBits}/${state}: not one that kernel ${this.#name} can resume at`,
        { hint: 'Fetch or make the delta again' },
      )
    }
  }

  #take(sizeBytes: number): Uint8Array {
    const { memory } = this.#kernel
    return new Uint8Array(memory.buffer, this.#kernel.outputAt(), sizeBytes).slice()
  }

  #checkItself(): void {
    const input = new TextEncoder().encode(KNOWN_INPUT)
    for (const { parameters, stream } of KNOWN_ANSWERS[this.#name]) {
      this.begin(parameters)
      const written = Buffer.concat([this.write(input), this.end()]).toString('hex')
      if (written !== stream) {
        throw new TareError('INTERNAL', `kernel ${this.#name}: fails its self-check`)
      }
    }
  }
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}
