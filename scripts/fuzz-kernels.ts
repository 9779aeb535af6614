/**
 * `npm run fuzz:kernels -- [--seconds N] [--seed S] [--family NAME]`: encodes random inputs with the kernels and with the real
 * encoders on this machine, in turns, until the time is over. Every difference is printed with the seed that repeats it.
 */
import { parseArgs } from 'node:util'
import { DeflateKernel } from '../src/kernels/index.ts'
import { DEFLATE_INPUTS, type DeflateInputKind, numbers } from '../test/support/deflate-inputs.ts'
import { skipWithout } from '../test/support/peers.ts'
import { gzipDifferences, pigzDifferences, zlibDifferences } from '../test/support/zlib-differential.ts'
import { GoEncoder, type GoJob } from '../test/peers/go-deflate/go-encoder.ts'
import { differingJobs, encode, KLAUSPOST_RELEASES } from '../test/peers/klauspost-deflate/compare.ts'
import { KlauspostEncoder } from '../test/peers/klauspost-deflate/klauspost-encoder.ts'

/** A real encoder and the kernel that is to write the same. */
interface Family {
  readonly name: string
  /** Encodes {@link TURN_STREAMS} streams. @returns descriptions of what differs */
  readonly compare: (seed: number) => Promise<readonly string[]> | readonly string[]
}

/** Streams of one family's turn. */
const TURN_STREAMS = 60
const GO_127 = 'go1.27.4'
const GO_127_FAMILY = 17
const GO_LEVELS = [-2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
/** Of each kind of input. */
const GO_PART_BYTES = 250_000
/** Flush mode of `go-deflate`. */
const GO_WRITE_BORDER = 1

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '180' },
    seed: { type: 'string' },
    /** Only families whose name begins so. */
    family: { type: 'string', default: '' },
  },
})
const firstSeed = values.seed === undefined ? Date.now() % 1e9 : Number(values.seed)
const deadline = performance.now() + Number(values.seconds) * 1000
await using resources = new AsyncDisposableStack()
const families = await findFamilies()
const streams = new Map(families.map(({ name }) => [name, 0]))
let differences = 0
console.log(`seed ${firstSeed}, ${values.seconds} s`)
for (let seed = firstSeed; families.length > 0 && performance.now() < deadline; seed++) {
  for (const { name, compare } of families) {
    // Every family has its turn at least once, so that none is passed over in a short run.
    if (seed > firstSeed && performance.now() > deadline) break
    for (const difference of await compare(seed)) {
      differences++
      console.log(`DIFFERENT ${name}, repeat with --seed ${seed} --family '${name}': ${difference}`)
    }
    streams.set(name, (streams.get(name) ?? 0) + TURN_STREAMS)
  }
}
for (const [name, count] of streams) console.log(`${name}: ${count} streams`)
const total = [...streams.values()].reduce((sum, count) => sum + count, 0)
console.log(`${total} streams, ${differences} differences`)
if (differences > 0) process.exitCode = 1

async function findFamilies(): Promise<readonly Family[]> {
  const found: Family[] = []
  const zlib = await DeflateKernel.load('zlib-deflate')
  const add = (programs: readonly string[], family: Family): void => {
    const absent = skipWithout(...programs)
    if (!family.name.startsWith(values.family)) return
    if (absent === false) found.push(family)
    else console.log(`${family.name}: skipped, ${absent}`)
  }
  add(['python3'], { name: 'zlib', compare: (seed) => zlibDifferences(zlib, seed, TURN_STREAMS) })
  add(['gzip'], { name: 'GNU gzip', compare: (seed) => gzipDifferences(zlib, seed, TURN_STREAMS) })
  add(['pigz'], { name: 'pigz', compare: (seed) => pigzDifferences(zlib, seed, TURN_STREAMS) })

  const go = await DeflateKernel.load('go-deflate')
  const klauspost = await DeflateKernel.load('klauspost-deflate')
  const goes = [
    {
      name: 'Go, as installed',
      release: undefined,
      write: (corpus: Uint8Array, job: GoJob) => encodeGo(go, corpus, job),
    },
    {
      name: 'Go 1.27',
      release: GO_127,
      write: (corpus: Uint8Array, job: GoJob) =>
        encode(klauspost, GO_127_FAMILY, corpus, { ...job, dictionary: 0, block: 0 }),
    },
  ]
  for (const { name, release, write } of goes) {
    const encoder = await build(name, () => GoEncoder.build(release))
    if (encoder === undefined) continue
    add(['go'], { name, compare: (seed) => goDifferences(write, encoder, seed) })
  }
  for (const [family, , release] of KLAUSPOST_RELEASES) {
    const name = `klauspost ${release}`
    const encoder = await build(name, () => KlauspostEncoder.build(release))
    if (encoder === undefined) continue
    add(['go'], {
      name,
      compare: async (seed) => {
        const different = await differingJobs(klauspost, encoder, family, seed, TURN_STREAMS)
        return different.map((job) => JSON.stringify(job))
      },
    })
  }
  return found
}

/** Releases that are not here come through the Go module proxy, which may be out of reach. */
async function build<Encoder extends AsyncDisposable>(
  name: string,
  start: () => Promise<Encoder>,
): Promise<Encoder | undefined> {
  if (!name.startsWith(values.family)) return undefined
  const absent = skipWithout('go')
  try {
    if (absent === false) return resources.use(await start())
    console.log(`${name}: skipped, ${absent}`)
  } catch {
    console.log(`${name}: skipped, Go can't build it here`)
  }
  return undefined
}

/** Streams of random levels, writes and flushes where Go's own encoder and a kernel differ. */
async function goDifferences(
  write: (corpus: Uint8Array, job: GoJob) => Uint8Array,
  go: GoEncoder,
  seed: number,
): Promise<readonly string[]> {
  const next = numbers(seed)
  const kinds = Object.keys(DEFLATE_INPUTS) as readonly DeflateInputKind[]
  const corpus = Buffer.concat(kinds.map((kind) => DEFLATE_INPUTS[kind](GO_PART_BYTES, next(1e9))))
  const jobs = Array.from({ length: TURN_STREAMS }, (_, index): GoJob => {
    const most = index % 40 === 0 ? 200_000 : index % 5 === 0 ? 5000 : 400
    const writes = Array.from({ length: 1 + next(5) }, () => next(next(2) === 0 ? most : 40))
    const flushes = writes.map((_size, at) => at).filter(() => next(4) === 0)
    return { start: next(corpus.length - 1_000_000), level: GO_LEVELS[next(GO_LEVELS.length)] ?? 6, writes, flushes }
  })
  const wanted = await go.encode(corpus, jobs)
  return jobs
    .filter((job, index) => Buffer.compare(write(corpus, job), wanted[index] ?? new Uint8Array(0)) !== 0)
    .map((job) => JSON.stringify(job))
}

/** The job's stream by the kernel of Go's older encoder, which is told of the borders between writes. */
function encodeGo(kernel: DeflateKernel, corpus: Uint8Array, { start, level, writes, flushes }: GoJob): Uint8Array {
  kernel.begin({ family: 0, level, parameter: 0 })
  const parts: Uint8Array[] = []
  let at = start
  for (const [index, size] of writes.entries()) {
    parts.push(kernel.flush(GO_WRITE_BORDER), kernel.write(corpus.subarray(at, at + size)))
    at += size
    if (flushes.includes(index)) parts.push(kernel.flush())
  }
  return Buffer.concat([...parts, kernel.end()])
}
