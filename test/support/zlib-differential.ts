import { spawnSync } from 'node:child_process'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import type { DeflateKernel } from '../../src/kernels/deflate-kernel.ts'
import { PigzEncoder, type PigzParameters } from '../../src/kernels/pigz-framing.ts'

/** Numbers from 0 up to, not including, `below`: the same ones for the same seed. */
export type Random = (below: number) => number

export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** Around what decides something: matches, hashing, the farthest distance, the window, blocks of pigz. */
const SIZES = [
  0, 1, 2, 3, 16, 17, 32, 33, 127, 128, 258, 261, 262, 263, 4096, 32506, 32767, 32768, 65273, 65274, 65275, 65534,
  65535, 65536, 65537, 98304, 131070, 131072, 150000,
]
const DISTANCES = [1, 2, 3, 258, 4095, 4096, 4097, 32505, 32506, 32507, 32767, 32768]

/** Zeros, noise, text, near and far repeats in all proportions, of a size that may decide something. */
export function deflateSample(random: Random): Buffer {
  const small = random(rarely(random) ? 200_000 : 3000)
  const bytes = Buffer.alloc(random(3) === 0 ? small : pick(random, SIZES) + (random(3) === 0 ? random(5) : 0))
  const style = random(8)
  const alphabet = 1 + random(style % 2 === 1 ? 4 : 256)
  const longest = style < 2 ? 50 : 3000
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + 1 + random(longest))
    const kind = style === 7 ? 1 : random(7)
    if (kind === 0) at = end
    else if (kind === 1) for (; at < end; at++) bytes[at] = random(alphabet)
    else if (kind === 2) for (; at < end; at++) bytes[at] = 97 + ((random(26) * random(26)) >> 5)
    else at = repeat(bytes, at, kind === 3 ? end : Math.min(end, at + 3 + random(300)), distanceOf(random, kind, at))
  }
  return bytes
}

function distanceOf(random: Random, kind: number, at: number): number {
  if (kind === 4) return pick(random, DISTANCES)
  return 1 + random(kind === 5 ? Math.min(at, 33_000) + 1 : 20)
}

/** Copies from `distance` back; what lies before the beginning stays 0, but for one byte that moves things on. */
function repeat(bytes: Buffer, from: number, end: number, distance: number): number {
  for (let at = from; at < end; at++) bytes[at] = at < distance ? at & 0xff : (bytes[at - distance] ?? 0)
  return end
}

function pick<T>(random: Random, values: readonly T[]): T {
  const value = values[random(values.length)]
  if (value === undefined) throw new RangeError('nothing to pick from')
  return value
}

function rarely(random: Random): boolean {
  return random(4) === 0
}

// --- zlib, through Python ---------------------------------------------------------------------------------------------
/** A write of so many bytes, or a flush of that mode. */
type Step = readonly ['write' | 'flush', number]

interface ZlibStream {
  readonly level: number
  readonly memoryLevel: number
  readonly dictionaryBytes: number
  readonly steps: readonly Step[]
  readonly sampleAt: number
}

const ZLIB_PROGRAM = `
import json, struct, sys, zlib
streams = json.load(sys.stdin)
sample = open(sys.argv[1], 'rb').read()
for s in streams:
    at = s['sampleAt']
    history = {'zdict': sample[at - s['dictionaryBytes']:at]} if s['dictionaryBytes'] else {}
    encoder = zlib.compressobj(s['level'], zlib.DEFLATED, -15, s['memoryLevel'], zlib.Z_DEFAULT_STRATEGY, **history)
    written = b''
    for kind, value in s['steps']:
        if kind == 'write':
            written += encoder.compress(sample[at:at + value])
            at += value
        else:
            written += encoder.flush(value)
    written += encoder.flush(zlib.Z_FINISH)
    sys.stdout.buffer.write(struct.pack('<I', len(written)) + written)
`

/**
 * Streams of random content, level 1 to 9, memory level, writes, flushes and dictionary, where `zlib-deflate` and Python's zlib
 * differ: descriptions, none when all is well.
 */
export async function zlibDifferences(
  kernel: DeflateKernel,
  seed: number,
  streamCount: number,
  scratch: string,
): Promise<readonly string[]> {
  const random = seededRandom(seed)
  const samples: Buffer[] = []
  const streams: ZlibStream[] = []
  let totalBytes = 0
  for (let i = 0; i < streamCount; i++) {
    const sample = deflateSample(random)
    const wanted = rarely(random) ? pick(random, [1, 2, 3, 262, 32506, 32768, 40000]) : 0
    const dictionaryBytes = Math.min(wanted, sample.length)
    streams.push({
      level: 1 + random(9),
      memoryLevel: random(3) === 0 ? 1 + random(9) : 8 + random(2),
      dictionaryBytes,
      steps: randomSteps(random, sample.length - dictionaryBytes),
      sampleAt: totalBytes + dictionaryBytes,
    })
    samples.push(sample)
    totalBytes += sample.length
  }
  const sample = Buffer.concat(samples)
  const path = `${scratch}/zlib-sample`
  await writeFile(path, sample)
  const peer = spawnSync('python3', ['-c', ZLIB_PROGRAM, path], {
    input: JSON.stringify(streams),
    maxBuffer: 2 ** 30,
  })
  if (peer.status !== 0) throw new Error(peer.stderr.toString())

  const differences: string[] = []
  let at = 0
  for (const stream of streams) {
    const end = at + 4 + peer.stdout.readUInt32LE(at)
    const wanted = peer.stdout.subarray(at + 4, end)
    if (!encodeSteps(kernel, stream, sample).equals(wanted)) differences.push(JSON.stringify({ seed, ...stream }))
    at = end
  }
  return differences
}

function randomSteps(random: Random, byteLength: number): readonly Step[] {
  const steps: Step[] = []
  for (let left = byteLength; left > 0; ) {
    const size = random(2) === 0 ? left : 1 + random(Math.min(left, random(2) === 0 ? 10 : left))
    steps.push(['write', size])
    left -= size
    if (left > 0 || random(6) === 0) steps.push(['flush', pick(random, [1, 2, 2, 3, 5])])
  }
  return steps
}

function encodeSteps(kernel: DeflateKernel, stream: ZlibStream, sample: Buffer): Buffer {
  let at = stream.sampleAt
  kernel.begin({ family: 0, level: stream.level, parameter: stream.memoryLevel })
  if (stream.dictionaryBytes > 0) kernel.setDictionary(sample.subarray(at - stream.dictionaryBytes, at))
  const parts = stream.steps.map(([kind, value]) => {
    if (kind === 'flush') return kernel.flush(value)
    at += value
    return kernel.write(sample.subarray(at - value, at))
  })
  return Buffer.concat([...parts, kernel.end()])
}

// --- gzip and pigz, as programs ---------------------------------------------------------------------------------------
const HEADER_BYTES = 10
const TRAILER_BYTES = 8

/** Random inputs at random levels where `zlib-deflate` and the `gzip` of this machine differ. */
export async function gnuGzipDifferences(
  kernel: DeflateKernel,
  seed: number,
  streamCount: number,
  scratch: string,
): Promise<readonly string[]> {
  const random = seededRandom(seed)
  return programDifferences('gzip', scratch, streamCount, () => {
    const sample = deflateSample(random)
    const level = 1 + random(9)
    const encode = (): Buffer => {
      kernel.begin({ family: 1, level, parameter: 0 })
      return Buffer.concat([kernel.write(sample), kernel.end()])
    }
    return { sample, args: `-${level}`, encode }
  })
}

/** Random inputs, levels and options where `PigzEncoder` and the `pigz` of this machine differ. */
export async function pigzDifferences(
  kernel: DeflateKernel,
  seed: number,
  streamCount: number,
  scratch: string,
): Promise<readonly string[]> {
  const random = seededRandom(seed)
  return programDifferences('pigz', scratch, streamCount, () => {
    const sample = Buffer.concat(Array.from({ length: 1 + random(5) }, () => deflateSample(random)))
    const mode = random(2) === 0 ? 'serial' : 'parallel'
    const parameters: PigzParameters = {
      level: mode === 'parallel' && random(20) === 0 ? 0 : 1 + random(9),
      blockBytes: 32_768 * (random(2) === 0 ? 4 : 1 + random(5)),
      mode,
      isIndependent: random(4) === 0,
    }
    const args = [
      `-${parameters.level} -b ${parameters.blockBytes / 1024}`,
      mode === 'serial' ? '-p 1' : '-p 2',
      parameters.isIndependent ? '-i' : '',
    ].join(' ')
    const encode = (): Buffer => {
      const encoder = new PigzEncoder(kernel, parameters)
      const parts: Uint8Array[] = []
      for (let at = 0; at < sample.length; ) {
        const size = 1 + random(200_000)
        parts.push(encoder.write(sample.subarray(at, at + size)))
        at += size
      }
      return Buffer.concat([...parts, encoder.end()])
    }
    return { sample, args, encode }
  })
}

interface ProgramStream {
  readonly sample: Buffer
  readonly args: string
  readonly encode: () => Buffer
}

async function programDifferences(
  program: string,
  scratch: string,
  streamCount: number,
  next: () => ProgramStream,
): Promise<readonly string[]> {
  const directory = `${scratch}/${program}`
  await mkdir(directory, { recursive: true })
  const streams = Array.from({ length: streamCount }, next)
  const script: string[] = ['set -e']
  for (const [i, { sample, args }] of streams.entries()) {
    await writeFile(`${directory}/${i}`, sample)
    script.push(`${program} -n ${args} -c < ${i} > ${i}.gz`)
  }
  const peer = spawnSync('sh', ['-s'], { input: script.join('\n'), cwd: directory })
  if (peer.status !== 0) throw new Error(peer.stderr.toString())
  const differences: string[] = []
  for (const [i, { sample, args, encode }] of streams.entries()) {
    const wanted = (await readFile(`${directory}/${i}.gz`)).subarray(HEADER_BYTES, -TRAILER_BYTES)
    if (!encode().equals(wanted)) differences.push(`${program} ${args}, stream ${i} of ${sample.length} bytes`)
  }
  await rm(directory, { recursive: true })
  return differences
}
