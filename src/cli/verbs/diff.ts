import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { examples, REFERENCE_HELP } from '../help.ts'
import { baselineOption, parsePlatforms, platformOption } from '../image-options.ts'
import { openContext } from '../open-context.ts'
import { addRegistryOptions, type RegistryOptionValues } from '../registry-options.ts'
import type { Execute } from '../run.ts'
import { sourceDateEpoch } from '../source-date-epoch.ts'
import { tareVersion } from '../tare-version.ts'

interface DiffOptionValues extends RegistryOptionValues {
  readonly baseline?: readonly string[]
  readonly platform?: readonly string[]
  readonly dryRun?: boolean
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
    .argument('<baseline>', 'image that the receiver has')
    .argument('<target>', 'image that the receiver shall get')
    .argument('<delta>', 'file to write; an existing one is replaced when the new one is complete')
    .addOption(baselineOption())
    .addOption(platformOption('take only this member of an index'))
    .option('--dry-run', 'say what would be shipped and write nothing')
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
        ['How large would it be?', 'tare diff --dry-run oci:app:v1 oci:app:v2 app.tare'],
      ]),
    )
    .action((baseline: string, target: string, delta: string, values: DiffOptionValues) =>
      execute(async (run) => {
        const platforms = parsePlatforms(values.platform)
        const [
          { diffImages, planDiff },
          { openDestination, openSource },
          { RecipeCache },
          { deltaFile, openSources, recipeDirectory, startCodecs },
          { diffText },
        ] = await Promise.all([
          import('../../delta/index.ts'),
          import('../../transport/index.ts'),
          import('../../recompress/index.ts'),
          import('../delta-tools.ts'),
          import('../render/delta-text.ts'),
        ])
        const { signal, logger, onProgress, settings, host } = run
        const options = {
          platforms,
          workdir: settings.workdir,
          tool: `tare ${tareVersion()}`,
          createdSeconds: sourceDateEpoch(host.env),
          signal,
          logger,
          onProgress,
        }
        const output = await deltaFile(delta)
        const context = await openContext(run, values)
        await using resources = new AsyncDisposableStack()
        const baselines = await openSources([baseline, ...(values.baseline ?? [])], context, resources)
        const image = resources.use(await openSource(target, context))
        if (values.dryRun === true) {
          const report = await planDiff(baselines, image, options)
          return { kind: 'summary', report, text: diffText(report) }
        }
        const kernels = resources.use(await startCodecs(run))
        const file = resources.use(await openDestination(output, context))
        const recipes = new RecipeCache(recipeDirectory(host))
        const made = await diffImages(baselines, image, file, { ...options, kernels, recipes })
        const report = { path: output.path, fileBytes: (await stat(output.path)).size, ...made }
        return { kind: 'summary', report, text: diffText(report) }
      }),
    )
}
