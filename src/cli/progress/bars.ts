import type { ProgressEvent } from '../../stream/index.ts'
import type { Paint } from '../format/colour.ts'
import { printable } from '../format/printable.ts'
import { formatPercent, formatSize } from '../format/size.ts'
import type { Clock, HostStream } from '../host.ts'
import { messageLine } from './message.ts'
import { type MessageKind, type ProgressRenderer, shortId } from './renderer.ts'
import { ProgressTally } from './tally.ts'

/** Ten times a second is as smooth as text gets; a slow terminal shall not slow the work down. */
const REDRAW_EVERY_MS = 100
const HIDE_CURSOR = '\u001b[?25l'
const SHOW_CURSOR = '\u001b[?25h'
const CLEAR_BELOW = '\u001b[0J'
const LONGEST_BAR = 30
const SHORTEST_BAR = 5

/** A block of bars at the bottom of a terminal, redrawn in place: one for each blob that moves, and the total. */
export class BarsRenderer implements ProgressRenderer {
  readonly #stream: HostStream
  readonly #clock: Clock
  readonly #paint: Paint
  readonly #tally = new ProgressTally()
  #drawnLines = 0
  #lastDraw = -Infinity
  #cancelRedraw: (() => void) | undefined
  #isClosed = false

  constructor(stream: HostStream, clock: Clock, paint: Paint) {
    this.#stream = stream
    this.#clock = clock
    this.#paint = paint
  }

  update(event: ProgressEvent): void {
    if (this.#isClosed) return
    this.#tally.add(event, this.#clock.now())
    if (this.#cancelRedraw !== undefined) return
    const wait = this.#lastDraw + REDRAW_EVERY_MS - this.#clock.now()
    if (wait <= 0) this.#draw()
    else this.#cancelRedraw = this.#clock.schedule(() => this.#draw(), wait)
  }

  say(kind: MessageKind, text: string): void {
    const wasDrawn = this.#drawnLines > 0
    this.#stream.write(this.#erase() + messageLine(kind, text, this.#paint))
    if (wasDrawn && !this.#isClosed) this.#draw()
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#cancelRedraw?.()
    if (this.#lastDraw !== -Infinity) this.#stream.write(this.#erase() + SHOW_CURSOR)
  }

  #draw(): void {
    this.#cancelRedraw?.()
    this.#cancelRedraw = undefined
    if (this.#isClosed) return
    const now = this.#clock.now()
    // The last column stays free: writing there makes some terminals wrap, and then the block can't be found again.
    const width = Math.max(1, (this.#stream.columns ?? 80) - 1)
    const room = Math.max(1, (this.#stream.rows ?? 24) - 3)
    const active = this.#tally.active()
    const shown = active.slice(0, room)
    const lines = shown.map((event) => this.#blobLine(event, width))
    if (active.length > shown.length) lines.push(this.#paint('dim', `and ${active.length - shown.length} more`))
    lines.push(this.#totalLine(now).slice(0, width))
    const start = this.#lastDraw === -Infinity ? HIDE_CURSOR : ''
    this.#stream.write(`${start}${this.#erase()}${lines.join('\n')}\n`)
    this.#drawnLines = lines.length
    this.#lastDraw = now
  }

  /** What moves the cursor to the first line of the block and clears it. */
  #erase(): string {
    const lines = this.#drawnLines
    this.#drawnLines = 0
    return lines === 0 ? '' : `\u001b[${lines}A\r${CLEAR_BELOW}`
  }

  #blobLine({ label, id, doneBytes, totalBytes }: ProgressEvent, width: number): string {
    const name = printable(label === id ? label : `${label} ${shortId(id)}`)
    if (totalBytes === undefined) return `${name}  ${formatSize(doneBytes)}`.slice(0, width)
    // Padded to the widest of each, so that bars stand under each other and hold still.
    const [done, total] = [formatSize(doneBytes).padStart(7), formatSize(totalBytes).padStart(7)]
    const amounts = `${formatPercent(doneBytes, totalBytes).padStart(6)}  ${done} of ${total}`
    const nameWidth = Math.min(32, Math.max(12, width - amounts.length - LONGEST_BAR - 6))
    const shownName = name.slice(0, nameWidth).padEnd(nameWidth)
    const barWidth = Math.min(LONGEST_BAR, width - shownName.length - amounts.length - 6)
    if (barWidth < SHORTEST_BAR) return `${shownName}  ${amounts}`.slice(0, width)
    const filled = totalBytes === 0 ? barWidth : Math.min(barWidth, Math.floor((doneBytes / totalBytes) * barWidth))
    const bar = this.#paint('cyan', '='.repeat(filled)) + this.#paint('dim', '-'.repeat(barWidth - filled))
    return `${shownName}  [${bar}]  ${amounts}`
  }

  #totalLine(now: number): string {
    const { seen, finished, doneBytes, totalBytes } = this.#tally.totals()
    const rate = this.#tally.rate(now)
    const whole = totalBytes === undefined ? '' : ` of ${formatSize(totalBytes)}`
    const speed = rate === undefined ? '' : `  ${formatSize(Math.round(rate))}/s`
    return `${finished} of ${seen} done  ${formatSize(doneBytes)}${whole}${speed}`
  }
}
