import type { Command } from 'commander'
import { openDelta, startCodecs } from '../../delta-tools.ts'
import { examples, REFERENCE_HELP } from '../../help.ts'
import { archiveReference, openMappings, parseMap, parseSelection } from '../../incremental-tools.ts'
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
  const [
    { IncrementalArchive, pushDelta, pushIncremental },
    { applyText },
    { pushText },
    { isDeltaFile, deltaTarget },
  ] = await Promise.all([
    import('../../../incremental/index.ts'),
    import('../../render/delta-text.ts'),
    import('../../render/incremental-text.ts'),
    import('../../incremental-delta.ts'),
  ])
  const { signal, logger, onProgress, settings } = run
  const options = { mountFrom: values.mountFrom, concurrency: settings.jobs, signal, logger, onProgress }
  const context = await openContext(run, values)
  await using resources = new AsyncDisposableStack()
  const reference = await archiveReference(text, context)
  const overlays = await Promise.all((values.overlay ?? []).map((each) => archiveReference(each, context)))
  if (await isDeltaFile(reference, context)) {
    const target = resources.use(await deltaTarget(destination, values, context))
    const delta = resources.use(await openDelta(text, context))
    const kernels = resources.use(await startCodecs(run))
    const report = await pushDelta(delta, target, { ...options, kernels, workdir: settings.workdir })
    return { kind: 'summary', report, text: applyText(report) }
  }
  const archive = resources.use(await IncrementalArchive.open(reference, { ...context, overlays }))
  const mappings = await openMappings(archive, { destination, map }, context, resources)
  const kernels = archive.recipes.size === 0 ? undefined : resources.use(await startCodecs(run))
  const report = await pushIncremental(archive, mappings, { ...options, selection, kernels })
  const isPartial = report.images.some((image) => image.failure !== undefined)
  return { kind: 'summary', report, text: pushText(report), isPartial }
}
