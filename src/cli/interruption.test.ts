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
    stdin: { async *[Symbol.asyncIterator]() {} },
    stdout: stream,
    stderr: stream,
    env: {},
    clock: { now: () => 0, schedule: () => () => {} },
    cpus: 1,
    memoryBytes: 2 ** 30,
    platform: { os: 'linux', architecture: 'amd64' },
    homeDirectory: '/',
    temporaryDirectory: '/',
    onSignal(name, listener) {
      listeners.set(name, listener)
      return () => listeners.delete(name)
    },
    onExit: () => () => {},
    exit: (code) => void exits.push(code),
    exits,
    raise: (name) => listeners.get(name)?.(),
    listenerCount: () => listeners.size,
  }
}

test('watchInterrupts() aborts on the first signal and leaves on the second', () => {
  const host = testHost()
  using interrupts = watchInterrupts(host)
  host.raise('SIGTERM')
  assert.ok(interrupts.signal.reason instanceof Interruption)
  assert.equal(interrupts.signal.reason.signalName, 'SIGTERM')
  assert.deepEqual(host.exits, [])
  host.raise('SIGINT')
  assert.deepEqual(host.exits, [130])
})

test('watchInterrupts() gives the signals back at the end', () => {
  const host = testHost()
  watchInterrupts(host)[Symbol.dispose]()
  assert.equal(host.listenerCount(), 0)
})
