import { Command } from 'commander'
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

type DefineVerb = (program: Command, execute: Execute) => void

/** In the order of the help. Each is loaded when it is wanted: to load all of them takes longer than many a verb. */
const VERBS: ReadonlyMap<string, () => Promise<DefineVerb>> = new Map([
  ['copy', async () => (await import('./verbs/copy.ts')).defineCopy],
  ['inspect', async () => (await import('./verbs/inspect.ts')).defineInspect],
  ['diff', async () => (await import('./verbs/diff.ts')).defineDiff],
  ['apply', async () => (await import('./verbs/apply.ts')).defineApply],
  ['incremental', async () => (await import('./verbs/incremental.ts')).defineIncremental],
  ['inventory', async () => (await import('./verbs/inventory.ts')).defineInventory],
  ['bundle', async () => (await import('./verbs/bundle.ts')).defineBundle],
  ['unbundle', async () => (await import('./verbs/unbundle.ts')).defineUnbundle],
  ['verify', async () => (await import('./verbs/verify.ts')).defineVerify],
  ['sign', async () => (await import('./verbs/sign.ts')).defineSign],
  ['pull', async () => (await import('./verbs/pull.ts')).definePull],
  ['push', async () => (await import('./verbs/push.ts')).definePush],
  ['image', async () => (await import('./verbs/image.ts')).defineImage],
  ['content', async () => (await import('./verbs/content.ts')).defineContent],
  ['lease', async () => (await import('./verbs/lease.ts')).defineLease],
  ['gc', async () => (await import('./verbs/gc.ts')).defineGc],
  ['layer', async () => (await import('./verbs/layer.ts')).defineLayer],
  ['config', async () => (await import('./verbs/config.ts')).defineConfig],
  ['doctor', async () => (await import('./verbs/doctor.ts')).defineDoctor],
  ['manifest', async () => (await import('./verbs/manifest/index.ts')).defineManifest],
  ['completion', async () => (await import('./verbs/completion.ts')).defineCompletion],
  ['version', async () => (await import('./verbs/version.ts')).defineVersion],
])

/**
 * The verb that a command line begins with. All of them where it begins with something else: help shows them all, a
 * mistyped one is compared with all; and completion is about all.
 */
async function loadVerbs(first: string | undefined): Promise<readonly DefineVerb[]> {
  const one = first === undefined || first === 'completion' ? undefined : VERBS.get(first)
  return Promise.all(one === undefined ? [...VERBS.values()].map((load) => load()) : [one()])
}

/**
 * The whole command line: verbs, options, help. Nothing is run and no engine is loaded before an action calls
 * `execute`. Faults in the command line are thrown as `CommanderError`.
 *
 * @param argv - what will be parsed: where it begins with a verb, the others are left out
 */
export async function createProgram(
  execute: Execute,
  output: ProgramOutput,
  argv: readonly string[] = [],
): Promise<Command> {
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
  for (const define of await loadVerbs(argv[0])) define(program, execute)
  addCtrAliases(program)
  addDiffahAliases(program, (text) => output.note(text))
  return program
}
