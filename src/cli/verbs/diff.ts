import type { Command } from 'commander'
import { deltaFile } from '../delta-tools.ts'
import { examples, REFERENCE_HELP } from '../help.ts'
import { ImageOpener } from '../image-opener.ts'
import { baselineOption, parsePlatforms, platformOption } from '../image-options.ts'
import { openBaselines } from '../incremental-tools.ts'
import { addMakeDeltaOptions, type MakeDeltaValues, makeDelta } from '../make-delta.ts'
import { openContext } from '../open-context.ts'
import { addRegistryOptions, type RegistryOptionValues } from '../registry-options.ts'
import type { Execute } from '../run.ts'

interface DiffOptionValues extends RegistryOptionValues, MakeDeltaValues {
  readonly baseline?: readonly string[]
  readonly platform?: readonly string[]
}

/** `tare diff BASELINE TARGET DELTA` */
export function defineDiff(program: Command, execute: Execute): void {
  const command = program
    .command('diff')
    .summary('write what takes one image to another as a delta file')
    .description(
      'Writes a delta file: what the target needs beyond the baseline, so that tare apply rebuilds the target wherever ' +
        'the baseline is, with every digest the same. Each patch is proven by applying it before it is written.',
    )
    .argument('<baseline>', 'image, or inventory:FILE, that the receiver has')
    .argument('<target>', 'image that the receiver shall get')
    .argument(
      '<delta>',
      'file to write, or - for standard output; an existing one is replaced when the new one is complete',
    )
    .addOption(baselineOption())
    .addOption(platformOption('take only this member of an index'))
  addMakeDeltaOptions(command)
  addRegistryOptions(command, [])
    .addHelpText('after', REFERENCE_HELP)
    .addHelpText(
      'after',
      examples([
        [
          'Between two versions',
          'tare diff docker://registry.example/app:v1 docker://registry.example/app:v2 app.tare',
        ],
        ['The receiver has a second image that helps', 'tare diff --baseline oci:base oci:app:v1 oci:app:v2 app.tare'],
        [
          'For a partner who runs diffah',
          'tare diff --archive-format diffah docker-archive:v1.tar docker-archive:v2.tar app.tar',
        ],
        ['On FAT sticks or discs, in pieces', 'tare diff --split 4GB oci:app:v1 oci:app:v2 app.tare'],
        ['Through a pipe', 'tare diff oci:app:v1 oci:app:v2 - | ssh host tare apply - oci:app:v1 oci:app:v2'],
        ['Where v1 is out of reach: whole layers alone', 'tare diff inventory:site.json oci:app:v2 app.tare'],
        ['How large would it be?', 'tare diff --dry-run oci:app:v1 oci:app:v2 app.tare'],
      ]),
    )
    .action((baseline: string, target: string, delta: string, values: DiffOptionValues) =>
      execute(async (run) => {
        if (values.dryRun !== true) run.standard.claimOutput(delta, true)
        const platforms = parsePlatforms(values.platform)
        const output = await deltaFile(delta)
        const context = await openContext(run, values)
        await using resources = new AsyncDisposableStack()
        const opener = new ImageOpener(context, resources)
        const baselines = await openBaselines([baseline, ...(values.baseline ?? [])], opener, run.logger)
        const pairs = [{ name: 'default', baselines, target: await opener.open(target), platforms }]
        return await makeDelta({ pairs, isBundle: false, output }, values, run, context, resources)
      }),
    )
}
