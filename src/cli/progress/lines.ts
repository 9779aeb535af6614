import type { ProgressEvent } from '../../stream/index.ts'
import { formatDuration } from '../format/duration.ts'
import { PLAIN } from '../format/colour.ts'
import { printable } from '../format/printable.ts'
import { formatPercent, formatSize } from '../format/size.ts'
import type { Clock, HostStream } from '../host.ts'
import { messageLine } from './message.ts'
import { isFinal, type MessageKind, type ProgressRenderer, shortId } from './renderer.ts'

/** A log is read afterwards: an update on each large blob this often shows that it is alive, and no more. */
const UPDATE_EVERY_MS = 10_000
/** Smaller blobs are over before their first line would be read. */
const ANNOUNCED_BYTES = 1_000_000

/** Plain lines for logs: when something large begins, now and then while it lasts, and when anything ends. */
export class LinesRenderer implements ProgressRenderer {
  readonly #stream: HostStream
  readonly #clock: Clock
  readonly #begun = new Map<string, { readonly at: number; lastLine: number }>()
  #isClosed = false

  constructor(stream: HostStream, clock: Clock) {
    this.#stream = stream
    this.#clock = clock
  }

  update(event: ProgressEvent): void {
    if (this.#isClosed) return
    const now = this.#clock.now()
    const key = `${event.kind} ${event.id}`
    const begun = this.#begun.get(key)
    if (isFinal(event.state)) {
      this.#begun.delete(key)
      this.#line(event, endOf(event, begun === undefined ? undefined : now - begun.at))
    } else if (begun === undefined) {
      this.#begun.set(key, { at: now, lastLine: now })
      const { totalBytes } = event
      if (totalBytes === undefined) this.#line(event, 'started')
      else if (totalBytes >= ANNOUNCED_BYTES) this.#line(event, `started, ${formatSize(totalBytes)}`)
    } else if (now - begun.lastLine >= UPDATE_EVERY_MS) {
      begun.lastLine = now
      this.#line(event, amountOf(event))
    }
  }

  say(kind: MessageKind, text: string): void {
    this.#stream.write(messageLine(kind, text, PLAIN))
  }

  close(): void {
    this.#isClosed = true
  }

  #line({ label, id }: ProgressEvent, what: string): void {
    this.#stream.write(`${printable(label === id ? label : `${label} ${shortId(id)}`)}: ${what}\n`)
  }
}

function amountOf({ doneBytes, totalBytes }: ProgressEvent): string {
  if (totalBytes === undefined) return formatSize(doneBytes)
  return `${formatPercent(doneBytes, totalBytes)}, ${formatSize(doneBytes)} of ${formatSize(totalBytes)}`
}

function endOf({ state, doneBytes, totalBytes }: ProgressEvent, elapsedMs: number | undefined): string {
  switch (state) {
    case 'done':
      return `done, ${formatSize(doneBytes)}${elapsedMs === undefined ? '' : ` in ${formatDuration(elapsedMs)}`}`
    case 'skipped':
      return `there already${totalBytes === undefined ? '' : `, ${formatSize(totalBytes)}`}`
    case 'failed':
    case 'started':
    case 'running':
      return state
  }
}
