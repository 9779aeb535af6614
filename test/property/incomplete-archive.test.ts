import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { before, suite, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { IncompleteFileError, isTareError } from '../../src/errors/index.ts'
import { copyImage } from '../../src/image/index.ts'
import type { Digest } from '../../src/oci/index.ts'
import { openDestination, openSource } from '../../src/transport/index.ts'
import { tarOf, writeImage } from '../support/image-builder.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

/** Bytes that do not compress, and no zeros. */
let state = 1
const noise = Uint8Array.from({ length: 40_000 }, () => {
  state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9
  return (state >>> 13) | 1
})

const archives = new Map<string, Buffer>()
let digest: Digest

before(async () => {
  await using directory = await temporaryDirectory()
  const source = `oci:${directory.join('image')}`
  const layers = [tarOf({ one: noise.subarray(0, 9000) }), tarOf({ two: noise, three: 'x' })]
  digest = (await writeImage(source, { layers, compression: 'gzip' })).descriptor.digest
  for (const transport of ['oci-archive', 'docker-archive']) {
    const path = directory.join(transport)
    await using from = await openSource(source)
    await using to = await openDestination(`${transport}:${path}`)
    await copyImage(from, to)
    archives.set(transport, await readFile(path))
  }
})

/** Reads everything there is. @returns the error, or the digest */
async function outcome(transport: string, bytes: Uint8Array): Promise<unknown> {
  await using directory = await temporaryDirectory()
  await writeFile(directory.join('x.tar'), bytes)
  try {
    await using from = await openSource(`${transport}:${directory.join('x.tar')}`)
    await using to = await openDestination(`dir:${directory.join('back')}`)
    return (await copyImage(from, to)).digest
  } catch (error) {
    return error
  }
}

const ZERO_BLOCKS = 1024
const position = fc.double({ min: 0, max: 1, noNaN: true })

for (const transport of ['oci-archive', 'docker-archive']) {
  suite(`${transport}:`, () => {
    const archive = (): Buffer => archives.get(transport) ?? Buffer.alloc(0)

    test('a copy that was cut anywhere is recognised, unless only the end mark is gone', async () => {
      await fc.assert(
        fc.asyncProperty(position, async (at) => {
          const length = Math.floor(at * (archive().length - 1))
          const result = await outcome(transport, archive().subarray(0, length))
          if (length >= archive().length - ZERO_BLOCKS) return assert.ok(!isTareError(result), String(result))
          // So little may be anything.
          if (length < 100 && length > 0) return assert.ok(isTareError(result))
          assert.ok(result instanceof IncompleteFileError || isCausedBy(result), String(result))
        }),
        { numRuns: 80, examples: [[0], [0.5], [0.99]] },
      )
    })

    test('a copy that ends in zeros is recognised, wherever they begin', async () => {
      await fc.assert(
        fc.asyncProperty(position, async (at) => {
          const length = Math.floor(at * (archive().length - ZERO_BLOCKS))
          const holed = Buffer.concat([archive().subarray(0, length), Buffer.alloc(archive().length - length)])
          if (holed.equals(archive())) return
          const result = await outcome(transport, holed)
          assert.ok(isTareError(result), String(result))
          // A few zeros at the end of content may be its own.
          if (archive().length - ZERO_BLOCKS - length < 512) return
          assert.ok(isCausedBy(result), `${length}: ${String(result)}`)
        }),
        { numRuns: 80, examples: [[0], [0.002], [0.030598958333333332], [0.3], [0.9]] },
      )
    })

    test('a wrapped copy that was cut, or ends in zeros, is recognised', async () => {
      for (const wrapped of [gzipSync(archive()), zstdCompressSync(archive())]) {
        await fc.assert(
          fc.asyncProperty(position, async (at) => {
            const length = 4 + Math.floor(at * (wrapped.length - 5))
            if (wrapped.subarray(length).every((byte) => byte === 0)) return
            const cut = wrapped.subarray(0, length)
            const holed = Buffer.concat([cut, Buffer.alloc(wrapped.length - length + 20)])
            for (const bytes of [cut, holed]) {
              const result = await outcome(transport, bytes)
              assert.ok(isCausedBy(result), `${length} of ${wrapped.length}: ${String(result)}`)
            }
          }),
          { numRuns: 15 },
        )
      }
    })

    test('an archive without an end mark, or with more zeros than usual, is read', async () => {
      const whole = archive().subarray(0, archive().length - ZERO_BLOCKS)
      const results = []
      for (const zeros of [0, 100, 512, 10_240, 1_000_000]) {
        results.push(await outcome(transport, Buffer.concat([whole, Buffer.alloc(zeros)])))
      }
      assert.equal(new Set(results).size, 1)
      if (transport === 'oci-archive') assert.equal(results[0], digest)
    })
  })
}

/** A transfer keeps the code and the cause of what went wrong. */
function isCausedBy(error: unknown): boolean {
  if (error instanceof IncompleteFileError) return true
  return isTareError(error) && error.code === 'FILE_INCOMPLETE' && isCausedBy(error.cause)
}
