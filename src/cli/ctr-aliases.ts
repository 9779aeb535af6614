import { type Command, Option } from 'commander'
import { findOption, leavesOf, onHidden } from './hidden-option.ts'

/** Verbs that take everything of an index unless `--platform` picks. */
const TAKES_ALL: ReadonlySet<string> = new Set(['import', 'convert', 'pull', 'push'])

/** Flags about snapshots, which Tare has none of. */
const WITHOUT_MEANING: Readonly<Record<string, readonly string[]>> = {
  import: ['--no-unpack', '--snapshotter <name>', '--discard-unpacked-layers', '--local'],
  check: ['--snapshotter <name>'],
  pull: ['--snapshotter <name>', '--local'],
  push: ['--local'],
}

/**
 * Lets scripts that were written for containerd's `ctr` go on: its flags are taken by the verbs over the local store,
 * where they mean something here or nothing at all. Help does not show them; `docs/store-verbs.md` does.
 *
 * | ctr | here |
 * | --- | --- |
 * | `-k`, `--skip-verify`, `--plain-http` | `--tls-verify=false` |
 * | `-u U:P`, `--user U:P` | `--creds U:P` |
 * | `--all-platforms` | nothing: all are taken unless `--platform` picks |
 * | `--no-unpack`, `--snapshotter X`, `--discard-unpacked-layers`, `--local` | nothing: there are no snapshots |
 * | `--max-concurrent-downloads N`, `--max-concurrent-uploaded-layers N` | `--jobs N` |
 *
 * @param program - with all its verbs
 */
export function addCtrAliases(program: Command): void {
  const groups = program.commands.filter((command) => ['image', 'content', 'lease'].includes(command.name()))
  const alone = program.commands.filter((command) => ['pull', 'push'].includes(command.name()))
  for (const verb of [...groups.flatMap(leavesOf), ...alone]) {
    if (findOption(verb, '--tls-verify') !== undefined) addReachAliases(verb)
    if (TAKES_ALL.has(verb.name()) && findOption(verb, '--all-platforms') === undefined) {
      onHidden(verb, '--all-platforms', () => {})
    }
    for (const flags of WITHOUT_MEANING[verb.name()] ?? []) onHidden(verb, flags, () => {})
  }
}

function addReachAliases(verb: Command): void {
  for (const flags of ['-k, --skip-verify', '--plain-http']) {
    onHidden(verb, flags, () => verb.setOptionValueWithSource('tlsVerify', false, 'cli'))
  }
  onHidden(verb, '-u, --user <user:password>', (value) => verb.setOptionValueWithSource('creds', value, 'cli'))
  const jobs = findOption(rootOf(verb), '--jobs')
  for (const flags of ['--max-concurrent-downloads <n>', '--max-concurrent-uploaded-layers <n>']) {
    const option = new Option(flags)
    if (jobs?.parseArg !== undefined) option.argParser(jobs.parseArg)
    onHidden(verb, option, (count) => rootOf(verb).setOptionValueWithSource('jobs', count, 'cli'))
  }
}

function rootOf(command: Command): Command {
  return command.parent === null ? command : rootOf(command.parent)
}

/** What `ctr` calls its groups of verbs. */
const GROUPS: ReadonlyMap<string | undefined, string> = new Map([
  ['images', 'image'],
  ['leases', 'lease'],
])

/** A command line that begins with a group of `ctr`'s, with Tare's name for it. */
export function ctrWords(argv: readonly string[]): readonly string[] {
  const group = GROUPS.get(argv[0])
  return group === undefined ? argv : [group, ...argv.slice(1)]
}
