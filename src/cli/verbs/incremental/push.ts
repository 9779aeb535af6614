import type { Command } from 'commander'
import { startCodecs } from '../../delta-tools.ts'
import { examples, REFERENCE_HELP } from '../../help.ts'
import { checkDeltaOptions, openMappings, openPushable, parseMap, parseSelection } from '../../incremental-tools.ts'
import { openContext } from '../../open-context.ts'
import { addRegistryOptions } from '../../registry-options.ts'
import type { Execute, Run, VerbResult } from '../../run.ts'
import { addTargetOptions, type TargetOptionValues } from '../../target-options.ts'

/** `tare incremental push ARCHIVE [DESTINATION]` */
export function defineIncrementalPush(group: Command, execute: Execute): void {
  const command = group
    .command('push')
    .summary('push an archive where the left out layers are')
    .description(
      'Uploads what the target lacks, mounts what other repositories of its registry have, and makes again what the archive ' +
        'has recipes for. Layers are looked for before anything is written; where one is nowhere, all such are named and no ' +
        'tag is made. Of an archive with several images the destination is a prefix.',
    )
    .argument('<archive>', 'file to push; also a delta, which is applied to what the registry has')
    .argument('[destination]', 'where to push it')
  addTargetOptions(command)
  addRegistryOptions(command, [])
    .addHelpText('after', REFERENCE_HELP)
    .addHelpText(
      'after',
      examples([
        ['One image', 'tare incremental push app.tar docker://mirror.example/app:v2'],
        [
          'The layers of v1 are in another repository',
          'tare incremental push --mount-from apps/app app.tar docker://mirror.example/new/app:v2',
        ],
        [
          'All images of an archive, under their own names',
          'tare incremental push all.tar docker://mirror.example/apps',
        ],
        [
          'An old archive with what is new over it',
          'tare incremental push --overlay v2.tar v1.tar docker://mirror.example/app:v2',
        ],
      ]),
    )
    .action((archive: string, destination: string | undefined, values: TargetOptionValues) =>
      execute((run) => push(run, archive, destination, values)),
    )
}

async function push(
  run: Run,
  text: string,
  destination: string | undefined,
  values: TargetOptionValues,
): Promise<VerbResult> {
  const selection = parseSelection(values)
  const map = parseMap(values.map)
  const [{ pushDeltas, pushIncremental }, { pushText }, { unbundleText }] = await Promise.all([
    import('../../../incremental/index.ts'),
    import('../../render/incremental-text.ts'),
    import('../../render/unbundle-text.ts'),
  ])
  const { signal, logger, onProgress, settings } = run
  const options = { mountFrom: values.mountFrom, concurrency: settings.jobs, signal, logger, onProgress }
  const context = await openContext(run, values)
  await using resources = new AsyncDisposableStack()
  const opened = await openPushable(text, values.overlay, context, resources)
  if (opened.kind === 'delta') {
    checkDeltaOptions(values)
    const mappings = await openMappings(opened.images, { destination, map }, context, resources)
    const targets = mappings.map(({ image, destination: target }) => ({ delta: image.delta, destination: target }))
    const { workdir, memoryBytes } = settings
    const kernels = resources.use(await startCodecs(run))
    const report = await pushDeltas(opened.set, targets, { ...options, kernels, workdir, memoryBytes })
    const failure = report.images.find((image) => image.error !== undefined)?.error
    return { kind: 'summary', report, text: unbundleText(report), failure }
  }
  const { archive } = opened
  const mappings = await openMappings(archive.images, { destination, map }, context, resources)
  const kernels = archive.recipes.size === 0 ? undefined : resources.use(await startCodecs(run))
  const report = await pushIncremental(archive, mappings, { ...options, selection, kernels })
  const isPartial = report.images.some((image) => image.failure !== undefined)
  return { kind: 'summary', report, text: pushText(report), isPartial }
}
