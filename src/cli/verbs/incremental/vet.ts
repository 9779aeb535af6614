import { type Command, Option } from 'commander'
import { TareError } from '../../../errors/index.ts'
import { examples, REFERENCE_HELP } from '../../help.ts'
import {
  checkDeltaOptions,
  openInventory,
  openMappings,
  openPushable,
  parseMap,
  parseSelection,
} from '../../incremental-tools.ts'
import { openContext } from '../../open-context.ts'
import { addRegistryOptions } from '../../registry-options.ts'
import type { Execute, Run, VerbResult } from '../../run.ts'
import { addTargetOptions, type TargetOptionValues } from '../../target-options.ts'

interface VetOptionValues extends TargetOptionValues {
  readonly against?: string
}

/** `tare incremental vet ARCHIVE [DESTINATION]` */
export function defineIncrementalVet(group: Command, execute: Execute): void {
  const command = group
    .command('vet')
    .summary('say whether a push would have all its layers')
    .description(
      'Checks, without writing, that every layer an archive leaves out is at the target or can be mounted or made there. ' +
        'Registries are asked with HEAD requests only, and no tag needs to exist. Where a layer is nowhere, all such are ' +
        'named and the exit code is 4.',
    )
    .argument('<archive>', 'file to look at; also a delta')
    .argument('[destination]', 'where it would be pushed')
    .addOption(
      new Option('--against <inventory>', 'check against the inventory in a file instead, without any network'),
    )
  addTargetOptions(command)
  addRegistryOptions(command, [])
    .addHelpText('after', REFERENCE_HELP)
    .addHelpText(
      'after',
      examples([
        ['Against a registry', 'tare incremental vet app.tar docker://mirror.example/app:v2'],
        ['Against an inventory, offline', 'tare incremental vet app.tar --against site.json'],
        ['For a script', 'tare incremental vet app.tar docker://mirror.example/app:v2 --json'],
      ]),
    )
    .action((archive: string, destination: string | undefined, values: VetOptionValues) =>
      execute((run) => vet(run, archive, destination, values)),
    )
}

async function vet(
  run: Run,
  text: string,
  destination: string | undefined,
  values: VetOptionValues,
): Promise<VerbResult> {
  const selection = parseSelection(values)
  const map = parseMap(values.map)
  if (values.against !== undefined && (destination !== undefined || map.size > 0)) {
    throw new TareError('INVALID_ARGUMENT', '--against and a destination exclude each other', {
      hint: 'An inventory stands for the place where it was taken',
    })
  }
  const [incremental, { vetDeltasText, vetText }] = await Promise.all([
    import('../../../incremental/index.ts'),
    import('../../render/incremental-text.ts'),
  ])
  const { vetAgainstInventory, vetDeltas, vetDeltasAgainstInventory, vetIncremental } = incremental
  const { signal, logger, onProgress, settings } = run
  const options = { mountFrom: values.mountFrom, concurrency: settings.jobs, signal, logger, onProgress }
  const context = await openContext(run, values)
  await using resources = new AsyncDisposableStack()
  const opened = await openPushable(text, values.overlay, context, resources)
  if (opened.kind === 'delta') {
    checkDeltaOptions(values)
    if (values.against !== undefined) {
      const found = vetDeltasAgainstInventory(opened.set, await openInventory(values.against), values.against)
      return { kind: 'answer', report: found, text: vetDeltasText(found) }
    }
    const mappings = await openMappings(opened.images, { destination, map }, context, resources)
    const targets = mappings.map(({ image, destination: target }) => ({ delta: image.delta, destination: target }))
    const report = await vetDeltas(opened.set, targets, options)
    return { kind: 'answer', report, text: vetDeltasText(report) }
  }
  const { archive } = opened
  if (values.against !== undefined) {
    const inventory = await openInventory(values.against)
    const report = await vetAgainstInventory(archive, inventory, values.against, { selection, signal, logger })
    return { kind: 'answer', report, text: vetText(report) }
  }
  const mappings = await openMappings(archive.images, { destination, map }, context, resources)
  const report = await vetIncremental(archive, mappings, { ...options, selection })
  return { kind: 'answer', report, text: vetText(report) }
}
