import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { hasErrorCode } from '../errors/index.ts'
import { type ByteSource, bytesSource, readAllBytes } from '../stream/index.ts'
import type { Host } from './host.ts'
import { OutputPipe } from './output-pipe.ts'
import { StandardStreams } from './standard-streams.ts'

interface Settings {
  readonly isTTY?: boolean
  readonly input?: ByteSource
  readonly signal?: AbortSignal
}

/** Streams of a host that has nothing else, and what was written. */
function streams({ isTTY = false, input = bytesSource(), signal = new AbortController().signal }: Settings): {
  readonly standard: StandardStreams
  readonly written: () => string
} {
  const chunks: Uint8Array[] = []
  const output = {
    isTTY,
    write(bytes: string | Uint8Array, done?: (error?: Error | null) => void): boolean {
      chunks.push(Buffer.from(bytes))
      done?.()
      return true
    },
  }
  const stdin: Host['stdin'] = { isTTY, [Symbol.asyncIterator]: () => input[Symbol.asyncIterator]() }
  const standard = new StandardStreams({ stdin, stdout: output }, new OutputPipe(output), signal)
  return { standard, written: () => Buffer.concat(chunks).toString() }
}

const isRefused = (error: unknown): boolean => hasErrorCode(error, 'INVALID_ARGUMENT')

suite('StandardStreams', () => {
  test('are claimed by an archive named - alone', () => {
    for (const reference of [
      'oci-archive:-',
      'oci-archive:-:v1',
      'docker-archive:-:app:v1',
      'oci-archive:-@sha256:0',
    ]) {
      const { standard } = streams({})
      standard.claimOutput(reference)
      assert.equal(standard.isOutputTaken, true, reference)
    }
    for (const reference of ['-', 'oci:-', 'oci-archive:./-', 'oci-archive:-x', 'docker-archive:--', 'app.tare']) {
      const { standard } = streams({})
      standard.claimOutput(reference)
      assert.equal(standard.isOutputTaken, false, reference)
    }
    const { standard } = streams({})
    standard.claimOutput('-', true)
    assert.equal(standard.isOutputTaken, true)
  })

  test('are refused where they are terminals, before any work', () => {
    const { standard } = streams({ isTTY: true })
    assert.throws(() => standard.claimOutput('oci-archive:-'), isRefused)
    assert.throws(() => standard.read(), isRefused)
    standard.claimOutput('oci-archive:x')
  })

  test('read once', async () => {
    const { standard } = streams({ input: bytesSource(Buffer.from('ab'), Buffer.from('c')) })
    assert.equal(Buffer.from(await readAllBytes(standard.read(), 10, 'input')).toString(), 'abc')
    assert.throws(() => standard.read(), isRefused)
  })

  test('pass an archive on, and count it', async () => {
    const { standard, written } = streams({})
    await assert.rejects(standard.write(bytesSource(Buffer.from('x'))), (error) => hasErrorCode(error, 'INTERNAL'))
    standard.claimOutput('oci-archive:-')
    await standard.write(bytesSource(Buffer.from('ab'), Buffer.from('c')))
    assert.deepEqual([written(), standard.writtenBytes], ['abc', 3])
  })

  test('say that reading failed, or was ended', async () => {
    async function* failing(): ByteSource {
      yield Buffer.from('a')
      throw Object.assign(new Error('read'), { code: 'EIO', syscall: 'read' })
    }
    const { standard } = streams({ input: failing() })
    await assert.rejects(readAllBytes(standard.read(), 10, 'input'), (error) => hasErrorCode(error, 'FILE_ACCESS'))
    const reason = new Error('enough')
    const ended = streams({ input: failing(), signal: AbortSignal.abort(reason) })
    await assert.rejects(readAllBytes(ended.standard.read(), 10, 'input'), reason)
  })
})
