import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { contentText, temporaryStore } from '../../test/support/store-content.ts'
import { hasErrorCode } from '../errors/index.ts'
import { bytesSource, digestOf } from '../stream/index.ts'
import { openWriterPatiently, writeBlob } from './write-blob.ts'

const bytes = Buffer.from('hello, content')
const expected = { digest: digestOf(bytes), size: bytes.length }

test('writeBlob() takes a blob that is there for one that was written, before and after', async () => {
  await using fixture = await temporaryStore()
  const { content } = fixture.store.namespace()
  const written = { digest: expected.digest, sizeBytes: expected.size }
  const open = (): AsyncIterable<Uint8Array> => bytesSource(bytes)
  assert.deepEqual(await writeBlob(content, 'a', open, { expected }), { ...written, isPresent: false })
  const unread = (): never => assert.fail('there is nothing to read')
  assert.deepEqual(await writeBlob(content, 'b', unread, { expected }), { ...written, isPresent: true })
  assert.deepEqual(await writeBlob(content, 'c', open), { ...written, isPresent: true })
  assert.deepEqual(await content.listStatuses(), [])
})

test('writeBlob() keeps what came of a source that ended early, and goes on from there', async () => {
  await using fixture = await temporaryStore()
  const { content } = fixture.store.namespace()
  const short = writeBlob(content, 'a', () => bytesSource(bytes.subarray(0, 5)), { expected })
  await assert.rejects(short, (error) => hasErrorCode(error, 'SIZE_MISMATCH'))
  assert.equal((await content.status('a')).offsetBytes, 5)
  await writeBlob(content, 'a', () => bytesSource(bytes), { expected })
  assert.equal(await contentText(content, expected.digest), bytes.toString())
})

test('writeBlob() stops a source that goes on too long, and passes the errors of a source unchanged', async () => {
  await using fixture = await temporaryStore()
  const { content } = fixture.store.namespace()
  let given = 0
  async function* endless(): AsyncIterable<Uint8Array> {
    for (;;) {
      given++
      yield bytes
    }
  }
  await assert.rejects(writeBlob(content, 'a', endless, { expected }), (error) => hasErrorCode(error, 'SIZE_MISMATCH'))
  assert.equal(given, 2)
  const reason = new RangeError('the source broke')
  async function* broken(): AsyncIterable<Uint8Array> {
    yield bytes.subarray(0, 3)
    throw reason
  }
  await assert.rejects(writeBlob(content, 'b', broken), (error) => error === reason)
})

test('openWriterPatiently() waits for a ref, until it is told not to', async () => {
  await using fixture = await temporaryStore()
  const { content } = fixture.store.namespace()
  const first = await content.openWriter('ref')
  const stop = new AbortController()
  const stopped = openWriterPatiently(content, 'ref', { signal: stop.signal })
  const second = openWriterPatiently(content, 'ref')
  await wait(150)
  stop.abort(new RangeError('enough'))
  await assert.rejects(stopped, RangeError)
  await first.close()
  await using writer = await second
  assert.equal(writer.ref, 'ref')
})
