import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { crc32, deflateRawSync, gzipSync } from 'node:zlib'
import { hasErrorCode } from '../errors/index.ts'
import { type ByteSource, bytesSource, readAllBytes } from '../stream/index.ts'
import type { DecodeOptions } from './decode-options.ts'
import { gunzip } from './gunzip.ts'

const TEXT = Buffer.from('What goes in comes out. '.repeat(200))
const MAX = 64 * 1024 * 1024

async function decoded(chunks: readonly Uint8Array[], options?: DecodeOptions): Promise<Buffer> {
  return Buffer.from(await readAllBytes(gunzip(bytesSource(...chunks), options), MAX, 'output'))
}

const isCorrupt = (error: unknown): boolean => hasErrorCode(error, 'CORRUPT_GZIP')

/** A member whose header has every optional field. */
function fullMember(content: Uint8Array): Buffer {
  const flags = { headerCrc: 0x02, extra: 0x04, name: 0x08, comment: 0x10 }
  const bits = flags.headerCrc | flags.extra | flags.name | flags.comment
  const head = Buffer.concat([
    Uint8Array.of(0x1f, 0x8b, 8, bits, 1, 2, 3, 4, 2, 3),
    Uint8Array.of(6, 0, 0x41, 0x70, 2, 0, 9, 9),
    Buffer.from('name\0comment\0'),
  ])
  const sums = Buffer.alloc(10)
  sums.writeUInt16LE(crc32(head) & 0xffff)
  sums.writeUInt32LE(crc32(content), 2)
  sums.writeUInt32LE(content.length, 6)
  return Buffer.concat([head, sums.subarray(0, 2), deflateRawSync(content), sums.subarray(2)])
}

describe('gunzip()', () => {
  test('decodes all members, empty ones too, whatever lies on the edge of a chunk', async () => {
    const [a, b, empty] = [gzipSync(TEXT), gzipSync('second'), gzipSync('')]
    const expected = `${TEXT.toString()}second`
    assert.equal((await decoded([a, empty, b])).toString(), expected)
    assert.equal((await decoded([Buffer.concat([empty, a, b, empty])])).toString(), expected)
    const bytewise = Array.from(Buffer.concat([a, b]), (byte) => Uint8Array.of(byte))
    assert.equal((await decoded(bytewise)).toString(), expected)
    assert.equal((await decoded([empty])).length, 0)
  })

  test('decodes hundreds of members', async () => {
    const members = Array.from({ length: 700 }, (_, index) => gzipSync(`member ${index}\n`))
    const text = (await decoded([Buffer.concat(members)])).toString()
    assert.equal(text.split('\n').length, 701)
    assert.ok(text.endsWith('member 699\n'))
  })

  test('understands extra field, name, comment and header checksum', async () => {
    const member = fullMember(TEXT)
    assert.deepEqual(await decoded([member]), TEXT)
    const changed = Buffer.from(member)
    changed[19] = 0x4e
    await assert.rejects(decoded([changed]), isCorrupt)
  })

  test('lets zero bytes pass after the last member, and nothing else', async () => {
    const member = gzipSync(TEXT)
    const zeros = new Uint8Array(5000)
    assert.deepEqual(await decoded([member, zeros, zeros]), TEXT)
    assert.deepEqual(await decoded([Buffer.concat([member, zeros])]), TEXT)
    await assert.rejects(decoded([member, zeros, Buffer.from('x')]), isCorrupt)
    await assert.rejects(decoded([Buffer.concat([member, zeros, member])]), isCorrupt)
    await assert.rejects(decoded([member, Buffer.from('garbage')]), isCorrupt)
    await assert.rejects(decoded([Buffer.concat([member, Buffer.from('x')])]), isCorrupt)
  })

  test('refuses input cut off anywhere', async () => {
    const whole = Buffer.concat([gzipSync('first'), gzipSync('second')])
    const first = gzipSync('first').length
    for (let length = 0; length < whole.length; length++) {
      if (length === first) continue
      await assert.rejects(decoded([whole.subarray(0, length)]), isCorrupt, `${length} bytes`)
    }
  })

  test('refuses a wrong checksum, a wrong length, a damaged body and what is no gzip', async () => {
    const member = gzipSync(TEXT)
    for (const at of [member.length - 8, member.length - 1, 14, 0, 2]) {
      const changed = Buffer.from(member)
      changed[at] = (changed[at] ?? 0) ^ 0xff
      await assert.rejects(decoded([changed]), isCorrupt, `byte ${at}`)
    }
  })

  test('ends bombs by size and by ratio', async () => {
    const bomb = gzipSync(Buffer.alloc(4 * 1024 * 1024))
    const exceeds = (error: unknown): boolean => hasErrorCode(error, 'LIMIT_EXCEEDED')
    await assert.rejects(decoded([bomb], { maxBytes: 1024 * 1024 }), exceeds)
    assert.equal((await decoded([bomb], { maxBytes: 4 * 1024 * 1024 })).length, 4 * 1024 * 1024)
    assert.equal((await decoded([bomb], { maxRatio: 2 })).length, 4 * 1024 * 1024)
  })

  test('passes the error of its source unchanged', async () => {
    const reason = new Error('gone')
    async function* failing(): ByteSource {
      yield gzipSync(TEXT).subarray(0, 20)
      throw reason
    }
    await assert.rejects(readAllBytes(gunzip(failing()), MAX, 'output'), reason)
  })

  test('releases its source when the consumer leaves early, though the output was full', async () => {
    let isReleased = false
    async function* endless(): ByteSource {
      try {
        for (;;) yield gzipSync(Buffer.alloc(1024 * 1024))
      } finally {
        isReleased = true
      }
    }
    for await (const chunk of gunzip(endless())) if (chunk.length > 0) break
    assert.equal(isReleased, true)
  })

  test('reads no further ahead than its consumer asks', async () => {
    let given = 0
    async function* counting(): ByteSource {
      for (; given < 100; given++) yield gzipSync(Buffer.alloc(1024 * 1024))
    }
    const iterator = gunzip(counting())[Symbol.asyncIterator]()
    await iterator.next()
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    assert.ok(given < 10, `${given} members were taken`)
    await iterator.return?.()
  })
})
