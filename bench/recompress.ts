/**
 * Making compressed bytes again: each kernel on one thread against the native encoder in the same run, two workers against
 * one, and the memory of a worker, for which `npm run build` first. The input is a tar of what `npm ci` installed.
 */
import { execFile } from 'node:child_process'
import { globSync, statSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type DeflateCheckpoint, DeflateKernels, type EncoderSpec } from '../src/kernels/index.ts'
import { type Recipe, regenerate } from '../src/recompress/index.ts'
import { bytesSource } from '../src/stream/index.ts'
import { createThreadRunner } from '../src/workers/index.ts'
import { GoEncoder } from '../test/peers/go-deflate/go-encoder.ts'
import { KlauspostEncoder } from '../test/peers/klauspost-deflate/klauspost-encoder.ts'
import { runPeer, skipWithout } from '../test/support/peers.ts'
import { temporaryDirectory } from '../test/support/temporary-directory.ts'
import { type BenchResult, median } from './support/result.ts'

const INSTALLED = fileURLToPath(new URL('../node_modules', import.meta.url))
const REGENERATE = fileURLToPath(new URL('support/regenerate-once.ts', import.meta.url))
const INPUT_BYTES = 40e6
/** With larger ones, which are programs, there would be hardly anything else. */
const MAX_FILE_BYTES = 4e6
const CHUNK_BYTES = 256 * 1024
const ROUND_MS = 2000
const CHECKPOINT_BYTES = 4 * 1024 * 1024
const RUNS = 8
const TURNS = 2
const MEMORY_RUNS = 3

export const name = 'recompress'

/** A way to ask a real encoder for its speed. */
interface Native {
  readonly what: string
  /** Of the native speed, that a kernel should reach. */
  readonly minimum: number
  /** Bytes in a second; undefined where it is not here. */
  measure(level: number): Promise<number | undefined>
}

type Natives = Readonly<Record<'go' | 'old' | 'new' | 'zlib' | 'gzip' | 'pigz', Native>>

export async function run(): Promise<readonly BenchResult[]> {
  await using resources = new AsyncDisposableStack()
  const scratch = resources.use(await temporaryDirectory())
  const path = scratch.join('input.tar')
  const input = await writeInput(path, scratch.join('names'))
  const natives = await nativeEncoders(path, resources)
  const results: BenchResult[] = []
  const size = `tar of ${(input.length / 1e6).toFixed(0)} MB`
  for (const [spec, native] of specs(natives)) {
    const speed = await kernelSpeed(spec, input)
    const what = `${nameOf(spec)}, ${size}`
    results.push({ what, value: speed / 1e6, unit: 'MB/s', note: 'one thread' })
    const peer = await native.measure(spec.level)
    if (peer === undefined) continue
    const note = `${native.what}: ${(peer / 1e6).toPrecision(4)} MB/s`
    results.push({ what, value: speed / peer, unit: '× native', minimum: native.minimum, note })
  }
  return [...results, ...(await twoWorkers(input)), await workerMemory(path, input.length)]
}

function specs(natives: Natives): readonly (readonly [EncoderSpec, Native])[] {
  const klauspost = (family: number, level: number): EncoderSpec => ({ kind: 'klauspost', family, level })
  return [
    ...[1, 5, 6, 9].map((level) => [{ kind: 'go', level } as const, natives.go] as const),
    ...[1, 5, 6].map((level) => [klauspost(13, level), natives.old] as const),
    ...[1, 5, 6, 9].map((level) => [klauspost(17, level), natives.new] as const),
    ...[1, 6, 9].map((level) => [{ kind: 'zlib', level, memLevel: 8 } as const, natives.zlib] as const),
    ...[6, 9].map((level) => [{ kind: 'gzip', level, isRsyncable: false } as const, natives.gzip] as const),
    [{ kind: 'pigz', level: 6, blockBytes: 131_072, mode: 'parallel', isIndependent: false }, natives.pigz],
  ]
}

function nameOf(spec: EncoderSpec): string {
  return 'family' in spec ? `${spec.kind} family ${spec.family} -${spec.level}` : `${spec.kind} -${spec.level}`
}

/** Bytes in a second: the best of the rounds that fit in the time, as the Go programs measure. */
async function kernelSpeed(spec: EncoderSpec, input: Uint8Array): Promise<number> {
  const kernels = new DeflateKernels()
  let best = Infinity
  for (const start = performance.now(); performance.now() - start < ROUND_MS; ) {
    const round = performance.now()
    const encoder = await kernels.open(spec)
    for (let at = 0; at < input.length; at += CHUNK_BYTES) encoder.write(input.subarray(at, at + CHUNK_BYTES))
    encoder.end()
    best = Math.min(best, performance.now() - round)
  }
  return (input.length * 1000) / best
}

const PYTHON_PROGRAM = `
import sys, time, zlib
data = open(sys.argv[1], 'rb').read()
best = 1e9
start = time.perf_counter()
while time.perf_counter() - start < 2:
    begun = time.perf_counter()
    encoder = zlib.compressobj(int(sys.argv[2]), zlib.DEFLATED, -15, 8)
    for at in range(0, len(data), 262144): encoder.compress(data[at:at + 262144])
    encoder.flush()
    best = min(best, time.perf_counter() - begun)
print(len(data) / best)
`

async function nativeEncoders(path: string, resources: AsyncDisposableStack): Promise<Natives> {
  const sizeBytes = statSync(path).size
  const hasGo = skipWithout('go') === false
  const build = async <Encoder extends GoEncoder | KlauspostEncoder>(
    start: () => Promise<Encoder>,
  ): Promise<Encoder | undefined> => {
    const encoder = hasGo ? await start().catch(() => undefined) : undefined
    return encoder === undefined ? undefined : resources.use(encoder)
  }
  const ofGo = (what: string, encoder: GoEncoder | KlauspostEncoder | undefined): Native => {
    return { what, minimum: 0.95, measure: async (level) => encoder?.measure(path, level) }
  }
  const program = (what: string, ...args: readonly string[]): Native => ({
    what: [what, ...args].join(' '),
    minimum: 0.75,
    async measure(level) {
      if (skipWithout(what) !== false) return undefined
      return sizeBytes / (await bestSeconds(`${what} -${level} ${args.join(' ')} -c "$0" >/dev/null`, path))
    },
  })
  return {
    go: ofGo('Go, as installed', await build(() => GoEncoder.build())),
    old: ofGo('klauspost 1.17.11', await build(() => KlauspostEncoder.build('1.17.11'))),
    new: ofGo('klauspost 1.20.3', await build(() => KlauspostEncoder.build('1.20.3'))),
    zlib: {
      what: "Python's zlib",
      minimum: 0.75,
      async measure(level: number) {
        if (skipWithout('python3') !== false) return undefined
        return Number((await runPeer('python3', ['-c', PYTHON_PROGRAM, path, `${level}`])).stdout)
      },
    },
    gzip: program('gzip'),
    pigz: program('pigz', '-p', '1'),
  }
}

async function bestSeconds(command: string, path: string): Promise<number> {
  let best = Infinity
  for (const start = performance.now(); performance.now() - start < ROUND_MS; ) {
    const round = performance.now()
    await promisify(execFile)('sh', ['-c', command, path])
    best = Math.min(best, performance.now() - round)
  }
  return best / 1000
}

/** A long stream with checkpoints, and one of pgzip: both can be made in parallel. */
async function twoWorkers(input: Uint8Array): Promise<readonly BenchResult[]> {
  const go: EncoderSpec = { kind: 'go', level: 6 }
  const recipes: readonly (readonly [string, Recipe])[] = [
    ['go -6 with checkpoints', recipeOf(go, input.length, await checkpointsOf(go, input))],
    ['pgzip', recipeOf({ kind: 'pgzip', family: 13, level: 5, blockBytes: 1_048_576 }, input.length, [])],
  ]
  const results: BenchResult[] = []
  for (const [what, recipe] of recipes) {
    // In turns, so that whatever else the machine does falls on both.
    let [one, two] = [Infinity, Infinity]
    for (let turn = 0; turn < TURNS; turn++) {
      one = Math.min(one, await regenerateMs(recipe, input, 1))
      two = Math.min(two, await regenerateMs(recipe, input, 2))
    }
    const note = `${one.toFixed(0)} ms and ${two.toFixed(0)} ms on ${availableParallelism()} processors`
    results.push({ what: `${what}, two workers`, value: one / two, unit: '× one', minimum: 1.7, note })
  }
  return results
}

function recipeOf(encoder: EncoderSpec, plainBytes: number, checkpoints: readonly DeflateCheckpoint[]): Recipe {
  const header = Buffer.from('1f8b08000000000000ff', 'hex')
  const corrections = new Uint8Array(0)
  const trailer = { kind: 'standard' } as const
  const member = { header, plainBytes, encoder, flushes: [], checkpoints, corrections, trailer }
  return { blobBytes: 0, members: [member], trailing: new Uint8Array(0) }
}

async function checkpointsOf(spec: EncoderSpec, input: Uint8Array): Promise<readonly DeflateCheckpoint[]> {
  await using kernels = createThreadRunner({ threads: 1 })
  const checkpoints: DeflateCheckpoint[] = []
  const job = { spec, flushes: [], checkpointBytes: CHECKPOINT_BYTES }
  for await (const output of kernels.deflateStream(job, bytesSource(input))) checkpoints.push(...output.checkpoints)
  return checkpoints
}

/** The best of several runs; in the first ones the engine still compiles. */
async function regenerateMs(recipe: Recipe, input: Uint8Array, threads: number): Promise<number> {
  await using kernels = createThreadRunner({ threads })
  let best = Infinity
  for (let at = 0; at < RUNS; at++) {
    const begun = performance.now()
    for await (const chunk of regenerate(recipe, bytesSource(input), { kernels })) void chunk
    best = Math.min(best, performance.now() - begun)
  }
  return best
}

/** What three workers more take, one third of it, less what idle threads take. */
async function workerMemory(path: string, sizeBytes: number): Promise<BenchResult> {
  const peak = async (threads: number, what: 'work' | 'idle'): Promise<number> => {
    const args = [REGENERATE, what, `${threads}`, path, `${sizeBytes}`]
    return Number((await promisify(execFile)(process.execPath, args)).stdout)
  }
  const each = async (what: 'work' | 'idle'): Promise<number> => {
    const differences: number[] = []
    for (let at = 0; at < MEMORY_RUNS; at++) differences.push((await peak(4, what)) - (await peak(1, what)))
    return median(differences) / 3 / 1e6
  }
  const [working, idle] = [await each('work'), await each('idle')]
  const note = `${working.toFixed(1)} MB, of which an idle thread takes ${idle.toFixed(1)} MB`
  return { what: "memory of a worker over Node's own, pgzip", value: working - idle, unit: 'MB', limit: 24, note }
}

/** A tar of installed files, cut to size. */
async function writeInput(path: string, namesPath: string): Promise<Uint8Array> {
  const names = globSync('**/*', { cwd: INSTALLED })
    .sort()
    .filter((file) => statSync(`${INSTALLED}/${file}`, { throwIfNoEntry: false })?.isFile() === true)
    .filter((file) => statSync(`${INSTALLED}/${file}`).size <= MAX_FILE_BYTES)
  await writeFile(namesPath, names.join('\n'))
  await runPeer('tar', ['-cf', path, '-C', `${INSTALLED}/`, '-T', namesPath])
  const input = (await readFile(path)).subarray(0, INPUT_BYTES)
  await writeFile(path, input)
  return input
}
