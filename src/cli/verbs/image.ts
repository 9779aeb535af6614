import type { Command } from 'commander'
import { examples } from '../help.ts'
import type { Execute } from '../run.ts'
import { addVerbGroup } from '../verb-group.ts'
import { defineImageCheck } from './image/check.ts'
import { defineImageConvert } from './image/convert.ts'
import { defineImageExport } from './image/export.ts'
import { defineImageImport } from './image/import.ts'
import { defineImageInspect } from './image/inspect.ts'
import { defineImageLabel } from './image/label.ts'
import { defineImageList } from './image/list.ts'
import { defineImagePrune } from './image/prune.ts'
import { defineImageRemove } from './image/remove.ts'
import { defineImageTag } from './image/tag.ts'
import { defineImageUsage } from './image/usage.ts'
import { definePull } from './pull.ts'
import { definePush } from './push.ts'

/** `tare image …` */
export function defineImage(program: Command, execute: Execute): void {
  const group = addVerbGroup(program, {
    name: 'image',
    summary: 'images of the local store',
    description: 'Shows, brings, sends, names, converts and removes images of the local store; see --store.',
    examples: examples([
      ['What is there', 'tare image ls'],
      ['Take in what docker save wrote', 'tare image import app.tar'],
      ['Remove one, and free its space now', 'tare image rm --sync app:v1'],
    ]),
  })
  for (const define of [
    defineImageList,
    definePull,
    definePush,
    defineImageRemove,
    defineImageTag,
    defineImageLabel,
    defineImageImport,
    defineImageExport,
    defineImageConvert,
    defineImageCheck,
    defineImageUsage,
    defineImageInspect,
    defineImagePrune,
  ]) {
    define(group, execute)
  }
}
