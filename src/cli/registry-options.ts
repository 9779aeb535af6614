import { type Command, Option } from 'commander'
import { parseBoolean, parseCount, parseDuration } from './option-values.ts'

/** Which end of a transfer an option is for; without a side it holds for all images of the verb. */
export type OptionSide = 'src' | 'dest' | 'base' | 'final'

/** How to reach the registry of one image. */
export interface RegistrySettings {
  /** `user:password`; `false` sends none, whatever is on file. */
  readonly credentials?: string | false | undefined
  readonly registryToken?: string | undefined
  readonly authfile?: string | undefined
  readonly tlsVerify?: boolean | undefined
  readonly certificateDirectory?: string | undefined
  readonly retries?: number | undefined
  readonly retryDelayMs?: number | undefined
}

/** The values that commander gathers for {@link addRegistryOptions}. */
export interface RegistryOptionValues extends SideOptionValues {
  readonly creds?: string | false
  readonly registryToken?: string
  readonly authfile?: string
  readonly tlsVerify?: boolean
  readonly certDir?: string
  readonly retryTimes?: number
  readonly retryDelay?: number
}

/** The options that hold for one side, with its name in front. */
type SideOptionValues = {
  readonly [Name in `${OptionSide}${'Creds' | 'RegistryToken' | 'Authfile' | 'CertDir'}`]?: string
} & { readonly [Name in `${OptionSide}${'NoCreds' | 'TlsVerify'}`]?: boolean }

const SIDE_NAMES: Readonly<Record<OptionSide, string>> = {
  src: 'source',
  dest: 'destination',
  base: 'base images',
  final: 'final images',
}

/** Adds the options for reaching registries, and their variants for each side. */
export function addRegistryOptions(command: Command, sides: readonly OptionSide[]): Command {
  command.optionsGroup('Registry Options:')
  command
    .option('--creds <user:password>', 'credentials for the registry')
    .option('--no-creds', 'send no credentials, whatever is on file')
    .option('--registry-token <token>', 'bearer token for the registry')
    .option('--authfile <file>', 'credential file (default: what podman and docker use)')
    .addOption(tlsVerify('--tls-verify', 'false accepts plain HTTP and any certificate'))
    .option('--cert-dir <dir>', 'directory with CA (*.crt) and client (*.cert, *.key) certificates')
    .option('--retry-times <n>', 'try a failed request this often again', parseCount(0, 100))
    .option('--retry-delay <time>', 'wait this long before the first new try, such as 500ms or 2s', parseDuration)
  // diffah's --username and ctr's --user are aliases for --creds.
  excludeEachOther(command, ['creds', 'no-creds', 'registry-token', 'username', 'user'])
  for (const side of sides) {
    const name = SIDE_NAMES[side]
    command.optionsGroup(`Registry Options for the ${name}:`)
    command
      .option(`--${side}-creds <user:password>`, `--creds for the ${name} alone`)
      .option(`--${side}-no-creds`, `--no-creds for the ${name} alone`)
      .option(`--${side}-registry-token <token>`, `--registry-token for the ${name} alone`)
      .option(`--${side}-authfile <file>`, `--authfile for the ${name} alone`)
      .addOption(tlsVerify(`--${side}-tls-verify`, `--tls-verify for the ${name} alone`))
      .option(`--${side}-cert-dir <dir>`, `--cert-dir for the ${name} alone`)
    excludeEachOther(command, [`${side}-creds`, `${side}-no-creds`, `${side}-registry-token`])
  }
  return command.optionsGroup('Options:')
}

/** Refuses a second one of some options: commander's own way is blind to `--creds` and `--no-creds`, which share a value. */
function excludeEachOther(command: Command, names: readonly string[]): void {
  const given = new Set<string>()
  for (const name of names) {
    command.on(`option:${name}`, () => {
      given.add(name)
      const [one, other] = given
      if (other === undefined) return
      command.error(`error: option '--${one}' cannot be used with option '--${other}'`, {
        code: 'commander.conflictingOption',
      })
    })
  }
}

/** The settings for one side: its own options win over those without a side. */
export function registrySettings(values: RegistryOptionValues, side?: OptionSide): RegistrySettings {
  const { retryTimes: retries, retryDelay: retryDelayMs } = values
  const common: RegistrySettings = {
    credentials: values.creds,
    registryToken: values.registryToken,
    authfile: values.authfile,
    tlsVerify: values.tlsVerify,
    certificateDirectory: values.certDir,
    retries,
    retryDelayMs,
  }
  if (side === undefined) return common
  return {
    ...common,
    ...identityOf(values[`${side}Creds`], values[`${side}NoCreds`], values[`${side}RegistryToken`]),
    authfile: values[`${side}Authfile`] ?? common.authfile,
    tlsVerify: values[`${side}TlsVerify`] ?? common.tlsVerify,
    certificateDirectory: values[`${side}CertDir`] ?? common.certificateDirectory,
  }
}

/** Who one side is; if that is said at all, nothing of what holds for both counts. */
function identityOf(
  creds: string | undefined,
  noCreds: boolean | undefined,
  registryToken: string | undefined,
): Pick<RegistrySettings, 'credentials' | 'registryToken'> {
  if (creds === undefined && noCreds !== true && registryToken === undefined) return {}
  return { credentials: creds ?? (noCreds === true ? false : undefined), registryToken }
}

function tlsVerify(flag: string, description: string): Option {
  return new Option(`${flag} <bool>`, description).argParser(parseBoolean)
}
