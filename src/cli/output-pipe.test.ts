import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasErrorCode } from '../errors/index.ts'
import { OutputPipe } from './output-pipe.ts'

test('OutputPipe is flushed when every write has left', async () => {
  const waiting: (() => void)[] = []
  const written: (string | Uint8Array)[] = []
  const pipe = new OutputPipe({
    write(text, done) {
      written.push(text)
      waiting.push(() => done?.())
      return false
    },
  })
  await pipe.flushed()
  pipe.write('a')
  pipe.write('b')
  let isFlushed = false
  const flushed = pipe.flushed().then(() => (isFlushed = true))
  waiting.shift()?.()
  await Promise.resolve()
  assert.equal(isFlushed, false)
  waiting.shift()?.()
  await flushed
  assert.deepEqual(written, ['a', 'b'])
})

test('OutputPipe drops everything after its reader has gone, without an error', async () => {
  let writes = 0
  const pipe = new OutputPipe({
    write(_, done) {
      writes++
      done?.(Object.assign(new Error('gone'), { code: 'EPIPE' }))
      return false
    },
  })
  pipe.write('a')
  pipe.write('b')
  await pipe.flushed()
  assert.equal(writes, 1)
  assert.equal(pipe.failure, undefined)
})

test('OutputPipe tells when output was lost that somebody wants', async () => {
  const full = Object.assign(new Error('full'), { code: 'ENOSPC' })
  const pipe = new OutputPipe({
    write(_, done) {
      done?.(full)
      return false
    },
  })
  pipe.write('a')
  await pipe.flushed()
  assert.equal(pipe.failure, full)
})

test('OutputPipe.send() waits until the bytes have left, and fails where they were lost', async () => {
  let leave: (() => void) | undefined
  const slow = new OutputPipe({
    write(_, done) {
      leave = () => done?.()
      return false
    },
  })
  let hasLeft = false
  const sent = slow.send(Buffer.from('a')).then(() => (hasLeft = true))
  await Promise.resolve()
  assert.equal(hasLeft, false)
  leave?.()
  await sent
  for (const [code, wanted] of [
    ['EPIPE', 'FILE_ACCESS'],
    ['ENOSPC', 'DISK_FULL'],
  ] as const) {
    const broken = new OutputPipe({
      write(_, done) {
        done?.(Object.assign(new Error('lost'), { code, syscall: 'write' }))
        return false
      },
    })
    await assert.rejects(broken.send(Buffer.from('a')), (error) => hasErrorCode(error, wanted))
  }
})
