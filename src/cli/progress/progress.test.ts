import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProgressEvent } from '../../stream/index.ts'
import { PLAIN } from '../format/colour.ts'
import type { Clock, HostStream } from '../host.ts'
import { BarsRenderer } from './bars.ts'
import { EventsRenderer } from './events.ts'
import { LinesRenderer } from './lines.ts'
import { shortId } from './renderer.ts'
import { automaticMode } from './select.ts'
import { ProgressTally } from './tally.ts'

const DIGEST = `sha256:${'0123456789ab'.repeat(6).slice(0, 64)}`

/** Time that moves when the test says so, and runs what falls due. */
class TestClock implements Clock {
  #time = 0
  #due: { readonly at: number; readonly action: () => void }[] = []

  now(): number {
    return this.#time
  }

  schedule(action: () => void, delayMs: number): () => void {
    const entry = { at: this.#time + delayMs, action }
    this.#due.push(entry)
    return () => {
      this.#due = this.#due.filter((other) => other !== entry)
    }
  }

  advance(milliseconds: number): void {
    this.#time += milliseconds
    const ready = this.#due.filter((entry) => entry.at <= this.#time)
    this.#due = this.#due.filter((entry) => entry.at > this.#time)
    for (const entry of ready) entry.action()
  }

  get pending(): number {
    return this.#due.length
  }
}

class TestStream implements HostStream {
  readonly isTTY = true
  readonly columns: number
  readonly rows = 24
  writes: string[] = []

  constructor(columns = 80) {
    this.columns = columns
  }

  write(text: string | Uint8Array): boolean {
    this.writes.push(String(text))
    return true
  }

  get text(): string {
    return this.writes.join('')
  }
}

function blob(state: ProgressEvent['state'], doneBytes: number, totalBytes?: number, id = DIGEST): ProgressEvent {
  return { kind: 'blob', id, label: 'layer', state, doneBytes, totalBytes }
}

test('BarsRenderer redraws at most ten times a second and never loses the last state', () => {
  const [clock, stream] = [new TestClock(), new TestStream()]
  const bars = new BarsRenderer(stream, clock, PLAIN)
  bars.update(blob('started', 0, 1000))
  for (let done = 100; done <= 900; done += 100) bars.update(blob('running', done, 1000))
  assert.equal(stream.writes.length, 1)
  clock.advance(100)
  assert.equal(stream.writes.length, 2)
  assert.match(stream.writes[1] ?? '', /90 %    900 B of 1\.00 kB/)
})

test('BarsRenderer draws within the width of the terminal', () => {
  for (const columns of [20, 40, 80, 200]) {
    const [clock, stream] = [new TestClock(), new TestStream(columns)]
    const bars = new BarsRenderer(stream, clock, PLAIN)
    bars.update(blob('running', 123_456_789, 987_654_321))
    // oxlint-disable-next-line no-control-regex -- the escapes are what is taken out
    const lines = stream.text.replace(/\u001b\[[?0-9]*[A-Za-z]/g, '').split('\n')
    for (const line of lines) assert.ok(line.length < columns, `${columns}: ${line}`)
  }
})

test('BarsRenderer clears the block and puts the cursor back once, and stays silent afterwards', () => {
  const [clock, stream] = [new TestClock(), new TestStream()]
  const bars = new BarsRenderer(stream, clock, PLAIN)
  bars.update(blob('started', 0, 1000))
  bars.update(blob('running', 10, 1000))
  bars.close()
  bars.close()
  bars.update(blob('running', 20, 1000))
  clock.advance(1000)
  assert.equal(clock.pending, 0)
  assert.equal(stream.text.split('\u001b[?25l').length - 1, 1)
  assert.equal(stream.text.split('\u001b[?25h').length - 1, 1)
  assert.ok(stream.text.endsWith('\u001b[2A\r\u001b[0J\u001b[?25h'))
})

test('BarsRenderer that drew nothing leaves the terminal untouched', () => {
  const stream = new TestStream()
  new BarsRenderer(stream, new TestClock(), PLAIN).close()
  assert.equal(stream.text, '')
})

test('BarsRenderer says messages above the block', () => {
  const [clock, stream] = [new TestClock(), new TestStream()]
  const bars = new BarsRenderer(stream, clock, PLAIN)
  bars.update(blob('started', 0, 1000))
  bars.say('warning', 'slow')
  assert.ok(stream.writes[1]?.startsWith('\u001b[2A\r\u001b[0Jtare: warning: slow\n'))
  assert.match(stream.writes[2] ?? '', /0 of 1 done/)
})

test('LinesRenderer announces what is large, shows now and then that it moves, and says how it ended', () => {
  const [clock, stream] = [new TestClock(), new TestStream()]
  const lines = new LinesRenderer(stream, clock)
  lines.update(blob('started', 0, 50_000_000))
  clock.advance(5_000)
  lines.update(blob('running', 20_000_000, 50_000_000))
  clock.advance(5_000)
  lines.update(blob('running', 40_000_000, 50_000_000))
  clock.advance(2_000)
  lines.update(blob('done', 50_000_000, 50_000_000))
  lines.update(blob('started', 0, 100, 'sha256:small'))
  lines.update(blob('skipped', 0, 100, 'sha256:small'))
  assert.deepEqual(stream.writes, [
    'layer 0123456789ab: started, 50.0 MB\n',
    'layer 0123456789ab: 80 %, 40.0 MB of 50.0 MB\n',
    'layer 0123456789ab: done, 50.0 MB in 12 s\n',
    'layer sha256:small: there already, 100 B\n',
  ])
})

test('EventsRenderer writes one object a line, throttles updates and keeps beginnings and ends', () => {
  const [clock, stream] = [new TestClock(), new TestStream()]
  const events = new EventsRenderer(stream, clock)
  events.update(blob('started', 0, 1000))
  for (let done = 1; done < 50; done++) {
    clock.advance(10)
    events.update(blob('running', done, 1000))
  }
  events.update(blob('done', 1000, 1000))
  events.say('warning', 'careful')
  const records = stream.text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.deepEqual(
    records.map((record) => record['state'] ?? record['message']),
    ['started', 'running', 'running', 'running', 'running', 'done', 'careful'],
  )
  assert.deepEqual(records[0], {
    event: 'progress',
    kind: 'blob',
    id: DIGEST,
    label: 'layer',
    state: 'started',
    doneBytes: 0,
    totalBytes: 1000,
  })
})

test('ProgressTally counts what was skipped as done but not as moved, and a restart not twice as moved back', () => {
  const tally = new ProgressTally()
  tally.add(blob('skipped', 0, 500, 'a'), 0)
  tally.add(blob('started', 0, 1000, 'b'), 0)
  tally.add(blob('running', 400, 1000, 'b'), 1000)
  tally.add(blob('running', 0, 1000, 'b'), 1500)
  tally.add(blob('running', 600, 1000, 'b'), 2000)
  assert.deepEqual(tally.totals(), { seen: 2, finished: 1, doneBytes: 1100, totalBytes: 1500 })
  assert.equal(tally.rate(2000), 500)
})

test('ProgressTally takes no news of what has ended', () => {
  const tally = new ProgressTally()
  tally.add(blob('done', 10, 10), 0)
  assert.equal(tally.add(blob('running', 5, 10), 1), false)
  assert.deepEqual(tally.active(), [])
})

test('ProgressTally counts steps only where there are no blobs, and knows no total when one is unknown', () => {
  const tally = new ProgressTally()
  tally.add({ kind: 'step', id: 'match', label: 'match', state: 'running', doneBytes: 3 }, 0)
  assert.deepEqual(tally.totals(), { seen: 1, finished: 0, doneBytes: 3, totalBytes: undefined })
  tally.add(blob('running', 1, 2), 0)
  assert.deepEqual(tally.totals(), { seen: 1, finished: 0, doneBytes: 1, totalBytes: 2 })
})

test('automaticMode() draws bars only where a person watches', () => {
  const terminal = { isTTY: true, write: () => true }
  const pipe = { write: () => true }
  assert.equal(automaticMode({ stderr: terminal, env: {} }), 'bars')
  assert.equal(automaticMode({ stderr: terminal, env: { CI: 'true' } }), 'lines')
  assert.equal(automaticMode({ stderr: terminal, env: { TERM: 'dumb' } }), 'lines')
  assert.equal(automaticMode({ stderr: pipe, env: {} }), 'lines')
})

test('shortId() shortens digests and leaves names alone', () => {
  assert.equal(shortId(DIGEST), '0123456789ab')
  assert.equal(shortId('match layer'), 'match layer')
})
