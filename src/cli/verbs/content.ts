import type { Command } from 'commander'
import { examples } from '../help.ts'
import type { Execute } from '../run.ts'
import { addVerbGroup } from '../verb-group.ts'
import { defineContentActive } from './content/active.ts'
import { defineContentFetch } from './content/fetch.ts'
import { defineContentGet } from './content/get.ts'
import { defineContentIngest } from './content/ingest.ts'
import { defineContentLabel } from './content/label.ts'
import { defineContentList } from './content/list.ts'
import { defineContentRemove } from './content/remove.ts'

/** `tare content …` */
export function defineContent(program: Command, execute: Execute): void {
  const group = addVerbGroup(program, {
    name: 'content',
    summary: 'blobs of the local store',
    description: 'Shows, reads, writes and removes blobs of the local store; see --store.',
    examples: examples([
      ['What is there', 'tare content ls'],
      ['The bytes of a blob', 'tare content get sha256:… > blob'],
    ]),
  })
  for (const define of [
    defineContentList,
    defineContentGet,
    defineContentRemove,
    defineContentIngest,
    defineContentActive,
    defineContentLabel,
    defineContentFetch,
  ]) {
    define(group, execute)
  }
}
