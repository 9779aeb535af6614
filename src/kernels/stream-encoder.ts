import {
  type DeflateCheckpoint,
  DeflateKernel,
  type DeflateKernelName,
  type DeflateParameters,
} from './deflate-kernel.ts'
import { PgzipEncoder } from './pgzip-framing.ts'
import { PigzEncoder } from './pigz-framing.ts'

/** An encoder whose deflate streams can be made again, and how it was set. @see docs/formats/encoders.md */
export type EncoderSpec =
  /** Go's `compress/flate`, Go 1.7 to 1.26. */
  | { readonly kind: 'go'; readonly level: number }
  /** klauspost's flate as one stream; also Go 1.27's `compress/flate`. */
  | { readonly kind: 'klauspost'; readonly family: number; readonly level: number }
  /** klauspost's pgzip: blocks with the end of the block before as dictionary, each flushed. */
  | { readonly kind: 'pgzip'; readonly family: number; readonly level: number; readonly blockBytes: number }
  /** zlib 1.2 and 1.3, default strategy. */
  | { readonly kind: 'zlib'; readonly level: number; readonly memLevel: number }
  /** GNU gzip. */
  | { readonly kind: 'gzip'; readonly level: number; readonly isRsyncable: boolean }
  /** pigz: zlib blocks joined at byte borders. */
  | {
      readonly kind: 'pigz'
      readonly level: number
      readonly blockBytes: number
      readonly mode: 'parallel' | 'serial'
      readonly isIndependent: boolean
    }

/** Writes one deflate stream; what its methods return is the caller's. */
export interface StreamEncoder {
  write(chunk: Uint8Array): Uint8Array
  flush(): Uint8Array
  end(): Uint8Array
  /** The last place passed at which a kernel could go on; only Go's encoder has them. */
  checkpoint?(): DeflateCheckpoint | undefined
}

/** Kernels of one thread, each loaded when it is first needed; a kernel serves one stream at a time. */
export class DeflateKernels {
  readonly #kernels = new Map<DeflateKernelName, Promise<DeflateKernel>>()

  get(name: DeflateKernelName): Promise<DeflateKernel> {
    const known = this.#kernels.get(name)
    if (known !== undefined) return known
    const loading = DeflateKernel.load(name)
    this.#kernels.set(name, loading)
    return loading
  }

  /**
   * Starts a stream, and ends what the same kernel was at.
   *
   * @throws {TareError} `UNSUPPORTED_FORMAT` for settings the kernel does not know
   */
  async open(spec: EncoderSpec): Promise<StreamEncoder> {
    const kernel = await this.get(kernelOf(spec))
    switch (spec.kind) {
      case 'pgzip':
        return new PgzipEncoder(kernel, spec)
      case 'pigz': {
        const encoder = new PigzEncoder(kernel, spec)
        // pigz has no way to flush; a recipe that wants one is damaged, which the digest will tell.
        return { write: (chunk) => encoder.write(chunk), flush: () => new Uint8Array(0), end: () => encoder.end() }
      }
      case 'go':
      case 'klauspost':
      case 'zlib':
      case 'gzip':
        kernel.begin(parametersOf(spec))
        return kernel
    }
  }
}

const ZLIB_FAMILY = 0
const GNU_GZIP_FAMILY = 1

/** Which kernel makes a stream. */
export function kernelOf(spec: EncoderSpec): DeflateKernelName {
  switch (spec.kind) {
    case 'go':
      return 'go-deflate'
    case 'klauspost':
    case 'pgzip':
      return 'klauspost-deflate'
    case 'zlib':
    case 'gzip':
    case 'pigz':
      return 'zlib-deflate'
  }
}

/** What the kernel of a plain stream wants to know. */
export function parametersOf(spec: Exclude<EncoderSpec, { kind: 'pgzip' | 'pigz' }>): DeflateParameters {
  switch (spec.kind) {
    case 'go':
      return { family: 0, level: spec.level, parameter: 0 }
    case 'klauspost':
      return { family: spec.family, level: spec.level, parameter: 0 }
    case 'zlib':
      return { family: ZLIB_FAMILY, level: spec.level, parameter: spec.memLevel }
    case 'gzip':
      return { family: GNU_GZIP_FAMILY, level: spec.level, parameter: spec.isRsyncable ? 1 : 0 }
  }
}
