import type { Command } from 'commander'
import { examples, REFERENCE_HELP } from '../help.ts'
import { parsePlatforms, platformOption } from '../image-options.ts'
import { openContext } from '../open-context.ts'
import { addRegistryOptions, type RegistryOptionValues } from '../registry-options.ts'
import type { Execute } from '../run.ts'

interface ExplainOptionValues extends RegistryOptionValues {
  readonly platform?: readonly string[]
}

const EXAMPLES = examples([
  ['Every layer of an image', 'tare layer explain docker://debian:13'],
  ['One platform, for a script', 'tare layer explain docker://debian:13 --platform linux/arm64 --json'],
  ['A file', 'tare layer explain layer.tar.gz'],
])

/** `tare layer explain BLOB|IMAGE` */
export function defineLayer(program: Command, execute: Execute): void {
  const group = program
    .command('layer')
    .summary('look into layers')
    .description('Looks into layers.')
    .usage('<action> [options]')
    .addHelpText('after', EXAMPLES)
  group.helpCommand(false).commandsGroup('Actions:')
  const command = group
    .command('explain')
    .summary('show how layers were compressed, and what it takes to make them again')
    .description(
      'Shows which encoder compressed each layer and how it was set, and proves it by making the layer again from its ' +
        'tar. The smaller the recipe, the smaller a delta can be. A bare path is a file: gzip, zstd or a plain tar.',
    )
    .argument('<blob|image>', 'path of a file, or image whose layers to look at')
    .addOption(platformOption('look at this member of an index only'))
  addRegistryOptions(command, [])
    .addHelpText('after', REFERENCE_HELP)
    .addHelpText('after', EXAMPLES)
    .action((subject: string, values: ExplainOptionValues) =>
      execute(async (run) => {
        const platforms = parsePlatforms(values.platform)
        const [{ explainLayers }, { startCodecs }, { layersText }, { SpoolDirectory }] = await Promise.all([
          import('../explain-layers.ts'),
          import('../delta-tools.ts'),
          import('../render/layer-text.ts'),
          import('../../stream/index.ts'),
        ])
        const { signal, logger, onProgress, settings, host } = run
        const context = await openContext(run, values)
        await using kernels = await startCodecs(run)
        await using spool = await SpoolDirectory.create(settings.workdir)
        const now = (): number => host.clock.now()
        const tools = { platforms, kernels, spool, now, signal, logger, onProgress }
        const report = await explainLayers(subject, context, tools)
        return { kind: 'answer', report, text: layersText(report) }
      }),
    )
}
