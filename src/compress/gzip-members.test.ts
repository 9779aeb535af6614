import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync, gunzipSync } from 'node:zlib'
import { hasErrorCode } from '../errors/index.ts'
import { type ByteSource, bytesSource, type FileRange, sliceSource } from '../stream/index.ts'
import { type GzipMember, gzipMembers } from './gzip-members.ts'

async function membersOf(file: Uint8Array): Promise<GzipMember[]> {
  const open = ({ offset, length }: FileRange): ByteSource => sliceSource(bytesSource(file), offset ?? 0, length)
  return Array.fromAsync(gzipMembers(open, file.length))
}

/** A gzip member with a name in its header. */
function named(content: string): Buffer {
  const plain = gzipSync(content)
  const name = Buffer.from('notes.txt\0')
  const header = Buffer.from(plain.subarray(0, 10))
  header[3] = 8
  return Buffer.concat([header, name, plain.subarray(10)])
}

test('gzipMembers() finds every member, also behind long ones and names', async () => {
  const contents = ['', 'a', 'b'.repeat(9_000_000), Array.from({ length: 90_000 }, (_, index) => index).join(' ')]
  const file = Buffer.concat(contents.map((content, index) => (index === 1 ? named(content) : gzipSync(content))))
  const members = await membersOf(file)
  assert.deepEqual(
    members.map((member) => member.plainBytes),
    contents.map((content) => content.length),
  )
  let offset = 0
  for (const [index, member] of members.entries()) {
    assert.equal(member.offset, offset)
    const end = member.deflateOffset + member.deflateBytes + 8
    assert.equal(gunzipSync(file.subarray(offset, end)).toString(), contents[index])
    assert.equal(member.trailerBytes.length, 8)
    offset = end
  }
  assert.equal(offset, file.length)
})

test('gzipMembers() stops before what is not a member', async () => {
  const file = Buffer.concat([gzipSync('one'), Buffer.alloc(512)])
  assert.equal((await membersOf(file)).length, 1)
  assert.equal((await membersOf(Buffer.from('no gzip at all'))).length, 0)
})

test('gzipMembers() gives a cut trailer as it is, and refuses a damaged stream', async () => {
  const whole = gzipSync('content '.repeat(1000))
  const [member] = await membersOf(whole.subarray(0, whole.length - 3))
  assert.equal(member?.trailerBytes.length, 5)
  for (const damaged of [whole.subarray(0, 20), Buffer.concat([whole.subarray(0, 12), Buffer.alloc(200, 0xff)])]) {
    await assert.rejects(membersOf(damaged), (error) => hasErrorCode(error, 'CORRUPT_GZIP'))
  }
})
