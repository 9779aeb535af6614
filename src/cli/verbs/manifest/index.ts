import type { Command } from 'commander'
import { examples } from '../../help.ts'
import type { Execute } from '../../run.ts'
import { defineManifestAdd } from './add.ts'
import { defineManifestAnnotate } from './annotate.ts'
import { defineManifestCreate } from './create.ts'
import { defineManifestExists } from './exists.ts'
import { defineManifestFrom } from './from.ts'
import { defineManifestInspect } from './inspect.ts'
import { defineManifestLs } from './ls.ts'
import { defineManifestPush } from './push.ts'
import { defineManifestRemove } from './remove.ts'
import { defineManifestRm } from './rm.ts'

const EXAMPLES = examples([
  [
    'A list of two images, kept by name',
    'tare manifest create app:v1 oci-archive:app-arm64.tar docker://registry.example/app:amd64',
  ],
  ['One more', 'tare manifest add app:v1 docker://registry.example/app:riscv64'],
  ['Pushed with its members', 'tare manifest push app:v1 docker://registry.example/app:v1'],
  [
    'All of it at once',
    'tare manifest from oci-archive:app-arm64.tar docker://registry.example/app:amd64 docker://registry.example/app:v1',
  ],
])

/** `tare manifest ACTION …` */
export function defineManifest(program: Command, execute: Execute): void {
  const group = program
    .command('manifest')
    .summary('make, edit and push indexes and manifest lists')
    .description(
      'Makes indexes of images that lie in many places, keeps them by name between commands, and pushes them with or ' +
        'without their members.',
    )
    .usage('<action> [options]')
    .addHelpText('after', EXAMPLES)
  group.helpCommand(false).commandsGroup('Actions:')
  for (const define of [
    defineManifestCreate,
    defineManifestAdd,
    defineManifestAnnotate,
    defineManifestRemove,
    defineManifestInspect,
    defineManifestPush,
    defineManifestFrom,
    defineManifestLs,
    defineManifestExists,
    defineManifestRm,
  ]) {
    define(group, execute)
  }
}
