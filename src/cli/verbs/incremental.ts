import type { Command } from 'commander'
import { examples } from '../help.ts'
import type { Execute } from '../run.ts'
import { defineIncrementalDiff } from './incremental/diff.ts'
import { defineIncrementalPull } from './incremental/pull.ts'
import { defineIncrementalPush } from './incremental/push.ts'
import { defineIncrementalVet } from './incremental/vet.ts'

/** `tare incremental pull|push|vet|diff` */
export function defineIncremental(program: Command, execute: Execute): void {
  const group = program
    .command('incremental')
    .summary('carry images without the layers that the receiver has')
    .description(
      'Carries images in an OCI archive that leaves out the layers which the receiver has. Any tool that reads OCI ' +
        'archives can push it where those layers are.',
    )
    .usage('<action> [options]')
    .addHelpText(
      'after',
      examples([
        [
          'Where both versions are',
          'tare incremental pull --base docker://registry.example/app:v1 docker://registry.example/app:v2 app.tar',
        ],
        ['Where v1 is: would it work?', 'tare incremental vet app.tar docker://mirror.example/app:v2'],
        ['Do it', 'tare incremental push app.tar docker://mirror.example/app:v2'],
      ]),
    )
  group.helpCommand(false).commandsGroup('Actions:')
  for (const define of [defineIncrementalPull, defineIncrementalPush, defineIncrementalVet, defineIncrementalDiff]) {
    define(group, execute)
  }
}
