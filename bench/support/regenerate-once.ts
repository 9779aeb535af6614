/**
 * Makes a pgzip stream of a file on so many threads, or starts so many that do nothing, and prints the most memory that the
 * process had meanwhile, in bytes: `regenerate-once.ts work|idle THREADS PATH BYTES`
 *
 * Uses the built package where there is one: threads that strip types first take 10 MB more.
 */
import { existsSync } from 'node:fs'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

const [what, threads, path = '', plainBytes] = process.argv.slice(2)
// Not the peak that the system keeps: starting up takes more than what is measured here.
let peakBytes = 0
if (what === 'work') await work()
else await idle()
console.log(peakBytes)

function look(): void {
  peakBytes = Math.max(peakBytes, process.memoryUsage.rss())
}

/** A folder's face; what was built has the types of its source. */
async function load(folder: string): Promise<unknown> {
  const built = new URL(`../../dist/${folder}/index.js`, import.meta.url)
  return import(existsSync(built) ? built.href : new URL(`../../src/${folder}/index.ts`, import.meta.url).href)
}

async function work(): Promise<void> {
  const { regenerate } = (await load('recompress')) as typeof import('../../src/recompress/index.ts')
  const { readFileRange } = (await load('stream')) as typeof import('../../src/stream/index.ts')
  const { createThreadRunner } = (await load('workers')) as typeof import('../../src/workers/index.ts')
  await using kernels = createThreadRunner({ threads: Number(threads) })
  const member = {
    header: Buffer.from('1f8b08000000000000ff', 'hex'),
    plainBytes: Number(plainBytes),
    encoder: { kind: 'pgzip', family: 13, level: 5, blockBytes: 1_048_576 },
    flushes: [],
    checkpoints: [],
    corrections: new Uint8Array(0),
    trailer: { kind: 'standard' },
  } as const
  const recipe = { blobBytes: 0, members: [member], trailing: new Uint8Array(0) }
  for await (const _ of regenerate(recipe, readFileRange(path), { kernels })) look()
}

async function idle(): Promise<void> {
  const workers = Array.from(
    { length: Number(threads) },
    () => new Worker("require('node:worker_threads').parentPort.once('message', () => {})", { eval: true }),
  )
  await Promise.all(workers.map((worker) => once(worker, 'online')))
  look()
  await Promise.all(workers.map((worker) => worker.terminate()))
}
