import type { Command } from 'commander'
import { TareError } from '../../errors/index.ts'
import { examples, REFERENCE_HELP } from '../help.ts'
import { parsePlatforms, platformOption } from '../image-options.ts'
import { openContext } from '../open-context.ts'
import { addRegistryOptions, type RegistryOptionValues } from '../registry-options.ts'
import type { Execute } from '../run.ts'

interface InspectOptionValues extends RegistryOptionValues {
  readonly raw?: boolean
  readonly config?: boolean
  readonly platform?: readonly string[]
}

/** `tare inspect IMAGE|DELTA` */
export function defineInspect(program: Command, execute: Execute): void {
  const command = program
    .command('inspect')
    .summary('show what an image or a delta file holds')
    .description(
      'Shows manifests, config, layers, sizes and platforms of an image, or what a delta file ships and what it saves. ' +
        'A bare path is a delta file.',
    )
    .argument('<image|delta>', 'image, or path of a delta file; - for standard input')
    .option('--raw', 'print the exact bytes of the manifest or index and nothing else')
    .option('--config', 'print the exact bytes of the image config and nothing else')
    .addOption(platformOption('look at this member of an index'))
  addRegistryOptions(command, [])
    .addHelpText('after', REFERENCE_HELP)
    .addHelpText(
      'after',
      examples([
        ['What an image holds', 'tare inspect docker://debian:13'],
        ['The digest, computed by hand', 'tare inspect oci:layout:debian --raw | sha256sum'],
        ['What a delta ships, for a script', 'tare inspect app.tare --json'],
      ]),
    )
    .action((subject: string, values: InspectOptionValues) =>
      execute(async (run) => {
        checkForms(values, run.settings.json)
        const platforms = parsePlatforms(values.platform)
        const { inspectSubject } = await import('../inspect-subject.ts')
        const form = values.raw === true ? 'raw' : values.config === true ? 'config' : 'report'
        const { signal, logger, onProgress } = run
        return inspectSubject(subject, form, await openContext(run, values), { platforms, signal, logger, onProgress })
      }),
    )
}

function checkForms(values: InspectOptionValues, json: boolean): void {
  const forms = [values.raw && '--raw', values.config && '--config', json && '--json'].filter(Boolean)
  if (forms.length < 2) return
  throw new TareError('INVALID_ARGUMENT', `${forms.join(' and ')} exclude each other`, { hint: 'Give one of them' })
}
