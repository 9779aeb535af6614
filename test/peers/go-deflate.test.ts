import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { DeflateKernel } from '../../src/kernels/deflate-kernel.ts'
import { CRITICAL_SIZES, DEFLATE_INPUTS, type DeflateInputKind, numbers } from '../support/deflate-inputs.ts'
import { skipWithout } from '../support/peers.ts'
import { GoEncoder, type GoJob } from './go-deflate/go-encoder.ts'

/**
 * The go-deflate kernel against compress/flate of the installed Go, 1.26 or older, and of the releases that `GO_RELEASES`
 * lists, as `GO_RELEASES='go1.21.13 go1.25.4'`: those are fetched. `FUZZ_SEED` starts from other inputs.
 */
const RELEASES = [undefined, ...(process.env['GO_RELEASES'] ?? '').split(' ').filter((release) => release !== '')]
const SEED = Number(process.env['FUZZ_SEED'] ?? 1)
const KINDS = Object.keys(DEFLATE_INPUTS) as readonly DeflateInputKind[]
const LEVELS = [-2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]

/** Bytes that jobs take their inputs from: every kind of made input, and a program. */
let corpus: Uint8Array
let kernel: DeflateKernel

function encode({ start, level, writes, flushes }: GoJob, marksWrites: boolean): Buffer {
  kernel.begin({ family: 0, level, parameter: 0 })
  const parts: Uint8Array[] = []
  let at = start
  for (const [index, size] of writes.entries()) {
    if (marksWrites) parts.push(kernel.flush(1))
    parts.push(kernel.write(corpus.subarray(at, at + size)))
    at += size
    if (flushes.includes(index)) parts.push(kernel.flush())
  }
  return Buffer.concat([...parts, kernel.end()])
}

/** Asserts that each job's stream is the kernel's, and names the first job whose stream is not. */
async function compare(go: GoEncoder, jobs: readonly GoJob[], marksWrites: boolean): Promise<void> {
  const streams = await go.encode(corpus, jobs)
  assert.equal(streams.length, jobs.length)
  for (const [index, job] of jobs.entries()) {
    const isEqual = encode(job, marksWrites).equals(streams[index] ?? new Uint8Array())
    assert.ok(isEqual, `seed ${SEED}: ${JSON.stringify(job)}`)
  }
}

/** Cuts `sizeBytes` into writes of one size. */
function writesOf(sizeBytes: number, pieceBytes: number): number[] {
  const whole = Math.floor(sizeBytes / pieceBytes)
  return [...Array.from({ length: whole }, () => pieceBytes), sizeBytes % pieceBytes]
}

before(async () => {
  kernel = await DeflateKernel.load('go-deflate')
  const program = await readFile(process.execPath)
  const made = KINDS.map((kind, index) => DEFLATE_INPUTS[kind](300_000, SEED * 100 + index))
  corpus = Buffer.concat([...made, program.subarray(program.length >> 1, (program.length >> 1) + 2_000_000)])
})

for (const release of RELEASES) {
  describe(`kernel go-deflate and ${release ?? 'the installed Go'}`, { skip: skipWithout('go') }, () => {
    let go: GoEncoder
    before(async () => {
      go = await GoEncoder.build(release)
    })
    after(() => go[Symbol.asyncDispose]())

    test('write the same 2,000 small streams, written in pieces and flushed anywhere', async () => {
      const next = numbers(SEED)
      const jobs = Array.from({ length: 2000 }, (_, index): GoJob => {
        const most = index % 40 === 0 ? 200_000 : index % 5 === 0 ? 5000 : 400
        const writes = Array.from({ length: 1 + next(5) }, () => next(next(2) === 0 ? most : 40))
        const flushes = writes.map((_, write) => write).filter(() => next(4) === 0)
        return { start: next(corpus.length - 1_000_001), level: LEVELS[index % LEVELS.length] ?? 6, writes, flushes }
      })
      await compare(go, jobs, true)
    })

    test('write the same at critical sizes', async () => {
      const jobs = CRITICAL_SIZES.flatMap((sizeBytes) =>
        KINDS.map((_, index): GoJob => {
          const level = LEVELS[(sizeBytes + index) % LEVELS.length] ?? 6
          return { start: index * 300_000, level, writes: writesOf(sizeBytes, 32_768), flushes: [] }
        }),
      )
      await compare(go, jobs, false)
    })

    test('write the same longer streams at every level', async () => {
      const jobs = LEVELS.flatMap((level): GoJob[] => [
        { start: 300_000 * 4, level, writes: writesOf(2 ** 20 - 1, 32_768), flushes: [] },
        { start: corpus.length - 2 ** 21, level, writes: writesOf(2 ** 20 + 1, 65_536), flushes: [] },
      ])
      await compare(go, jobs, false)
    })

    test('write the same whatever the size of writes', async () => {
      const jobs = [1, 7, 261, 262, 1000, 32_767, 65_535, 65_536, 65_537, 150_000].flatMap((pieceBytes) =>
        [1, 2, 6].map((level): GoJob => {
          return { start: 300_000 * 6, level, writes: writesOf(600_000, pieceBytes), flushes: [] }
        }),
      )
      await compare(go, jobs, true)
    })
  })
}
