import { type Command, Option } from 'commander'
import { platformOption } from './image-options.ts'
import { collect } from './option-values.ts'
import type { RegistryOptionValues } from './registry-options.ts'

/** The values of the options that say where an archive goes. */
export interface TargetOptionValues extends RegistryOptionValues {
  readonly map?: readonly string[]
  readonly mountFrom?: readonly string[]
  readonly overlay?: readonly string[]
  readonly platform?: readonly string[]
  readonly allPlatforms?: boolean
}

/** Adds the options that say where an archive goes, which push and vet share. */
export function addTargetOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--map <name=image>',
        'where an image of the archive goes, by its name or digest (repeatable)',
      ).argParser(collect),
    )
    .addOption(
      new Option(
        '--mount-from <repository>',
        'a repository of the registry that may have layers (repeatable)',
      ).argParser(collect),
    )
    .addOption(
      new Option(
        '--overlay <file>',
        'an archive laid over the first, as incremental diff writes it (repeatable); the last says which images there are',
      ).argParser(collect),
    )
    .addOption(platformOption('take only this member of an index'))
    .option('--all-platforms', 'take all members of an index (the default)')
}
