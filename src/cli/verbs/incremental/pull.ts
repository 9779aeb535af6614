import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { TareError } from '../../../errors/index.ts'
import type { PullOptions } from '../../../incremental/index.ts'
import { cacheDirectory } from '../../cache-directory.ts'
import { startCodecs } from '../../delta-tools.ts'
import { examples, REFERENCE_HELP } from '../../help.ts'
import { platformOption, splitOption } from '../../image-options.ts'
import { archivePath, openBases, openFinals, parseSelection, warnOfInventories } from '../../incremental-tools.ts'
import { collect } from '../../option-values.ts'
import { openContext } from '../../open-context.ts'
import { addRegistryOptions, type RegistryOptionValues } from '../../registry-options.ts'
import type { Execute, Run, VerbResult } from '../../run.ts'

interface PullOptionValues extends RegistryOptionValues {
  readonly base?: readonly string[]
  readonly platform?: readonly string[]
  readonly allPlatforms?: boolean
  readonly convert?: 'oci'
  readonly match: NonNullable<PullOptions['match']>
  readonly referrers: NonNullable<PullOptions['referrers']>
  readonly resume?: boolean
  readonly patch?: boolean
  readonly split?: number
}

/** `tare incremental pull [--base REF]… FINAL… ARCHIVE` */
export function defineIncrementalPull(group: Command, execute: Execute): void {
  const command = group
    .command('pull')
    .summary('write an archive of images without the layers of others')
    .description(
      'Writes an OCI archive that holds everything of the final images except the layers that the base images have, on ' +
        'whatever platform. Digests are kept. A blob that several images share is fetched and stored once.',
    )
    .usage('[options] [--base <image>]… <final>… <archive>')
    .argument('<final...>', 'images to deliver, and at last the file to write')
    .addOption(
      new Option(
        '--base <image>',
        'image, or inventory:FILE, that the receiver has (repeatable); without one the archive is complete',
      ).argParser(collect),
    )
    .addOption(platformOption('take only this member of an index'))
    .option('--all-platforms', 'take all members of an index (the default)')
    .addOption(
      new Option('--match <how>', 'how to recognise layers: by digest, or also by content in another compression')
        .choices(['digest', 'diffid'])
        .default('digest'),
    )
    .addOption(
      new Option('--convert <format>', 'convert Docker images to OCI, which changes their digests').choices(['oci']),
    )
    .addOption(
      new Option('--referrers <which>', 'artifacts that refer to the images and travel with them')
        .choices(['all', 'signatures', 'none'])
        .default('none'),
    )
    .option('--patch', 'write a delta, with patches in place of layers, for tare apply')
    .option('--resume', 'leave what an interrupted pull has, and go on from it the next time')
    .addOption(splitOption())
  addRegistryOptions(command, ['base', 'final'])
    .addHelpText('after', REFERENCE_HELP)
    .addHelpText(
      'after',
      examples([
        [
          'What v2 has beyond v1',
          'tare incremental pull --base docker://registry.example/app:v1 docker://registry.example/app:v2 app.tar',
        ],
        [
          'From two registries, each with its own credentials',
          'tare incremental pull --base-creds a:secret --final-creds b:secret --base docker://one.example/app:v1 docker://two.example/app:v2 app.tar',
        ],
        [
          'Several images, against what an inventory says is there',
          'tare incremental pull --base inventory:site.json docker://debian:13 docker://registry.example/app:v2 all.tar',
        ],
        ['Several images, complete', 'tare incremental pull docker://debian:13 docker://alpine:3.22 all.tar'],
      ]),
    )
    .action((words: readonly string[], values: PullOptionValues) =>
      execute(async (run) => {
        const output = words.at(-1)
        const finals = words.slice(0, -1)
        if (output === undefined || finals.length === 0) {
          throw new TareError('INVALID_ARGUMENT', 'tare incremental pull wants one image at least and a file', {
            hint: 'The last argument is the file to write: tare incremental pull --base V1 V2 FILE',
          })
        }
        run.standard.claimOutput(output, true)
        return values.patch === true ? pullPatches(run, finals, output, values) : pull(run, finals, output, values)
      }),
    )
}

async function pull(
  run: Run,
  finals: readonly string[],
  output: string,
  values: PullOptionValues,
): Promise<VerbResult> {
  const selection = parseSelection(values)
  const [{ pullIncremental }, { RecipeCache }, { pullText }] = await Promise.all([
    import('../../../incremental/index.ts'),
    import('../../../recompress/index.ts'),
    import('../../render/incremental-text.ts'),
  ])
  const path = await archivePath(output)
  const { signal, logger, onProgress, settings, host } = run
  await using resources = new AsyncDisposableStack()
  const bases = await openBases(values.base ?? [], await openContext(run, values, 'base'), resources)
  const context = await openContext(run, values, 'final')
  const images = await openFinals(finals, context, resources)
  const needsKernels = values.match === 'diffid' || values.convert !== undefined
  const report = await pullIncremental(bases, images, path, {
    selection,
    match: values.match,
    convert: values.convert,
    referrers: values.referrers,
    resume: values.resume,
    volumeBytes: values.split,
    standardOutput: context.standardOutput,
    kernels: needsKernels ? resources.use(await startCodecs(run)) : undefined,
    recipes: new RecipeCache(join(cacheDirectory(host), 'recipes')),
    workdir: settings.workdir,
    concurrency: settings.jobs,
    signal,
    logger,
    onProgress,
  })
  return { kind: 'summary', report, text: pullText(report) }
}

/**
 * The same pull with patches in place of layers: a delta, or for several images a bundle, which `tare apply` and the other
 * verbs understand.
 */
async function pullPatches(
  run: Run,
  finals: readonly string[],
  output: string,
  values: PullOptionValues,
): Promise<VerbResult> {
  checkPatchOptions(values)
  const selection = parseSelection(values)
  const platforms = selection.kind === 'platforms' ? selection.platforms : []
  const { makeDelta } = await import('../../make-delta.ts')
  const path = await archivePath(output)
  await using resources = new AsyncDisposableStack()
  const baselines = await openBases(values.base ?? [], await openContext(run, values, 'base'), resources)
  if (baselines.length > 0 && baselines.every((baseline) => baseline.holdsLayers === false)) {
    throw new TareError('INVALID_ARGUMENT', 'an inventory holds no layers to patch', {
      hint: 'Name base images whose layers can be read as well, or leave --patch out to carry whole layers',
    })
  }
  warnOfInventories(baselines, run.logger)
  const context = await openContext(run, values, 'final')
  const images = await openFinals(finals, context, resources)
  const pairs = images.map(({ source, name }) => ({ name: memberName(name), baselines, target: source, platforms }))
  const job = { pairs, isBundle: pairs.length > 1, output: { transport: 'oci-archive', path } } as const
  const splitting = values.split === undefined ? {} : { split: values.split }
  return await makeDelta(job, splitting, run, context, resources)
}

/** The name of an image in a bundle: what it is called, with characters that such names may have. */
function memberName(name: string | undefined): string {
  const path = (name ?? '').replace(/^[^/]*[.:][^/]*\//, '')
  return path.replace(/[^A-Za-z0-9_.-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '') || 'image'
}

function checkPatchOptions(values: PullOptionValues): void {
  const excluded = [
    values.convert === undefined ? undefined : '--convert',
    values.match === 'digest' ? undefined : '--match',
    values.referrers === 'none' ? undefined : '--referrers',
    values.resume === undefined ? undefined : '--resume',
  ].find((option) => option !== undefined)
  if (excluded === undefined) return
  throw new TareError('INVALID_ARGUMENT', `--patch and ${excluded} exclude each other`, {
    hint: `A delta finds equal content by itself and keeps digests; leave ${excluded} out`,
  })
}
