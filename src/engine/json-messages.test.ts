import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type ErrorCode, hasErrorCode } from '../errors/index.ts'
import { bytesSource } from '../stream/index.ts'
import { type EngineMessage, engineMessages } from './json-messages.ts'

async function messages(...chunks: readonly string[]): Promise<readonly EngineMessage[]> {
  return Array.fromAsync(engineMessages(bytesSource(...chunks.map((chunk) => Buffer.from(chunk))), 'load'))
}

async function rejects(code: ErrorCode, ...chunks: readonly string[]): Promise<void> {
  await assert.rejects(messages(...chunks), (error) => hasErrorCode(error, code))
}

suite('engineMessages()', () => {
  test('reads objects however they are cut, with progress', async () => {
    const text =
      '{"status":"Loading layer","progressDetail":{"current":5,"total":10},"id":"a"}\r\n\r\n{"stream":"Loaded image: é\\n"}'
    const expected = [
      { text: 'Loading layer', progress: { current: 5, total: 10 } },
      { text: 'Loaded image: é', progress: undefined },
    ]
    assert.deepEqual(await messages(text), expected)
    const bytes = Buffer.from(text)
    const single = engineMessages(bytesSource(...Array.from(bytes, (_, at) => bytes.subarray(at, at + 1))), 'load')
    assert.deepEqual(await Array.fromAsync(single), expected)
  })

  test('raises the error of the engine in its words, without control characters', async () => {
    await assert.rejects(
      messages('{"stream":"a"}\n{"errorDetail":{"message":"no space \\u001b[31mleft"},"error":"x"}\n{"stream":"b"}\n'),
      (error) => {
        assert.ok(hasErrorCode(error, 'ENGINE_REFUSED'))
        assert.match(error.message, /no space {1,2}\[31mleft/)
        return true
      },
    )
    await rejects('ENGINE_REFUSED', '{"error":"old form"}')
    await rejects('ENGINE_REFUSED', '{"errorDetail":{"code":1}}')
  })

  test('refuses what is no stream of objects', async () => {
    await rejects('ENGINE_PROTOCOL', '<html>')
    await rejects('ENGINE_PROTOCOL', '[1]\n')
    await rejects('ENGINE_PROTOCOL', '{"stream":')
    await rejects('ENGINE_PROTOCOL', ...Array.from({ length: 300 }, () => 'x'.repeat(1024)))
  })
})
