import type { DeflateKernel } from '../../src/kernels/deflate-kernel.ts'
import { PigzEncoder, type PigzParameters } from '../../src/kernels/pigz-framing.ts'
import { CRITICAL_SIZES, numbers } from './deflate-inputs.ts'
import { encodeWithGzip, encodeWithPigz, encodeWithZlib, type ZlibStep, type ZlibStream } from './zlib-encoders.ts'

type Random = (below: number) => number

const DISTANCES = [1, 2, 3, 258, 4095, 4096, 4097, 32505, 32506, 32507, 32767, 32768]

/** Zeros, noise, text, short and long repeats from near and far in all proportions. */
export function deflateSample(random: Random): Uint8Array {
  const critical = pick(random, CRITICAL_SIZES) + (random(3) === 0 ? random(5) : 0)
  const bytes = new Uint8Array(random(3) === 0 ? random(random(4) === 0 ? 200_000 : 3000) : critical)
  const style = random(8)
  const alphabet = 1 + random(style % 2 === 1 ? 4 : 256)
  const longest = style < 2 ? 50 : 3000
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + 1 + random(longest))
    const kind = style === 7 ? 1 : random(7)
    if (kind === 0) at = end
    else if (kind === 1) for (; at < end; at++) bytes[at] = random(alphabet)
    else if (kind === 2) for (; at < end; at++) bytes[at] = 97 + ((random(26) * random(26)) >> 5)
    else {
      const distance = kind === 3 ? pick(random, DISTANCES) : 1 + random(kind === 4 ? Math.min(at, 33_000) + 1 : 20)
      const past = kind === 5 ? end : Math.min(end, at + 3 + random(random(2) === 0 ? 10 : 300))
      for (; at < past; at++) bytes[at] = at < distance ? random(256) : (bytes[at - distance] ?? 0)
    }
  }
  return bytes
}

function pick<T>(random: Random, values: readonly T[]): T {
  const value = values[random(values.length)]
  if (value === undefined) throw new RangeError('nothing to pick from')
  return value
}

/**
 * Streams of random content, levels 1 to 9, memory levels, writes, flushes and dictionaries where `zlib-deflate` and
 * Python's zlib differ: descriptions, none when all is well.
 */
export function zlibDifferences(kernel: DeflateKernel, seed: number, streamCount: number): readonly string[] {
  const random = numbers(seed)
  const streams = Array.from({ length: streamCount }, (): ZlibStream => {
    const sample = deflateSample(random)
    const history = random(4) === 0 ? pick(random, [1, 2, 3, 262, 32_506, 32_768, 40_000]) : 0
    const input = sample.subarray(history)
    return {
      level: 1 + random(9),
      memoryLevel: random(3) === 0 ? 1 + random(9) : 8 + random(2),
      dictionary: sample.subarray(0, history),
      input,
      steps: randomSteps(random, input.length),
    }
  })
  const wanted = encodeWithZlib(streams)
  const isDifferent = (stream: ZlibStream, i: number): boolean => wanted[i]?.equals(encode(kernel, stream)) !== true
  return streams.filter(isDifferent).map(({ level, memoryLevel, dictionary, steps }) => {
    return JSON.stringify({ seed, level, memoryLevel, dictionaryBytes: dictionary.length, steps })
  })
}

function randomSteps(random: Random, byteLength: number): readonly ZlibStep[] {
  const steps: ZlibStep[] = []
  for (let left = byteLength; left > 0; ) {
    const size = random(2) === 0 ? left : 1 + random(random(2) === 0 ? Math.min(left, 10) : left)
    steps.push(['write', size])
    left -= size
    if (left > 0 || random(6) === 0) steps.push(['flush', pick(random, [1, 2, 2, 3, 5])])
  }
  return steps
}

function encode(kernel: DeflateKernel, stream: ZlibStream): Buffer {
  let at = 0
  kernel.begin({ family: 0, level: stream.level, parameter: stream.memoryLevel })
  if (stream.dictionary.length > 0) kernel.setDictionary(stream.dictionary)
  const parts = stream.steps.map(([kind, value]) => {
    if (kind === 'flush') return kernel.flush(value)
    at += value
    return kernel.write(stream.input.subarray(at - value, at))
  })
  return Buffer.concat([...parts, kernel.end()])
}

/** Random inputs and levels, with and without `--rsyncable`, where `zlib-deflate` and the installed gzip differ. */
export function gzipDifferences(kernel: DeflateKernel, seed: number, streamCount: number): readonly string[] {
  const random = numbers(seed)
  const differences: string[] = []
  for (let i = 0; i < streamCount; i++) {
    const sample = deflateSample(random)
    const level = 1 + random(9)
    const options = random(4) === 0 ? ['--rsyncable'] : []
    kernel.begin({ family: 1, level, parameter: options.length })
    const written = Buffer.concat([kernel.write(sample), kernel.end()])
    if (!written.equals(encodeWithGzip(level, sample, ...options))) {
      differences.push(JSON.stringify({ seed, i, level, options, bytes: sample.length }))
    }
  }
  return differences
}

/** Random inputs, levels and options where `PigzEncoder` and the installed pigz differ. */
export function pigzDifferences(kernel: DeflateKernel, seed: number, streamCount: number): readonly string[] {
  const random = numbers(seed)
  const differences: string[] = []
  for (let i = 0; i < streamCount; i++) {
    const sample = Buffer.concat(Array.from({ length: 1 + random(5) }, () => deflateSample(random)))
    const mode = random(2) === 0 ? 'serial' : 'parallel'
    const parameters: PigzParameters = {
      level: mode === 'parallel' ? random(10) : 1 + random(9),
      blockBytes: 32_768 * (random(2) === 0 ? 4 : 1 + random(5)),
      mode,
      isIndependent: random(4) === 0,
    }
    const encoder = new PigzEncoder(kernel, parameters)
    const parts: Uint8Array[] = []
    for (let at = 0; at < sample.length; ) {
      const size = 1 + random(200_000)
      parts.push(encoder.write(sample.subarray(at, at + size)))
      at += size
    }
    if (!Buffer.concat([...parts, encoder.end()]).equals(encodeWithPigz(parameters, sample))) {
      differences.push(JSON.stringify({ seed, i, bytes: sample.length, ...parameters }))
    }
  }
  return differences
}
