import { type Command, Option } from 'commander'
import { TareError } from '../../../errors/index.ts'
import { addRegistryOptions, type OptionSide, type RegistryOptionValues } from '../../registry-options.ts'

/** The options for registries, and podman's other spelling of one of them. */
export interface ReachOptionValues extends RegistryOptionValues {
  readonly insecure?: boolean
}

/** Adds the options for registries. */
export function addReachOptions(command: Command, sides: readonly OptionSide[] = []): Command {
  command.addOption(new Option('--insecure', 'as --tls-verify=false').hideHelp())
  return addRegistryOptions(command, sides)
}

/**
 * The options for registries with `--insecure` understood.
 *
 * @throws {TareError} `INVALID_ARGUMENT` where both spellings are used
 */
export function reachValues<Values extends ReachOptionValues>(values: Values): Values {
  if (values.insecure !== true) return values
  if (values.tlsVerify === undefined) return { ...values, tlsVerify: false }
  throw new TareError('INVALID_ARGUMENT', '--insecure and --tls-verify exclude each other', {
    hint: 'Give --tls-verify=false alone',
  })
}
