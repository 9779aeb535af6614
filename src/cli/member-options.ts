import { type Command, Option } from 'commander'
import type { Digest } from '../oci/index.ts'
import type { ManifestList } from '../manifest-list/index.ts'
import { parseAnnotations } from './annotation-options.ts'
import { collect, collectList } from './option-values.ts'

/** The values that commander gathers for {@link addMemberOptions}. */
export interface MemberOptionValues {
  readonly annotation?: readonly string[]
  readonly arch?: string
  readonly features?: readonly string[]
  readonly os?: string
  readonly osFeatures?: readonly string[]
  readonly osVersion?: string
  readonly variant?: string
}

/** Adds the options that say something of a member, as podman has them. */
export function addMemberOptions(command: Command): Command {
  return command
    .addOption(annotationOption('an annotation of the member'))
    .option('--arch <architecture>', 'the processor that the member is for')
    .addOption(listOption('--features <feature>', 'what the member needs of the processor'))
    .option('--os <system>', 'the system that the member is for')
    .addOption(listOption('--os-features <feature>', 'what the member needs of the system'))
    .option('--os-version <version>', 'the version of the system')
    .option('--variant <variant>', 'the variant of the processor')
}

/** `--annotation`, repeatable. */
export function annotationOption(description: string): Option {
  return new Option('--annotation <key=value>', `${description} (repeatable)`).argParser(collect)
}

function listOption(flag: string, description: string): Option {
  return new Option(flag, `${description} (repeatable, or with commas)`).argParser(collectList)
}

/**
 * Applies what was given to a member; what is empty changes nothing, but a variant goes where an architecture comes
 * without one.
 *
 * @throws {TareError} `INSTANCE_NOT_FOUND`, `INVALID_ARGUMENT`
 */
export function applyMemberOptions(list: ManifestList, digest: Digest, values: MemberOptionValues): void {
  const { arch = '', features = [], os = '', osFeatures = [], osVersion = '', variant = '' } = values
  const annotations = parseAnnotations(values.annotation)
  list.checkListed(digest)
  if (os !== '') list.setOs(digest, os)
  if (osVersion !== '') list.setOsVersion(digest, osVersion)
  if (features.length > 0) list.setFeatures(digest, features)
  if (osFeatures.length > 0) list.setOsFeatures(digest, osFeatures)
  if (arch !== '') list.setArchitecture(digest, arch)
  if (arch !== '' || variant !== '') list.setVariant(digest, variant)
  list.setAnnotations(digest, annotations)
}
