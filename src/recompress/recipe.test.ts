import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hasErrorCode } from '../errors/index.ts'
import { type Encoder, formatRecipe, type MemberRecipe, parseRecipe, type Recipe } from './recipe.ts'

const bytes = fc.uint8Array({ maxLength: 40 })
const level = fc.integer({ min: -2, max: 9 })
const small = fc.nat(12)
const blockBytes = fc.constantFrom(131_072, 262_144, 1_048_576)

const encoders: fc.Arbitrary<Encoder> = fc.oneof(
  fc.record({ kind: fc.constant('verbatim' as const), deflate: bytes }),
  fc.constant({ kind: 'unknown' as const }),
  fc.record({
    kind: fc.constant('baseline' as const),
    blob: fc.constant(`sha256:${'ab'.repeat(32)}` as const),
    ranges: fc.array(fc.record({ baselineStart: fc.nat(), targetStart: fc.nat(), bytes: fc.nat() }), { maxLength: 4 }),
  }),
  fc.record({ kind: fc.constant('go' as const), level }),
  fc.record({ kind: fc.constant('klauspost' as const), family: small, level }),
  fc.record({ kind: fc.constant('pgzip' as const), family: small, level, blockBytes }),
  fc.record({ kind: fc.constant('zlib' as const), level, memLevel: fc.constantFrom(8, 9) }),
  fc.record({ kind: fc.constant('gzip' as const), level, isRsyncable: fc.boolean() }),
  fc.record({
    kind: fc.constant('pigz' as const),
    level,
    blockBytes,
    mode: fc.constantFrom('parallel' as const, 'serial' as const),
    isIndependent: fc.boolean(),
  }),
)

const members: fc.Arbitrary<MemberRecipe> = fc.record({
  header: bytes,
  plainBytes: fc.integer({ min: 1_000, max: 2 ** 40 }),
  encoder: encoders,
  flushes: fc.array(fc.nat(1_000), { maxLength: 4 }).map((list) => list.toSorted((a, b) => a - b)),
  checkpoints: fc
    .array(fc.tuple(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 9000 }), fc.nat(2 ** 30)), {
      maxLength: 3,
    })
    .map((steps) => {
      let [inputBytes, outputBits] = [0, 0]
      return steps.map(([input, output, state]) => ({
        inputBytes: (inputBytes += input),
        outputBits: (outputBits += output),
        state,
      }))
    }),
  corrections: bytes,
  trailer: fc.oneof(
    fc.constant({ kind: 'standard' as const }),
    fc.record({ kind: fc.constant('verbatim' as const), bytes }),
  ),
})

const recipes: fc.Arbitrary<Recipe> = fc.record({
  blobBytes: fc.maxSafeNat(),
  members: fc.array(members, { maxLength: 6 }),
  trailing: bytes,
})

test('parseRecipe() reads what formatRecipe() wrote', () => {
  fc.assert(
    fc.property(recipes, (recipe) => assert.deepEqual(parseRecipe(formatRecipe(recipe)), structuredClone(recipe))),
  )
})

test('parseRecipe() refuses or reads any bytes, and never does anything else', () => {
  fc.assert(
    fc.property(recipes, fc.nat(), fc.nat(255), fc.nat(), (recipe, at, byte, cut) => {
      const damaged = formatRecipe(recipe)
      damaged[at % damaged.length] = byte
      try {
        parseRecipe(damaged.subarray(0, cut % (damaged.length + 1)))
      } catch (error) {
        assert.ok(hasErrorCode(error, 'CORRUPT_RECIPE', 'UNSUPPORTED_FORMAT'), String(error))
      }
    }),
  )
})

test('parseRecipe() refuses an unknown version and an unknown encoder before any work', () => {
  const recipe = formatRecipe({ blobBytes: 1, members: [], trailing: new Uint8Array(0) })
  recipe[0] = 2
  for (const unknown of [recipe, Uint8Array.of(1, 5, 1, 0, 99)]) {
    assert.throws(
      () => parseRecipe(unknown),
      (error) => hasErrorCode(error, 'UNSUPPORTED_FORMAT'),
    )
  }
})

test('formatRecipe() of many like members costs a few bytes for each', () => {
  const member: MemberRecipe = {
    header: Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255),
    plainBytes: 3000,
    encoder: { kind: 'go', level: 9 },
    flushes: [],
    checkpoints: [],
    corrections: new Uint8Array(0),
    trailer: { kind: 'standard' },
  }
  const recipe: Recipe = {
    blobBytes: 1_000_000,
    members: Array<MemberRecipe>(500).fill(member),
    trailing: new Uint8Array(0),
  }
  assert.ok(formatRecipe(recipe).length < 500 * 3 + 40)
})
