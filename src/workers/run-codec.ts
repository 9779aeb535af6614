import { TareError } from '../errors/index.ts'
import { CODEC_IDS, type CodecId, type CodecKernel } from '../kernels/index.ts'
import type { DecodeJob, EncodedGroup, EncodeJob } from './kernel-runner.ts'

/** Tries the job's codecs; the smallest result wins. */
export function runEncode(kernel: CodecKernel, job: EncodeJob): EncodedGroup {
  let best: EncodedGroup = { codec: CODEC_IDS.stored, payload: job.target }
  for (const codec of job.codecs) {
    const payload = kernel.encode(codec, job.reference, job.target)
    if (payload.length < best.payload.length) best = { codec, payload }
  }
  return best
}

/** Expands a group. @throws {TareError} `CORRUPT_PATCH`, `UNSUPPORTED_FORMAT` */
export function runDecode(kernel: CodecKernel, job: DecodeJob): Uint8Array {
  return kernel.decode(knownCodec(job.codec), job.reference, job.payload, job.targetBytes)
}

function knownCodec(codec: number): CodecId {
  const known = Object.values(CODEC_IDS).find((id) => id === codec)
  if (known !== undefined) return known
  throw new TareError('UNSUPPORTED_FORMAT', `patch uses codec ${codec}, which this Tare does not know`, {
    hint: 'Apply it with the Tare that made it, or a newer one',
  })
}
