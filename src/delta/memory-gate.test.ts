import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MemoryGate } from './memory-gate.ts'

/** Lets everything that is ready to run do so. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('MemoryGate', () => {
  test('holds work back until there is room, in order of arrival', async () => {
    const gate = new MemoryGate(100)
    const begun: string[] = []
    const enter = async (name: string, bytes: number): Promise<Disposable> => {
      const held = await gate.enter(bytes)
      begun.push(name)
      return held
    }
    const first = await enter('first', 60)
    const large = enter('large', 80)
    const small = enter('small', 10)
    await settle()
    assert.deepEqual(begun, ['first'])
    first[Symbol.dispose]()
    const second = await large
    await small
    assert.deepEqual(begun, ['first', 'large', 'small'])
    second[Symbol.dispose]()
    // Given back once, however often it is said.
    second[Symbol.dispose]()
    await enter('last', 90)
    const over = enter('over', 1)
    await settle()
    assert.deepEqual(begun, ['first', 'large', 'small', 'last'])
    void over
  })

  test('work that needs more than there is runs alone', async () => {
    const gate = new MemoryGate(100)
    const small = await gate.enter(1)
    let hasBegun = false
    const huge = gate.enter(1000).then((held) => {
      hasBegun = true
      return held
    })
    await settle()
    assert.equal(hasBegun, false)
    small[Symbol.dispose]()
    ;(await huge)[Symbol.dispose]()
    ;(await gate.enter(100))[Symbol.dispose]()
  })

  test('waiting ends with the signal, and others go on', async () => {
    const gate = new MemoryGate(100)
    const reason = new Error('enough')
    const controller = new AbortController()
    const held = await gate.enter(100)
    const waiting = gate.enter(50, controller.signal)
    const other = gate.enter(20)
    await settle()
    controller.abort(reason)
    await assert.rejects(waiting, reason)
    held[Symbol.dispose]()
    ;(await other)[Symbol.dispose]()
    await assert.rejects(gate.enter(1, controller.signal), reason)
  })
})
