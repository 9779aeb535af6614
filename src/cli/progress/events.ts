import type { ProgressEvent } from '../../stream/index.ts'
import type { Clock, HostStream } from '../host.ts'
import { isFinal, type MessageKind, type ProgressRenderer } from './renderer.ts'

/** Updates about one blob are this far apart at least; beginnings and ends are never left out. */
const UPDATE_EVERY_MS = 100

/** One JSON object a line, for programs. The fields are documented in `docs/cli.md`. */
export class EventsRenderer implements ProgressRenderer {
  readonly #stream: HostStream
  readonly #clock: Clock
  readonly #lastUpdate = new Map<string, number>()
  #isClosed = false

  constructor(stream: HostStream, clock: Clock) {
    this.#stream = stream
    this.#clock = clock
  }

  update(event: ProgressEvent): void {
    if (this.#isClosed) return
    const key = `${event.kind} ${event.id}`
    const now = this.#clock.now()
    if (event.state === 'running' && now - (this.#lastUpdate.get(key) ?? -Infinity) < UPDATE_EVERY_MS) return
    if (isFinal(event.state)) this.#lastUpdate.delete(key)
    else this.#lastUpdate.set(key, now)
    const { kind, id, label, state, doneBytes, totalBytes } = event
    this.#write({ event: 'progress', kind, id, label, state, doneBytes, totalBytes })
  }

  say(kind: MessageKind, message: string): void {
    this.#write({ event: kind, message })
  }

  close(): void {
    this.#isClosed = true
  }

  #write(record: Readonly<Record<string, unknown>>): void {
    this.#stream.write(`${JSON.stringify(record)}\n`)
  }
}
