import { type Command, Option } from 'commander'
import type { Host } from './host.ts'
import { parseBound, parseCount } from './option-values.ts'
import type { ProgressMode } from './progress/renderer.ts'
import { automaticMode } from './progress/select.ts'

/** What holds for every verb, with its defaults applied. */
export interface Settings {
  /** Nothing but errors on stderr, and no summary on stdout. */
  readonly quiet: boolean
  readonly verbose: boolean
  /** One JSON envelope on stdout. */
  readonly json: boolean
  readonly progress: ProgressMode
  /** Where spools go. */
  readonly workdir: string
  /** Worker threads, and blobs on their way at a time; undefined leaves the choice to the verb. */
  readonly jobs: number | undefined
  /** Undefined leaves the choice to the verb. */
  readonly memoryBytes: number | undefined
  readonly color: boolean
}

interface GlobalOptionValues {
  readonly quiet?: boolean
  readonly verbose?: boolean
  readonly json?: boolean
  readonly progress?: ProgressMode | 'auto'
  readonly workdir?: string
  readonly jobs?: number
  readonly memory?: number
  readonly color?: boolean
}

/** Adds the options that every verb has; commander takes them before the verb as well as after it. */
export function addGlobalOptions(program: Command): void {
  program
    .option('-q, --quiet', 'print errors only')
    .option('-v, --verbose', 'say more, and show where an error comes from')
    .option('--json', 'print the result, or the error, as one JSON object on stdout')
    .addOption(
      new Option('--progress <mode>', 'how to show progress on stderr')
        .choices(['auto', 'bars', 'lines', 'json', 'off'])
        .default('auto'),
    )
    .option('--workdir <dir>', 'where to keep temporary files (default: the system’s temporary directory)')
    .option(
      '--jobs <n>',
      'worker threads, and blobs on their way at a time (default: one thread for each processor, 6 blobs)',
      parseCount(1, 256),
    )
    .option('--memory <size>', 'memory to stay within, such as 512MiB or 2G; 0 is no bound', parseBound)
    .option('--no-color', 'no colours; so does the NO_COLOR variable')
}

/** The settings of a run, from its options and its host. */
export function resolveSettings(program: Command, host: Host): Settings {
  const values: GlobalOptionValues = program.opts()
  const quiet = values.quiet === true
  const wanted = values.progress ?? 'auto'
  const automatic = quiet ? 'off' : automaticMode(host)
  return Object.freeze({
    quiet,
    verbose: values.verbose === true,
    json: values.json === true,
    progress: wanted === 'auto' ? automatic : wanted,
    workdir: values.workdir ?? host.temporaryDirectory,
    jobs: values.jobs,
    memoryBytes: values.memory === 0 ? undefined : values.memory,
    color: values.color !== false,
  })
}
