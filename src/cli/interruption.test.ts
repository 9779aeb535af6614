import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Host, InterruptName } from './host.ts'
import { Interruption, watchInterrupts } from './interruption.ts'

interface TestHost extends Host {
  readonly exits: readonly number[]
  raise(name: InterruptName): void
  listenerCount(): number
}

function testHost(): TestHost {
  const listeners = new Map<InterruptName, () => void>()
  const exits: number[] = []
  const stream = { write: () => true }
  return {
    stdout: stream,
    stderr: stream,
    env: {},
    clock: { now: () => 0, schedule: () => () => {} },
    cpus: 1,
    homeDirectory: '/',
    temporaryDirectory: '/',
    onSignal(name, listener) {
      listeners.set(name, listener)
      return () => listeners.delete(name)
    },
    exit: (code) => void exits.push(code),
    exits,
    raise: (name) => listeners.get(name)?.(),
    listenerCount: () => listeners.size,
  }
}

test('watchInterrupts() aborts on the first signal and leaves on the second', () => {
  const host = testHost()
  let restored = 0
  using interrupts = watchInterrupts(host, () => restored++)
  host.raise('SIGTERM')
  assert.ok(interrupts.signal.reason instanceof Interruption)
  assert.equal(interrupts.signal.reason.signalName, 'SIGTERM')
  assert.deepEqual([restored, host.exits], [0, []])
  host.raise('SIGINT')
  assert.deepEqual([restored, host.exits], [1, [130]])
})

test('watchInterrupts() gives the signals back at the end', () => {
  const host = testHost()
  watchInterrupts(host, () => {})[Symbol.dispose]()
  assert.equal(host.listenerCount(), 0)
})
