import { readFile } from 'node:fs/promises'
import { TareError } from '../errors/index.ts'
import { type KernelMemory, type KernelModule, webAssembly } from './web-assembly.ts'

/**
 * The difference codecs; see `docs/formats/codecs.md`. Ids are written into patches: they are only ever added, and what an id
 * means never changes.
 */
export const CODEC_IDS = {
  /** The target itself; the reference plays no part. */
  stored: 0,
  /** LZ77 over reference and target with mixed literals: for text and whatever has no close likeness. */
  lz: 1,
  /** Likenesses with scattered differences, and mixing for the rest: for executables. */
  bsdiff: 2,
} as const

/** One of `CODEC_IDS`. */
export type CodecId = (typeof CODEC_IDS)[keyof typeof CODEC_IDS]

/** Settings of a `CodecKernel`. */
export interface CodecKernelOptions {
  /** The most memory one call may take, in bytes; default and most: 4 GiB less one page. */
  readonly memoryLimitBytes?: number | undefined
}

const PAGE_BYTES = 0x10000
const ADDRESSABLE_BYTES = 0x10000 * PAGE_BYTES - PAGE_BYTES
/** Reference and target together: positions and distances have room for this many. */
const MAX_WINDOW_BYTES = 2 ** 30
/** Memory that grew beyond this is given back after the call; it lingers until it is collected, so rather keep it. */
const KEPT_BYTES = 384 * 2 ** 20
const FAILED = 0xffffffff

/** What `wasm/src/codec.ts` exports. */
interface CodecExports {
  readonly memory: KernelMemory
  reserve(referenceBytes: number, targetBytes: number, payloadBytes: number): void
  referenceAt(): number
  targetAt(): number
  payloadAt(): number
  encode(codec: number): number
  decode(codec: number): number
}

/**
 * Compiles the kernel. The module can be posted to worker threads; each makes its own `CodecKernel` of it.
 */
export async function compileCodecKernel(): Promise<KernelModule> {
  // The same path from src/kernels and from dist/kernels.
  return webAssembly.compile(await readFile(new URL('../../wasm/build/codec.wasm', import.meta.url)))
}

/**
 * Linear memory that `encode` takes at most for these sizes, in bytes, whichever codec; `decode` takes less.
 * Reference, target and payload also exist outside, in the caller's arrays.
 */
export function codecMemoryBytes(referenceBytes: number, targetBytes: number): number {
  const window = referenceBytes + targetBytes
  const fixed = 4 * 2 ** 20
  const mixing = 7 * 32 * 2 ** clamp(log2Ceil(targetBytes) - 2, 10, 18)
  const finder =
    4 * (window + 1) + 4 * 2 ** clamp(log2Ceil(window), 10, 22) + 32 * 2 ** clamp(log2Ceil(window) - 2, 10, 20)
  return fixed + mixing + finder + window + targetBytes
}

/**
 * The codec kernel in a memory of its own: one per thread, calls one after another.
 *
 * Equal inputs give equal payloads, whatever the machine or the runtime.
 */
export class CodecKernel {
  readonly #module: KernelModule
  readonly #memoryLimitBytes: number
  #instance: CodecExports | undefined

  /** @throws TareError `INTERNAL` when the module doesn't pass its self-check */
  constructor(module: KernelModule, options: CodecKernelOptions = {}) {
    this.#module = module
    this.#memoryLimitBytes = Math.min(options.memoryLimitBytes ?? ADDRESSABLE_BYTES, ADDRESSABLE_BYTES)
    this.#checkItself()
  }

  /** Compiles and instantiates: for callers with a single thread. */
  static async load(options: CodecKernelOptions = {}): Promise<CodecKernel> {
    return new CodecKernel(await compileCodecKernel(), options)
  }

  /**
   * Codes `target` so that `decode` can rebuild it from the same reference. Never longer than the target.
   *
   * @param reference - bytes the decoder will have too; may be empty
   * @returns the payload, in memory of its own
   * @throws TareError `MEMORY_LIMIT` when the sizes need more than the kernel may take
   */
  encode(codec: CodecId, reference: Uint8Array, target: Uint8Array): Uint8Array {
    if (codec === CODEC_IDS.stored || target.length < 2) return target.slice()
    // A payload as long as the target is the target itself, so a coded one has to be shorter.
    const capacity = target.length - 1
    const kernel = this.#reserve(reference, target.length, capacity)
    new Uint8Array(kernel.memory.buffer).set(target, kernel.targetAt())
    const size = this.#call(() => kernel.encode(codec)) >>> 0
    const payload =
      size === FAILED ? target.slice() : new Uint8Array(kernel.memory.buffer, kernel.payloadAt(), size).slice()
    this.#release()
    return payload
  }

  /**
   * Rebuilds a target. A damaged payload is often, not always, found out: check the digest of what comes back.
   *
   * @param targetSizeBytes - the exact size of the target; work and memory are bounded by it, whatever the payload holds
   * @returns the target, in memory of its own
   * @throws TareError `CORRUPT_PATCH` when the payload is malformed
   * @throws TareError `MEMORY_LIMIT` when the sizes need more than the kernel may take
   */
  decode(codec: CodecId, reference: Uint8Array, payload: Uint8Array, targetSizeBytes: number): Uint8Array {
    if (payload.length === targetSizeBytes) return payload.slice()
    if (codec === CODEC_IDS.stored || payload.length > targetSizeBytes) {
      throw corrupt(`payload of ${payload.length} bytes for a target of ${targetSizeBytes}`)
    }
    const kernel = this.#reserve(reference, targetSizeBytes, payload.length)
    new Uint8Array(kernel.memory.buffer).set(payload, kernel.payloadAt())
    const decoded = this.#call(() => kernel.decode(codec)) !== 0
    if (!decoded) throw corrupt('payload is malformed')
    const target = new Uint8Array(kernel.memory.buffer, kernel.targetAt(), targetSizeBytes).slice()
    this.#release()
    return target
  }

  #reserve(reference: Uint8Array, targetBytes: number, payloadBytes: number): CodecExports {
    const needBytes = codecMemoryBytes(reference.length, targetBytes)
    if (reference.length + targetBytes > MAX_WINDOW_BYTES || needBytes > this.#memoryLimitBytes) {
      throw tooLarge(reference.length, targetBytes, needBytes)
    }
    const kernel = (this.#instance ??= instantiate(this.#module))
    const missing = needBytes - kernel.memory.buffer.byteLength
    if (missing > 0) {
      try {
        kernel.memory.grow(Math.ceil(missing / PAGE_BYTES))
      } catch (cause) {
        throw tooLarge(reference.length, targetBytes, needBytes, cause)
      }
    }
    kernel.reserve(reference.length, targetBytes, payloadBytes)
    new Uint8Array(kernel.memory.buffer).set(reference, kernel.referenceAt())
    return kernel
  }

  /** Gives back a memory that grew large; a WebAssembly memory never shrinks. */
  #release(): void {
    if (this.#instance !== undefined && this.#instance.memory.buffer.byteLength > KEPT_BYTES) this.#instance = undefined
  }

  #call(run: () => number): number {
    try {
      return run()
    } catch (cause) {
      this.#instance = undefined
      throw new TareError('INTERNAL', 'codec kernel: trapped', { cause })
    }
  }

  #checkItself(): void {
    const reference = new TextEncoder().encode('kernels are pure: bytes in, bytes out, no policy')
    const target = new TextEncoder().encode(
      'kernels are pure: bytes in, bytes out, and no policy, no policy, no policy',
    )
    for (const [codec, expected] of KNOWN_ANSWERS) {
      const payload = this.encode(codec, reference, target)
      const decoded = this.decode(codec, reference, payload, target.length)
      if (Buffer.from(payload).toString('hex') !== expected || Buffer.compare(decoded, target) !== 0) {
        throw new TareError('INTERNAL', `codec kernel: codec ${codec} fails its self-check`)
      }
    }
  }
}

/** Payloads of the self-check: they change only with the encoder, and never so that an old one would read differently. */
const KNOWN_ANSWERS: readonly (readonly [CodecId, string])[] = [
  [CODEC_IDS.lz, '6c1ad85da933485145fc4d'],
  [CODEC_IDS.bsdiff, 'ff8339469fac65fdbd30a74f6f4e2140b0'],
]

function instantiate(module: KernelModule): CodecExports {
  // The module is ours: build-wasm.ts made it from codec.ts, whose exports the interface repeats.
  return new webAssembly.Instance(module).exports as unknown as CodecExports
}

function log2Ceil(value: number): number {
  return value < 2 ? 0 : 32 - Math.clz32(value - 1)
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most)
}

function corrupt(what: string): TareError {
  return new TareError('CORRUPT_PATCH', `codec ${what}`, { hint: 'Fetch or make the delta again' })
}

function tooLarge(referenceBytes: number, targetBytes: number, needBytes: number, cause?: unknown): TareError {
  return new TareError(
    'MEMORY_LIMIT',
    `codec kernel: a target of ${targetBytes} bytes against ${referenceBytes} needs ${needBytes} bytes of memory`,
    { hint: 'Code a smaller piece, or allow more memory', cause },
  )
}
