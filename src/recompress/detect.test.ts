import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { crc32, gzipSync } from 'node:zlib'
import { hasErrorCode } from '../errors/index.ts'
import {
  type DeflateEvent,
  DeflateKernels,
  type EncoderSpec,
  TOKEN,
  TokenInflater,
  TokenWriter,
} from '../kernels/index.ts'
import { type ByteSource, bytesSource, type FileRange, readAllBytes, sliceSource } from '../stream/index.ts'
import { createInlineRunner, createThreadRunner, type KernelRunner } from '../workers/index.ts'
import { detectRecipe, type RandomBytes } from './detect.ts'
import { formatRecipe, parseRecipe, type Recipe } from './recipe.ts'
import { regenerate } from './regenerate.ts'

const HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255)

/** Text of a small vocabulary: compresses as prose does. */
function prose(bytes: number, seed = 1): Buffer {
  const words = Array.from({ length: 800 }, (_, index) => `w${(index * 7919).toString(36)}`)
  const parts: string[] = []
  let state = seed
  for (let length = 0; length < bytes; ) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    const word = words[Math.floor(((state >>> 8) ** 2 / 2 ** 46) * words.length) % words.length] ?? ''
    parts.push(word)
    length += word.length + 1
  }
  return Buffer.from(parts.join(' ')).subarray(0, bytes)
}

function gzipOf(deflate: Uint8Array, plain: Uint8Array, header: Uint8Array = HEADER): Buffer {
  const trailer = Buffer.alloc(8)
  trailer.writeUInt32LE(crc32(plain), 0)
  trailer.writeUInt32LE(plain.length, 4)
  return Buffer.concat([header, deflate, trailer])
}

async function deflated(spec: EncoderSpec, plain: Uint8Array, flushes: readonly number[] = []): Promise<Buffer> {
  const encoder = await new DeflateKernels().open(spec)
  const parts: Uint8Array[] = []
  let last = 0
  for (const flush of flushes) {
    parts.push(encoder.write(plain.subarray(last, flush)), encoder.flush())
    last = flush
  }
  parts.push(encoder.write(plain.subarray(last)), encoder.end())
  return Buffer.concat(parts)
}

function inMemory(bytes: Uint8Array): RandomBytes {
  const open = ({ offset, length }: FileRange): ByteSource => sliceSource(bytesSource(bytes), offset ?? 0, length)
  return { sizeBytes: bytes.length, open }
}

let kernels: KernelRunner
let threads: KernelRunner
before(async () => {
  kernels = await createInlineRunner()
  threads = createThreadRunner({ threads: 2 })
})
after(() => threads[Symbol.asyncDispose]())

/** Detects, and proves the recipe on one thread and on several. */
async function provenRecipe(blob: Buffer, plain: Uint8Array): Promise<Recipe> {
  const found = await detectRecipe(inMemory(blob), inMemory(plain), { kernels })
  assert.ok(found !== undefined)
  const recipe = parseRecipe(formatRecipe(found))
  for (const runner of [kernels, threads]) {
    const made = await readAllBytes(
      regenerate(recipe, bytesSource(plain), { kernels: runner }),
      blob.length + 1,
      'blob',
    )
    assert.ok(blob.equals(made))
  }
  return recipe
}

const PLAIN = prose(1_500_000)
const SPECS: readonly EncoderSpec[] = [
  { kind: 'go', level: 6 },
  { kind: 'go', level: 1 },
  { kind: 'go', level: 9 },
  { kind: 'klauspost', family: 17, level: 5 },
  { kind: 'klauspost', family: 6, level: 6 },
  { kind: 'pgzip', family: 13, level: 5, blockBytes: 262_144 },
  { kind: 'pgzip', family: 17, level: 5, blockBytes: 1_048_576 },
  { kind: 'pgzip', family: 1, level: 5, blockBytes: 262_144 },
  { kind: 'pgzip', family: 17, level: 6, blockBytes: 700_000 },
  { kind: 'zlib', level: 6, memLevel: 8 },
  { kind: 'zlib', level: 9, memLevel: 9 },
  { kind: 'gzip', level: 9, isRsyncable: false },
  { kind: 'pigz', level: 6, blockBytes: 131_072, mode: 'parallel', isIndependent: false },
]

for (const spec of SPECS) {
  test(`detectRecipe() finds ${JSON.stringify(spec)}`, async () => {
    const recipe = await provenRecipe(gzipOf(await deflated(spec, PLAIN), PLAIN), PLAIN)
    // Another encoder that writes the same is as good an answer.
    assert.equal(recipe.members[0]?.corrections.length, 0)
    assert.ok(formatRecipe(recipe).length <= 64)
  })
}

test('detectRecipe() records flushes in the middle', async () => {
  const spec: EncoderSpec = { kind: 'go', level: 6 }
  const flushes = [100_001, 700_000, 1_200_003]
  const recipe = await provenRecipe(gzipOf(await deflated(spec, PLAIN, flushes), PLAIN), PLAIN)
  assert.deepEqual(recipe.members[0]?.flushes, flushes)
})

test('detectRecipe() takes many members, a name in a header, and bytes behind the last member', async () => {
  const named = Buffer.concat([HEADER, Buffer.from('layer.tar\0')])
  named[3] = 8
  const parts = [prose(5000, 2), prose(70_000, 3), Buffer.alloc(0)]
  const members = await Promise.all(
    parts.map(async (part, index) =>
      gzipOf(await deflated({ kind: 'go', level: 9 }, part), part, index === 1 ? named : HEADER),
    ),
  )
  const blob = Buffer.concat([...members, Buffer.alloc(100)])
  const recipe = await provenRecipe(blob, Buffer.concat(parts))
  assert.equal(recipe.members.length, 3)
  assert.equal(recipe.trailing.length, 100)
})

test('detectRecipe() keeps a trailer that is wrong', async () => {
  const blob = gzipOf(await deflated({ kind: 'go', level: 6 }, PLAIN), PLAIN)
  blob.writeUInt32LE(blob.readUInt32LE(blob.length - 4) ^ 5, blob.length - 4)
  assert.equal((await provenRecipe(blob, PLAIN)).members[0]?.trailer.kind, 'verbatim')
})

/** Writes a stream again with its longest matches one shorter, where the block has codes for what that takes. */
async function altered(deflate: Uint8Array, count: number): Promise<Buffer> {
  const inflater = await TokenInflater.load()
  const writer = await TokenWriter.load()
  const parts: Uint8Array[] = []
  let left = count
  let block: DeflateEvent[] = []
  for (const event of inflater.push(deflate)) {
    block.push(event)
    if (event.kind !== 'blockEnd' && event.kind !== 'end') continue
    const matches = new Set<number>()
    const literals = new Set<number>()
    for (const part of block) {
      if (part.kind !== 'tokens') continue
      for (const token of part.tokens) {
        if ((token & TOKEN.match) === 0) literals.add(token)
        else matches.add((token >>> TOKEN.lengthShift) & TOKEN.lengthMask)
      }
    }
    for (const part of block) {
      if (part.kind === 'block') parts.push(writer.beginBlock(part.header))
      if (part.kind === 'tokens') {
        const tokens: number[] = []
        let at = 0
        for (const token of part.tokens) {
          const length = ((token >>> TOKEN.lengthShift) & TOKEN.lengthMask) + 3
          const isMatch = (token & TOKEN.match) !== 0
          const lastByte = part.plain[at + length - 1] ?? 256
          at += isMatch ? length : 1
          if (left > 0 && isMatch && length > 5 && length < 200 && matches.has(length - 4) && literals.has(lastByte)) {
            tokens.push(token - (1 << TOKEN.lengthShift), lastByte)
            left--
          } else tokens.push(token)
        }
        if (tokens.length > 0) parts.push(writer.writeTokens(Uint32Array.from(tokens)))
        else parts.push(writer.writeStored(part.plain))
      }
      if (part.kind === 'blockEnd') {
        const begin = block.find((candidate) => candidate.kind === 'block')
        if (begin?.kind === 'block') parts.push(writer.endBlock(begin.header.type))
      }
      if (part.kind === 'end') parts.push(writer.end(part.padding))
    }
    block = []
  }
  assert.equal(left, 0)
  return Buffer.concat(parts)
}

test('detectRecipe() corrects a known encoder in a few bytes for each deviation', async () => {
  for (const spec of [SPECS[0], SPECS[5]] as EncoderSpec[]) {
    const blob = gzipOf(await altered(await deflated(spec, PLAIN), 2), PLAIN)
    const recipe = await provenRecipe(blob, PLAIN)
    assert.equal(recipe.members[0]?.encoder.kind, spec.kind)
    assert.ok(formatRecipe(recipe).length <= 64 + 2 * 24)
  }
})

test("detectRecipe() carries an encoder nobody knows: Node's own", async () => {
  const blob = gzipSync(PLAIN)
  const recipe = await provenRecipe(blob, PLAIN)
  assert.ok(formatRecipe(recipe).length < blob.length * 0.18)
})

test('regenerate() refuses content that is too short or too long, and hostile recipes', async () => {
  const blob = gzipOf(await deflated({ kind: 'go', level: 6 }, PLAIN), PLAIN)
  const recipe = await provenRecipe(blob, PLAIN)
  const [member] = recipe.members
  assert.ok(member !== undefined)
  const faults: readonly (readonly [Recipe, Uint8Array])[] = [
    [recipe, PLAIN.subarray(1)],
    [recipe, Buffer.concat([PLAIN, PLAIN])],
    [{ ...recipe, members: [{ ...member, encoder: { kind: 'klauspost', family: 99, level: 5 } }] }, PLAIN],
    [{ ...recipe, members: [{ ...member, checkpoints: [{ inputBytes: 70_000, outputBits: 9, state: 77 }] }] }, PLAIN],
    [{ ...recipe, members: [{ ...member, corrections: Uint8Array.of(1, 2, 3) }] }, PLAIN],
  ]
  for (const [faulty, plain] of faults) {
    const made = readAllBytes(regenerate(faulty, bytesSource(plain), { kernels: threads }), 10_000_000, 'blob')
    await assert.rejects(made, (error) => hasErrorCode(error, 'CORRUPT_RECIPE', 'CORRUPT_PATCH', 'UNSUPPORTED_FORMAT'))
  }
})
