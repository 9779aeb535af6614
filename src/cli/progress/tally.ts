import type { ProgressEvent } from '../../stream/index.ts'
import { isFinal } from './renderer.ts'

/** The rate is that of the last seconds, so that it follows the network and still holds still enough to be read. */
const RATE_WINDOW_MS = 5_000
const SAMPLE_EVERY_MS = 250

/** What is known of a whole run. */
export interface Totals {
  /** Blobs, or steps where there are no blobs, that have been heard of. */
  readonly seen: number
  readonly finished: number
  readonly doneBytes: number
  /** Undefined while the size of something is not known. */
  readonly totalBytes: number | undefined
}

/** Adds the events of a run up. Holds one small record for each blob or step. */
export class ProgressTally {
  readonly #latest = new Map<string, ProgressEvent>()
  readonly #samples: { readonly at: number; readonly bytes: number }[] = []
  /** Kept beside the records, because it is read on every chunk. */
  #movedBytes = 0

  /** @returns whether anything a person would notice changed: a beginning or an end */
  add(event: ProgressEvent, now: number): boolean {
    const key = `${event.kind} ${event.id}`
    const before = this.#latest.get(key)
    if (before !== undefined && isFinal(before.state) && !isFinal(event.state)) return false
    this.#latest.set(key, event)
    // What was skipped did not move, and a restart from the beginning moves no bytes back.
    if (event.state !== 'skipped') this.#movedBytes += Math.max(0, event.doneBytes - (before?.doneBytes ?? 0))
    const last = this.#samples.at(-1)
    if (last === undefined || now - last.at >= SAMPLE_EVERY_MS) this.#samples.push({ at: now, bytes: this.#movedBytes })
    while ((this.#samples[1]?.at ?? Infinity) <= now - RATE_WINDOW_MS) this.#samples.shift()
    return before?.state !== event.state
  }

  /** Whatever has begun and not ended, in the order it was first heard of. */
  active(): readonly ProgressEvent[] {
    return [...this.#latest.values()].filter((event) => !isFinal(event.state))
  }

  totals(): Totals {
    const all = [...this.#latest.values()]
    const blobs = all.filter((event) => event.kind === 'blob')
    const counted = blobs.length > 0 ? blobs : all
    let totalBytes: number | undefined = 0
    let doneBytes = 0
    let finished = 0
    for (const event of counted) {
      doneBytes += event.state === 'skipped' ? (event.totalBytes ?? event.doneBytes) : event.doneBytes
      totalBytes =
        totalBytes === undefined || event.totalBytes === undefined ? undefined : totalBytes + event.totalBytes
      if (isFinal(event.state)) finished++
    }
    return { seen: counted.length, finished, doneBytes, totalBytes }
  }

  /** Bytes a second over the last seconds; undefined until there is enough to tell. */
  rate(now: number): number | undefined {
    const oldest = this.#samples[0]
    if (oldest === undefined || now - oldest.at < 2 * SAMPLE_EVERY_MS) return undefined
    return ((this.#movedBytes - oldest.bytes) * 1000) / (now - oldest.at)
  }
}
