import { isDigest, shortDigest } from '../../oci/index.ts'
import type { ProgressEvent } from '../../stream/index.ts'

/** Where the news of a run goes; one per run. All of it is written to stderr. */
export interface ProgressRenderer {
  /** Takes an event in; cheap enough to be called for every chunk. */
  update(event: ProgressEvent): void
  /** Something that is said once and stays: a warning, a note. */
  say(kind: MessageKind, text: string): void
  /** Ends what is being redrawn and puts the cursor back. Idempotent; nothing is shown afterwards. */
  close(): void
}

/** What a message is. */
export type MessageKind = 'warning' | 'debug'

/** How progress is shown. */
export type ProgressMode = 'bars' | 'lines' | 'json' | 'off'

/** What people tell two blobs apart by: the beginning of a digest, or a whole name. */
export function shortId(id: string): string {
  return isDigest(id) ? shortDigest(id) : id
}

/** Whether nothing more will be heard of it. */
export function isFinal(state: ProgressEvent['state']): boolean {
  return state === 'done' || state === 'skipped' || state === 'failed'
}
