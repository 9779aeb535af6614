import { TareError } from '../errors/index.ts'
import { type ByteSource, counted } from '../stream/index.ts'

/** Bounds of a decoder. */
export interface DecodeOptions {
  /** What is decoded, for errors: `layer sha256:…`. @default the name of the format */
  readonly subject?: string | undefined
  /** Most bytes that may come out. @default unlimited: the caller's `verified` or `maxRatio` bounds it */
  readonly maxBytes?: number | undefined
  /**
   * Most bytes that may come out for each byte that went in, once more than {@link RATIO_FREE_BYTES} have come out.
   * Gzip cannot reach 1,033; Zstandard reaches 32,000 for zeros alone. @default 10000
   */
  readonly maxRatio?: number | undefined
}

/** Output that no ratio is asked for: files of nothing but zeros are honest below it. */
export const RATIO_FREE_BYTES: number = 1024 * 1024 * 1024

/** Decodes a source and ends it when too much comes out. @throws {TareError} `LIMIT_EXCEEDED` */
export async function* withinLimits(
  source: ByteSource,
  decode: (source: ByteSource) => ByteSource,
  subject: string,
  options: DecodeOptions,
): ByteSource {
  const { maxBytes = Number.POSITIVE_INFINITY, maxRatio = 10_000 } = options
  let inBytes = 0
  let outBytes = 0
  const countedSource = counted(source, (byteLength) => {
    inBytes += byteLength
  })
  for await (const chunk of decode(countedSource)) {
    outBytes += chunk.length
    if (outBytes > maxBytes) {
      throw new TareError('LIMIT_EXCEEDED', `${subject}: unpacks to more than ${maxBytes} bytes`)
    }
    if (outBytes > RATIO_FREE_BYTES && outBytes > inBytes * maxRatio) {
      throw new TareError('LIMIT_EXCEEDED', `${subject}: unpacks to more than ${maxRatio} times its size`)
    }
    yield chunk
  }
}
