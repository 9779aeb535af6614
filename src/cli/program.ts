import { Command } from 'commander'
import { defineApply } from './verbs/apply.ts'
import { defineBundle } from './verbs/bundle.ts'
import { defineCompletion } from './verbs/completion.ts'
import { defineConfig } from './verbs/config.ts'
import { defineContent } from './verbs/content.ts'
import { defineCopy } from './verbs/copy.ts'
import { defineDiff } from './verbs/diff.ts'
import { defineDoctor } from './verbs/doctor.ts'
import { defineGc } from './verbs/gc.ts'
import { defineImage } from './verbs/image.ts'
import { defineIncremental } from './verbs/incremental.ts'
import { defineInspect } from './verbs/inspect.ts'
import { defineInventory } from './verbs/inventory.ts'
import { defineLayer } from './verbs/layer.ts'
import { defineLease } from './verbs/lease.ts'
import { defineManifest } from './verbs/manifest/index.ts'
import { definePull } from './verbs/pull.ts'
import { definePush } from './verbs/push.ts'
import { defineSign } from './verbs/sign.ts'
import { defineUnbundle } from './verbs/unbundle.ts'
import { defineVerify } from './verbs/verify.ts'
import { defineVersion } from './verbs/version.ts'
import { addCtrAliases } from './ctr-aliases.ts'
import { addDiffahAliases } from './diffah-aliases.ts'
import { addGlobalOptions } from './global-options.ts'
import { examples } from './help.ts'
import type { Execute } from './run.ts'
import { tareVersion } from './tare-version.ts'

/** Where help, the version and notes on the command line go. */
export interface ProgramOutput {
  out(text: string): void
  err(text: string): void
  /** Something that those who ask for more want to know. */
  note(text: string): void
}

/**
 * The whole command line: verbs, options, help. Nothing is run and no engine is loaded before an action calls
 * `execute`. Faults in the command line are thrown as `CommanderError`.
 */
export function createProgram(execute: Execute, output: ProgramOutput): Command {
  const program = new Command('tare')
    .description('Ships container images net of what the other side already has.')
    .version(tareVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help for a verb')
    .usage('<verb> [options]')
    .configureHelp({ showGlobalOptions: true, subcommandTerm: (verb) => verb.name() })
    .configureOutput({
      writeOut: (text) => output.out(text),
      writeErr: (text) => output.err(text),
      // Faults are reported by the frame, in the form that the user chose.
      outputError: () => {},
    })
    .exitOverride()
    .addHelpText(
      'after',
      examples([
        ['Copy an image, every digest kept', 'tare copy docker://debian:13 oci:layout:debian'],
        [
          'What takes v1 to v2, as a file',
          'tare diff docker://registry.example/app:v1 docker://registry.example/app:v2 app.tare',
        ],
        ['Rebuild v2 where v1 is', 'tare apply app.tare docker://mirror.example/app:v1 docker://mirror.example/app:v2'],
      ]),
    )
  program.commandsGroup('Verbs:').helpCommand('help [verb]', 'print help for a verb')
  addGlobalOptions(program)
  for (const define of [
    defineCopy,
    defineInspect,
    defineDiff,
    defineApply,
    defineIncremental,
    defineInventory,
    defineBundle,
    defineUnbundle,
    defineVerify,
    defineSign,
    definePull,
    definePush,
    defineImage,
    defineContent,
    defineLease,
    defineGc,
    defineLayer,
    defineConfig,
    defineDoctor,
    defineManifest,
    defineCompletion,
    defineVersion,
  ]) {
    define(program, execute)
  }
  addCtrAliases(program)
  addDiffahAliases(program, (text) => output.note(text))
  return program
}
