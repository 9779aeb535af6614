import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { constants, deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { hasErrorCode } from '../../errors/index.ts'
import {
  type BlockHeader,
  compileDeflateTokensKernel,
  compileTokenCoderKernel,
  type DeflateEvent,
  type MatchSearch,
  TOKEN,
  TokenCoderKernel,
  TokenInflater,
  TokenWriter,
} from '../../kernels/index.ts'
import { chooseSearch, decodeTokens, type Expectation, encodeTokens, expectBaseline, expectStream } from './index.ts'

const deflateModule = await compileDeflateTokensKernel()
const inflater = new TokenInflater(deflateModule)
const writer = new TokenWriter(deflateModule)
const kernel = new TokenCoderKernel(await compileTokenCoderKernel())

describe('encodeTokens() and decodeTokens()', () => {
  for (const strategy of ['Z_DEFAULT_STRATEGY', 'Z_FIXED', 'Z_HUFFMAN_ONLY', 'Z_RLE'] as const) {
    it(`make any stream again: ${strategy}`, async () => {
      for (const level of [0, 1, 6]) {
        for (const size of [0, 1, 300, 65_535, 65_536, 66_560, 66_561, 150_000]) {
          const stream = deflateRawSync(prose(size), { level, strategy: constants[strategy] })
          assert.ok((await roundTrip(stream)).equals(stream), `level ${level}, ${size} bytes`)
        }
      }
    })
  }

  it('make a stream again whatever the search', async () => {
    const stream = deflateRawSync(prose(100_000))
    for (const chainDepth of [1, 40]) {
      for (const rememberedBytes of [0, 3]) {
        for (const [wholeLength, crcTableBits] of [
          [0, 0],
          [5, 0],
          [0, 13],
        ] as const) {
          const search: MatchSearch = { chainDepth, rememberedBytes, wholeLength, crcTableBits }
          assert.ok((await roundTrip(stream, undefined, search)).equals(stream))
        }
      }
    }
  })

  it('make random legal streams again, with and without expectations', async () => {
    await fc.assert(
      fc.asyncProperty(blocks(), blocks(), async (actual, other) => {
        const stream = write(actual)
        assert.ok((await roundTrip(stream)).equals(stream))
        assert.ok((await roundTrip(stream, () => expectStream(eventsOf(stream)))).equals(stream))
        // Expectations that have nothing to do with the stream do no harm.
        assert.ok((await roundTrip(stream, () => expectStream(eventsOf(write(other))))).equals(stream))
      }),
      { numRuns: 60 },
    )
  })

  it('make a stream again that is one huge block', async () => {
    const plain = noise(600_000)
    const huffman = write([{ header: { type: 'dynamic', isFinal: true, codes: ALL_CODES }, tokens: [...plain] }])
    const fixed = write([{ header: { type: 'fixed', isFinal: true }, tokens: [...plain] }])
    assert.ok((await roundTrip(huffman)).equals(huffman))
    assert.ok((await roundTrip(fixed)).equals(fixed))
  })

  it('make streams of several pieces again, however the last windows fall', async () => {
    for (const bytes of [131_072, 131_073, 131_572, 132_096, 132_097, 262_500]) {
      const stream = deflateRawSync(noise(bytes), { strategy: constants.Z_HUFFMAN_ONLY, level: 1 })
      const literals = write([{ header: { type: 'fixed', isFinal: true }, tokens: [...noise(bytes)] }])
      assert.ok((await roundTrip(stream)).equals(stream))
      assert.ok((await roundTrip(literals)).equals(literals), `${bytes} bytes`)
    }
  })

  it('need next to nothing where everything comes as expected', async () => {
    const stream = deflateRawSync(prose(400_000))
    const payload = await encode(eventsOf(stream), expectStream(eventsOf(stream)))
    assert.ok(payload.length <= 16, `${payload.length} bytes`)
  })

  it('need at most 24 bytes for a token that came otherwise', async () => {
    const events = eventsOf(deflateRawSync(prose(400_000)))
    const altered = alterEvery(events, 100_000)
    const stream = rewrite(altered.events)
    assert.ok(altered.count >= 3)
    const payload = await encode(eventsOf(stream), expectStream(events))
    assert.ok(payload.length <= 16 + 24 * altered.count, `${payload.length} bytes for ${altered.count} deviations`)
    assert.ok((await roundTrip(stream, () => expectStream(events))).equals(stream))
  })

  it('need at most 24 bytes for an empty block nobody expected', async () => {
    const events = eventsOf(deflateRawSync(prose(300_000)))
    const end = events.findIndex((event) => event.kind === 'blockEnd')
    const flush: DeflateEvent[] = eventsOf(
      write([{ header: { type: 'fixed', isFinal: false }, tokens: [] }, LAST]),
    ).slice(0, 2)
    const stream = rewrite([...events.slice(0, end + 1), ...flush, ...events.slice(end + 1)])
    const payload = await encode(eventsOf(stream), expectStream(events))
    assert.ok(payload.length <= 16 + 24, `${payload.length} bytes`)
    assert.ok((await roundTrip(stream, () => expectStream(events))).equals(stream))
  })

  it('need little where the baseline is alike', async () => {
    const common = [prose(150_000), noise(3_000), prose(90_000).reverse()] as const
    const baseline = deflateRawSync(Buffer.concat([common[0], common[1], common[2]]), { level: 3 })
    const target = deflateRawSync(Buffer.concat([common[0], Buffer.from('changed'), common[2]]), { level: 3 })
    const ranges = [
      { baselineStart: 0, targetStart: 0, bytes: 150_000 },
      { baselineStart: 153_000, targetStart: 150_007, bytes: 90_000 },
    ]
    const expected = (): AsyncIterable<Expectation> => expectBaseline(eventsOf(baseline), ranges)
    const alone = await encode(eventsOf(target))
    const payload = await encode(eventsOf(target), expected())
    assert.ok(payload.length < alone.length / 2, `${payload.length} and ${alone.length} bytes`)
    assert.ok((await roundTrip(target, expected)).equals(target))
  })

  it('use of ranges that changed places those that are in order', async () => {
    const [a, b] = [prose(80_000), prose(60_000).reverse()]
    const baseline = deflateRawSync(Buffer.concat([a, b]))
    const target = deflateRawSync(Buffer.concat([b, a]))
    const ranges = [
      { baselineStart: 0, targetStart: 60_000, bytes: 80_000 },
      { baselineStart: 80_000, targetStart: 0, bytes: 60_000 },
    ]
    const expectations: Expectation[] = []
    for await (const expectation of expectBaseline(eventsOf(baseline), ranges)) expectations.push(expectation)
    assert.ok(expectations.every(({ position }) => position >= 60_000))
    assert.ok((await roundTrip(target, () => expectBaseline(eventsOf(baseline), ranges))).equals(target))
  })
})

describe('encodeTokens()', () => {
  it('refuses a stream that does not end', async () => {
    const events = eventsOf(deflateRawSync(prose(1_000))).slice(0, -1)
    await assert.rejects(encode(events), (error) => hasErrorCode(error, 'INTERNAL'))
  })
})

describe('chooseSearch()', () => {
  it('gives a search that is no worse than the usual one', async () => {
    const events = eventsOf(deflateRawSync(prose(300_000), { level: 1 }))
    const search = await chooseSearch(kernel, events)
    assert.ok((await encodeTokens(kernel, events, { search })).length <= (await encodeTokens(kernel, events)).length)
  })
})

describe('decodeTokens()', () => {
  const plain = prose(70_000)
  const stream = deflateRawSync(plain)

  it('refuses a payload that is cut off or has something behind it', async () => {
    const payload = await encode(eventsOf(stream))
    for (let size = 0; size < payload.length; size += size < 12 ? 1 : 97) {
      await assert.rejects(decode(payload.subarray(0, size), plain, stream.length), isCorrupt)
    }
    await assert.rejects(decode(Buffer.concat([payload, Buffer.alloc(1)]), plain, stream.length), isCorrupt)
  })

  it('ends on any damage, with an error or other bytes of a bounded number', async () => {
    const payload = await encode(eventsOf(stream))
    for (let i = 0; i < payload.length; i += i < 16 ? 1 : 61) {
      const damaged = Buffer.from(payload)
      damaged[i] = (damaged[i] ?? 0) ^ (1 << (i % 8))
      try {
        assert.ok((await decode(damaged, plain, stream.length + 100)).length <= stream.length + 100)
      } catch (error) {
        assert.ok(isCorrupt(error), String(error))
      }
    }
  })

  it('refuses or ends on anything at all', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), async (bytes) => {
        try {
          const payload = Buffer.concat([Buffer.of(1, 16, 0, 0, 0, bytes.length), bytes])
          assert.ok((await decode(payload, plain.subarray(0, 2_000), 10_000)).length <= 10_000)
        } catch (error) {
          assert.ok(isCorrupt(error), String(error))
        }
      }),
      { numRuns: 200 },
    )
  })

  it('refuses plain bytes that are too few or too many', async () => {
    const payload = await encode(eventsOf(stream))
    await assert.rejects(decode(payload, plain.subarray(0, 60_000), stream.length), isCorrupt)
    await assert.rejects(decode(payload, Buffer.concat([plain, noise(5_000)]), stream.length), isCorrupt)
  })
})

// --- streams ----------------------------------------------------------------------------------------------------------
interface Block {
  readonly header: BlockHeader
  readonly tokens?: readonly number[]
  readonly stored?: Uint8Array
}

const LAST: Block = { header: { type: 'fixed', isFinal: true }, tokens: [] }

/** Codes for everything: eight bits for the first 226 literals, nine for what follows, five for distances. */
const ALL_CODES = {
  literals: 286,
  distances: 30,
  codeLengthLengths: Uint8Array.from([0, 0, 0, 0, 2, 0, 2, 0, 0, 2]),
  sequence: Uint16Array.from([
    ...Array.from({ length: 226 }, () => 8),
    ...Array.from({ length: 60 }, () => 9),
    ...Array.from({ length: 30 }, () => 5),
  ]),
}

/** Blocks of all types, with literals, matches from anywhere in reach, odd padding and both ways to code 258. */
function blocks(): fc.Arbitrary<readonly Block[]> {
  const token = fc.oneof(
    fc.record({ literal: fc.constantFrom(0, 97, 98, 255) }),
    fc.record({
      length: fc.constantFrom(3, 4, 17, 257, 258),
      reach: fc.double({ min: 0, max: 1, noNaN: true }),
      isLong: fc.boolean(),
    }),
  )
  const block = fc.record({
    type: fc.constantFrom('stored' as const, 'fixed' as const, 'dynamic' as const),
    padding: fc.nat(127),
    tokens: fc.array(token, { maxLength: 120 }),
  })
  return fc.array(block, { maxLength: 6 }).map((list) => {
    let position = 0
    const made: Block[] = list.map(({ type, padding, tokens }) => {
      if (type === 'stored') {
        position += tokens.length * 100
        const header = { type, isFinal: false, storedBytes: tokens.length * 100, padding: 0 }
        return { header: { ...header, padding: padding & 1 }, stored: noise(tokens.length * 100) }
      }
      const numbers = tokens.map((one) => {
        if ('literal' in one || position === 0) {
          position++
          return 'literal' in one ? one.literal : 97
        }
        const distance = 1 + Math.floor(one.reach * (Math.min(position, 32_768) - 1))
        position += one.length
        return match(one.length, distance, one.isLong)
      })
      return {
        header: type === 'fixed' ? { type, isFinal: false } : { type, isFinal: false, codes: ALL_CODES },
        tokens: numbers,
      }
    })
    return [...made, LAST]
  })
}

function match(length: number, distance: number, isLong: boolean): number {
  const flag = length === 258 && isLong ? TOKEN.long258 : 0
  return (TOKEN.match | flag | ((length - 3) << TOKEN.lengthShift) | (distance - 1)) >>> 0
}

function write(list: readonly Block[]): Buffer {
  writer.begin()
  const parts: Uint8Array[] = []
  for (const { header, tokens = [], stored } of list) {
    parts.push(writer.beginBlock(header))
    parts.push(stored === undefined ? writer.writeTokens(Uint32Array.from(tokens)) : writer.writeStored(stored))
    parts.push(writer.endBlock(header.type))
  }
  return Buffer.concat([...parts, writer.end(1)])
}

function rewrite(events: readonly DeflateEvent[]): Buffer {
  writer.begin()
  const parts: Uint8Array[] = []
  let type: BlockHeader['type'] = 'fixed'
  for (const event of events) {
    if (event.kind === 'block') {
      type = event.header.type
      parts.push(writer.beginBlock(event.header))
    } else if (event.kind === 'tokens') parts.push(writer.writeTokens(event.tokens))
    else parts.push(event.kind === 'end' ? writer.end(event.padding) : writer.endBlock(type))
  }
  return Buffer.concat(parts)
}

/** Codes a match as a literal and a shorter match, every so many bytes, where the block has codes for both. */
function alterEvery(
  events: readonly DeflateEvent[],
  bytes: number,
): { events: readonly DeflateEvent[]; count: number } {
  let [position, next, count] = [0, bytes, 0]
  const altered = events.map((event) => {
    if (event.kind !== 'tokens') return event
    const start = position
    const present = new Set(event.tokens)
    const lengths = new Set([...event.tokens].filter((token) => token > 255).map((token) => (token >>> 16) & 0xff))
    const tokens = [...event.tokens].flatMap((token) => {
      const length = token > 255 ? ((token >>> 16) & 0xff) + 3 : 1
      const byte = event.plain[position - start] ?? 0
      position += length
      if (position < next || length < 4 || !present.has(byte) || !lengths.has(length - 4)) return [token]
      next += bytes
      count++
      return [byte, match(length - 1, (token & TOKEN.distanceMask) + 1, false)]
    })
    return { ...event, tokens: Uint32Array.from(tokens) }
  })
  return { events: altered, count }
}

function eventsOf(stream: Uint8Array): DeflateEvent[] {
  inflater.begin()
  return [...inflater.push(stream)]
}

function plainOf(events: readonly DeflateEvent[]): Buffer {
  return Buffer.concat(events.map((event) => (event.kind === 'tokens' ? event.plain : new Uint8Array(0))))
}

async function encode(events: readonly DeflateEvent[], expected?: AsyncIterable<Expectation>): Promise<Uint8Array> {
  return encodeTokens(kernel, events, { expected })
}

async function decode(
  payload: Uint8Array,
  plain: Uint8Array,
  maxBytes: number,
  expected?: AsyncIterable<Expectation>,
): Promise<Buffer> {
  const parts: Uint8Array[] = []
  const source = chunks(plain, 50_001)
  for await (const part of decodeTokens(kernel, writer, payload, source, { maxBytes, expected })) parts.push(part)
  return Buffer.concat(parts)
}

async function roundTrip(
  stream: Uint8Array,
  expected?: () => AsyncIterable<Expectation>,
  search?: MatchSearch,
): Promise<Buffer> {
  const events = eventsOf(stream)
  const payload = await encodeTokens(kernel, events, { expected: expected?.(), search })
  return decode(payload, plainOf(events), stream.length, expected?.())
}

async function* chunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

function isCorrupt(error: unknown): boolean {
  return hasErrorCode(error, 'CORRUPT_PATCH')
}

function prose(bytes: number): Buffer {
  let text = ''
  for (let i = 0, x = 1; text.length < bytes; i++) {
    x = (x * 48_271) % 0x7fffffff
    text += x % 5 === 0 ? `line ${i} of a layer\n` : `${(x % 977).toString(36)} `
  }
  return Buffer.from(text).subarray(0, bytes)
}

function noise(bytes: number): Buffer {
  const out = Buffer.alloc(bytes)
  for (let i = 0, x = 7; i < bytes; i++) {
    x = (x * 48_271) % 0x7fffffff
    out[i] = x >> 8
  }
  return out
}
