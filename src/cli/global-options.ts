import { join } from 'node:path'
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
  /** Directory of the local store. */
  readonly storeDirectory: string
  readonly engines: EngineSettings
  /** Worker threads, and blobs on their way at a time; undefined leaves the choice to the verb. */
  readonly jobs: number | undefined
  /** Undefined leaves the choice to the verb. */
  readonly memoryBytes: number | undefined
  readonly color: boolean
}

/** Where container engines are; undefined leaves it to each engine's default. */
export interface EngineSettings {
  readonly dockerHost: string | undefined
  /** For TLS; undefined goes without. */
  readonly dockerCertificateDirectory: string | undefined
  readonly containerdAddress: string | undefined
  readonly containerdNamespace: string | undefined
}

interface GlobalOptionValues {
  readonly quiet?: boolean
  readonly verbose?: boolean
  readonly json?: boolean
  readonly progress?: ProgressMode | 'auto'
  readonly workdir?: string
  readonly store?: string
  readonly dockerHost?: string
  readonly containerdAddress?: string
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
    .option('--store <dir>', 'the local store (default: $TARE_STORE, or tare/store in the user’s data directory)')
    .option('--docker-host <address>', 'the engine of docker-daemon: (default: $DOCKER_HOST, or /var/run/docker.sock)')
    .option(
      '--containerd-address <file>',
      'the socket of containerd: (default: $CONTAINERD_ADDRESS, or /run/containerd/containerd.sock)',
    )
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
    storeDirectory: values.store ?? defaultStore(host),
    engines: engineSettings(values, host),
    jobs: values.jobs,
    memoryBytes: values.memory === 0 ? undefined : values.memory,
    color: values.color !== false,
  })
}

/** The variables of docker's and containerd's own tools. */
function engineSettings(values: GlobalOptionValues, { env, homeDirectory }: Host): EngineSettings {
  const hasTls = (env['DOCKER_TLS_VERIFY'] ?? '') !== ''
  return {
    dockerHost: values.dockerHost ?? (env['DOCKER_HOST'] || undefined),
    dockerCertificateDirectory: hasTls ? env['DOCKER_CERT_PATH'] || join(homeDirectory, '.docker') : undefined,
    containerdAddress: values.containerdAddress ?? (env['CONTAINERD_ADDRESS'] || undefined),
    containerdNamespace: env['CONTAINERD_NAMESPACE'] || undefined,
  }
}

/** An empty variable counts as none, as the base directory specification has it. */
function defaultStore({ env, homeDirectory }: Host): string {
  const dataDirectory = env['XDG_DATA_HOME'] || join(homeDirectory, '.local', 'share')
  return env['TARE_STORE'] || join(dataDirectory, 'tare', 'store')
}
