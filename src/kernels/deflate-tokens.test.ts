import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import { hasErrorCode } from '../errors/index.ts'
import {
  type BlockHeader,
  compileDeflateTokensKernel,
  type DeflateEvent,
  TOKEN,
  TokenInflater,
  TokenWriter,
} from './deflate-tokens.ts'

const module = await compileDeflateTokensKernel()

describe('TokenInflater and TokenWriter', () => {
  it('give the same bits again, whatever the encoder, the level and the chunks', () => {
    for (const strategy of [
      constants.Z_DEFAULT_STRATEGY,
      constants.Z_FIXED,
      constants.Z_HUFFMAN_ONLY,
      constants.Z_RLE,
    ]) {
      for (const level of [0, 1, 6, 9]) {
        const stream = deflateRawSync(prose(60_000), { level, strategy })
        for (const chunkBytes of [1_000, 100_000]) {
          const { rewritten, plain } = roundTrip(stream, chunkBytes)
          assert.deepEqual(rewritten, stream)
          assert.deepEqual(plain, prose(60_000))
        }
      }
    }
  })

  it('take a stream byte by byte', () => {
    const stream = deflateRawSync(prose(3_000))
    assert.deepEqual(roundTrip(stream, 1).rewritten, stream)
  })

  it('keep flush points and empty blocks', () => {
    const stream = Buffer.concat([syncFlushed('one '), syncFlushed('two '), deflateRawSync(Buffer.from('three'))])
    const { rewritten, events } = roundTrip(stream)
    assert.deepEqual(rewritten, stream)
    assert.equal(events.filter((event) => event.kind === 'block' && event.header.type === 'stored').length, 2)
  })

  it('keep padding bits that are not zero', () => {
    const stream = write(
      [
        { header: { type: 'stored', isFinal: false, storedBytes: 3, padding: 0b10101 }, stored: Buffer.from('abc') },
        { header: { type: 'fixed', isFinal: true }, tokens: [100, 101] },
      ],
      0b11,
    )
    assert.equal(inflateRawSync(stream).toString(), 'abcde')
    const { rewritten, events } = roundTrip(stream)
    assert.deepEqual(rewritten, stream)
    assert.ok(
      events.some(
        (event) => event.kind === 'block' && event.header.type === 'stored' && event.header.padding === 0b10101,
      ),
    )
    assert.ok(events.some((event) => event.kind === 'end' && event.padding === 0b11))
  })

  it('tell the two ways to code length 258 apart', () => {
    const long = match(258, 1)
    const stream = write([
      { header: { type: 'fixed', isFinal: true }, tokens: [120, long, (long | TOKEN.long258) >>> 0] },
    ])
    const { rewritten, plain, tokens } = roundTrip(stream)
    assert.deepEqual(rewritten, stream)
    assert.equal(plain.toString(), 'x'.repeat(517))
    assert.deepEqual(tokens, [120, long, (long | TOKEN.long258) >>> 0])
  })

  it('keep codes that are described in an unusual way and left unused', () => {
    // literals 97 and 256 of one bit each; the single distance code has two bits and is never used
    const sequence = Uint16Array.from([18 | (86 << 8), 1, 18 | (0 << 8), ...zeros(9), ...zeros(138), 1, 2])
    const codeLengthLengths = Uint8Array.from([0, 0, 2, 2, ...zeros(11), 3, 0, 2])
    const codes = { literals: 257, distances: 1, codeLengthLengths, sequence }
    const stream = write([{ header: { type: 'dynamic', isFinal: true, codes }, tokens: [97, 97] }])
    const { rewritten, plain, events } = roundTrip(stream)
    assert.deepEqual(rewritten, stream)
    assert.equal(plain.toString(), 'aa')
    assert.deepEqual(events[0]?.kind === 'block' && events[0].header, { type: 'dynamic', isFinal: true, codes })
  })

  it('leave what follows the stream alone and tell where it ends', () => {
    const stream = deflateRawSync(prose(10_000))
    const { events } = roundTrip(Buffer.concat([stream, Buffer.from('trailer and next member')]), 7)
    const end = events.at(-1)
    assert.equal(end?.kind === 'end' && end.sizeBytes, stream.length)
  })

  it('count tokens, bytes and bits of blocks without gaps', () => {
    const { events } = roundTrip(deflateRawSync(prose(200_000), { memLevel: 4 }))
    const ends = events.filter((event) => event.kind === 'blockEnd')
    const starts = events.filter((event) => event.kind === 'block')
    assert.ok(ends.length > 10)
    for (const [i, end] of ends.entries()) {
      const next = ends[i + 1]
      if (next !== undefined) {
        assert.equal(end.plainStart + end.plainBytes, next.plainStart)
        assert.equal(end.firstToken + end.tokens, next.firstToken)
        assert.equal(starts[i + 1]?.startBit, end.endBit)
      }
    }
  })
})

describe('TokenInflater.push()', () => {
  for (const [name, bytes] of [
    ['a reserved block type', [0b111]],
    ['a stored block that contradicts its length', [1, 1, 0, 1, 0]],
    ['too many codes', [0b11101101 | 0b10000, 0xff, 0xff, 0xff]],
    [
      'a distance before the start',
      [...write([{ header: { type: 'fixed', isFinal: true }, tokens: [120, match(3, 2)] }])],
    ],
    ['an over-subscribed code', [0b101, 0b11100000, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
    ['an unused code', [0b11 | (0b11000 << 3), 0b11, 0, 0, 0, 0, 0, 0, 0, 0]],
  ] as const) {
    it(`refuses ${name}`, () => {
      assert.throws(
        () => roundTrip(Buffer.from([...bytes, ...zeros(16)])),
        (error) => hasErrorCode(error, 'CORRUPT_GZIP'),
      )
    })
  }

  it('refuses a stream that is cut off anywhere', () => {
    const stream = deflateRawSync(prose(2_000))
    for (let size = 0; size < stream.length; size += 3) {
      assert.throws(
        () => roundTrip(stream.subarray(0, size)),
        (error) => hasErrorCode(error, 'CORRUPT_GZIP'),
      )
    }
  })

  it('ends on damaged streams, with an error or other tokens', () => {
    const stream = deflateRawSync(prose(5_000))
    for (let i = 0; i < stream.length; i += 3) {
      const damaged = Buffer.from(stream)
      damaged[i] = (damaged[i] ?? 0) ^ (1 << (i % 8))
      try {
        roundTrip(damaged)
      } catch (error) {
        assert.ok(hasErrorCode(error, 'CORRUPT_GZIP'))
      }
    }
  })
})

describe('TokenWriter', () => {
  it('refuses tokens that the code lacks, and stored blocks of another size', async () => {
    const writer = await TokenWriter.load()
    const codes = {
      literals: 257,
      distances: 1,
      codeLengthLengths: Uint8Array.from([0, 0, 1, 0, ...zeros(13), 1]),
      sequence: Uint16Array.from([18 | (127 << 8), 18 | (107 << 8), 1, 1]),
    }
    writer.beginBlock({ type: 'dynamic', isFinal: true, codes })
    assert.throws(
      () => writer.writeTokens(Uint32Array.of(97)),
      (error) => hasErrorCode(error, 'CORRUPT_PATCH'),
    )
    writer.begin()
    writer.beginBlock({ type: 'stored', isFinal: true, storedBytes: 2, padding: 0 })
    assert.throws(
      () => writer.endBlock('stored'),
      (error) => hasErrorCode(error, 'CORRUPT_PATCH'),
    )
    assert.throws(
      () => writer.writeStored(Buffer.from('abc')),
      (error) => hasErrorCode(error, 'CORRUPT_PATCH'),
    )
  })
})

function zeros(count: number): number[] {
  return Array.from({ length: count }, () => 0)
}

function match(length: number, distance: number): number {
  return (TOKEN.match | ((length - 3) << TOKEN.lengthShift) | (distance - 1)) >>> 0
}

function prose(bytes: number): Buffer {
  let text = ''
  for (let i = 0, x = 1; text.length < bytes; i++) {
    x = (x * 48_271) % 0x7fffffff
    text += x % 5 === 0 ? `line ${i} of a layer\n` : `${(x % 977).toString(36)} é `
  }
  return Buffer.from(text).subarray(0, bytes)
}

function syncFlushed(text: string): Buffer {
  return deflateRawSync(Buffer.from(text), { finishFlush: constants.Z_SYNC_FLUSH })
}

interface Block {
  readonly header: BlockHeader
  readonly tokens?: readonly number[]
  readonly stored?: Uint8Array
}

function write(blocks: readonly Block[], padding = 0): Buffer {
  const writer = new TokenWriter(module)
  const parts: Uint8Array[] = []
  for (const { header, tokens = [], stored } of blocks) {
    parts.push(
      writer.beginBlock(header),
      stored === undefined ? writer.writeTokens(Uint32Array.from(tokens)) : writer.writeStored(stored),
    )
    parts.push(writer.endBlock(header.type))
  }
  return Buffer.concat([...parts, writer.end(padding)])
}

interface RoundTrip {
  readonly rewritten: Buffer
  readonly plain: Buffer
  readonly tokens: readonly number[]
  readonly events: readonly DeflateEvent[]
}

function roundTrip(stream: Uint8Array, chunkBytes = stream.length): RoundTrip {
  const inflater = new TokenInflater(module)
  const writer = new TokenWriter(module)
  const [parts, plain, tokens, events]: [Uint8Array[], Uint8Array[], number[], DeflateEvent[]] = [[], [], [], []]
  let type: BlockHeader['type'] = 'fixed'
  for (let at = 0; at < stream.length; at += chunkBytes) {
    for (const event of inflater.push(stream.subarray(at, at + chunkBytes))) {
      events.push(event)
      if (event.kind === 'block') {
        type = event.header.type
        parts.push(writer.beginBlock(event.header))
      } else if (event.kind === 'tokens') {
        parts.push(type === 'stored' ? writer.writeStored(event.plain) : writer.writeTokens(event.tokens))
        plain.push(event.plain)
        for (const token of event.tokens) tokens.push(token)
      } else parts.push(event.kind === 'end' ? writer.end(event.padding) : writer.endBlock(type))
    }
  }
  inflater.finish()
  return { rewritten: Buffer.concat(parts), plain: Buffer.concat(plain), tokens, events }
}
