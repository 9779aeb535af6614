import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DeflateKernel } from '../../src/kernels/deflate-kernel.ts'
import { DEFLATE_INPUTS } from '../support/deflate-inputs.ts'
import { skipWithout } from '../support/peers.ts'
import { GoEncoder, type GoJob } from './go-deflate/go-encoder.ts'
import { differingJobs, encode, KLAUSPOST_RELEASES, klauspostLevels } from './klauspost-deflate/compare.ts'
import { KlauspostEncoder } from './klauspost-deflate/klauspost-encoder.ts'

const STREAMS_PER_RELEASE = 150

describe('DeflateKernel of klauspost/compress', { skip: skipWithout('go') }, async () => {
  const kernel = await DeflateKernel.load('klauspost-deflate')

  for (const [family, ...releases] of KLAUSPOST_RELEASES) {
    for (const release of new Set(releases)) {
      test(`writes what ${release} writes, as family ${family}`, async (t) => {
        await using encoder = await buildOrSkip(t, () => KlauspostEncoder.build(release))
        if (encoder === undefined) return
        const seed = 1000 + family
        assert.deepEqual(await differingJobs(kernel, encoder, family, seed, STREAMS_PER_RELEASE), [], `seed ${seed}`)
      })
    }
  }

  test('writes the same when positions have to be made small again', async (t) => {
    await using encoder = await buildOrSkip(t, () => KlauspostEncoder.build('1.20.3'))
    if (encoder === undefined) return
    const corpus = DEFLATE_INPUTS.mixed(36_000_000, 36)
    const whole = { start: 0, dictionary: 0, block: 0, writes: [corpus.length], flushes: [] }
    const jobs = [1, 2, 3, 4, 5, 6, 7, 9].map((level) => ({ ...whole, level }))
    const streams = await encoder.encode(corpus, jobs)
    for (const [index, job] of jobs.entries()) {
      const actual = encode(kernel, 17, corpus, job)
      assert.equal(Buffer.compare(actual, streams[index] ?? new Uint8Array(0)), 0, `level ${job.level}`)
    }
  })

  test('writes what the library of Go 1.27 writes, as family 17', async (t) => {
    await using encoder = await buildOrSkip(t, () => GoEncoder.build('go1.27.4'))
    if (encoder === undefined) return
    const corpus = DEFLATE_INPUTS.mixed(1_000_000, 27)
    const jobs = klauspostLevels(17).flatMap((level): GoJob[] => [
      { start: 0, level, writes: [700_000, 299_900, 100], flushes: [1] },
      { start: 5, level, writes: [65_535], flushes: [] },
    ])
    const streams = await encoder.encode(corpus, jobs)
    for (const [index, job] of jobs.entries()) {
      const actual = encode(kernel, 17, corpus, { ...job, dictionary: 0, block: 0 })
      assert.equal(Buffer.compare(actual, streams[index] ?? new Uint8Array(0)), 0, JSON.stringify(job))
    }
  })
})

/** Releases come from the Go module proxy: without it there is nothing to compare with. */
async function buildOrSkip<T>(t: { skip(reason: string): void }, build: () => Promise<T>): Promise<T | undefined> {
  try {
    return await build()
  } catch {
    t.skip('the Go module proxy is out of reach')
    return undefined
  }
}
