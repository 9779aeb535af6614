import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeZstdPatch, encodeZstdPatch, PatchDictionary } from '../../src/compress/index.ts'
import { isTareError } from '../../src/errors/index.ts'
import { type ByteSource, bytesSource, readAllBytes } from '../../src/stream/index.ts'
import { cutAt } from '../support/chunking.ts'

const MAX = 4 * 1024 * 1024
const TRAINED = Uint8Array.of(0x37, 0xa4, 0x30, 0xec)

const piece = fc.oneof(
  fc.uint8Array({ maxLength: 3000 }),
  fc.string({ maxLength: 300 }).map((text) => Buffer.from(text.repeat(30))),
  fc.constant(TRAINED),
)
/** Two files that have pieces in common, in another order. */
const files = fc.array(piece, { maxLength: 8 }).chain((pieces) => {
  const some = fc.shuffledSubarray(pieces, { minLength: 0 }).map((list) => Buffer.concat(list))
  return fc.record({ base: some, target: fc.tuple(some, piece, some).map((parts) => Buffer.concat(parts)) })
})
const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 })
const level = fc.constantFrom(1, 5, 9, 13, 19, 22)

async function encode(target: Uint8Array, at: readonly number[], base: Uint8Array, atLevel: number): Promise<Buffer> {
  const dictionary = await PatchDictionary.read(bytesSource(base), base.length, 'base')
  const options = { level: atLevel, sizeBytes: target.length, subject: 'patch' }
  return read(encodeZstdPatch(bytesSource(...cutAt(target, at)), dictionary, options))
}

async function decode(patch: Uint8Array, at: readonly number[], base: Uint8Array, sizeBytes: number): Promise<Buffer> {
  const dictionary = await PatchDictionary.read(bytesSource(...cutAt(base, at)), base.length, 'base')
  return read(decodeZstdPatch(bytesSource(...cutAt(patch, at)), dictionary, { sizeBytes, subject: 'patch' }))
}

async function read(source: ByteSource): Promise<Buffer> {
  return Buffer.from(await readAllBytes(source, MAX, 'output'))
}

test('decodeZstdPatch() undoes encodeZstdPatch(), in any chunking, at any level', async () => {
  await fc.assert(
    fc.asyncProperty(files, cuts, level, async ({ base, target }, at, chosen) => {
      const patch = await encode(target, at, base, chosen)
      assert.equal(Buffer.compare(await decode(patch, at, base, target.length), target), 0)
      assert.equal(Buffer.compare(await encode(target, [], base, chosen), patch), 0)
    }),
    { numRuns: 100 },
  )
})

test('decodeZstdPatch() of damaged bytes gives the target, or one of our errors', async () => {
  const damage = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), bit: fc.nat(7) })
  await fc.assert(
    fc.asyncProperty(
      files,
      fc.array(damage, { minLength: 1, maxLength: 3 }),
      fc.boolean(),
      async (pair, places, ends) => {
        const { base, target } = pair
        const patch = await encode(target, [], base, 5)
        for (const { at, bit } of places) {
          const index = Math.min(patch.length - 1, Math.floor(at * patch.length))
          patch[index] = (patch[index] ?? 0) ^ (1 << bit)
        }
        const given = ends ? patch.subarray(0, Math.floor(patch.length * (places[0]?.at ?? 1))) : patch
        try {
          const made = await decode(given, [], base, target.length)
          assert.equal(made.length, target.length)
        } catch (error) {
          assert.ok(isTareError(error), String(error))
          assert.equal(error.category, 'content')
        }
      },
    ),
    { numRuns: 100 },
  )
})
