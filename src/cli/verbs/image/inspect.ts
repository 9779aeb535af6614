import type { Command } from 'commander'
import { formatTime } from '../../format/time.ts'
import { formatFields } from '../../format/table.ts'
import { examples } from '../../help.ts'
import { parsePlatforms, platformOption } from '../../image-options.ts'
import { openContext } from '../../open-context.ts'
import { findImage, labelsText, namespaceOption, openStore, type StoreOptionValues } from '../../open-store.ts'
import type { Execute } from '../../run.ts'

interface InspectOptionValues extends StoreOptionValues {
  readonly platform?: readonly string[]
}

/** `tare image inspect NAME` */
export function defineImageInspect(group: Command, execute: Execute): void {
  group
    .command('inspect')
    .summary('show an image with its record')
    .description('Shows the record of an image, and its manifests, config, layers, sizes and platforms.')
    .argument('<name>', 'image of the store')
    .addOption(platformOption('look at this member of an index'))
    .addOption(namespaceOption())
    .addHelpText('after', examples([['For a script', 'tare image inspect app:v2 --json']]))
    .action((name: string, values: InspectOptionValues) =>
      execute(async (run) => {
        const platforms = parsePlatforms(values.platform)
        const [{ inspectImage }, { openSource }, { imageText }] = await Promise.all([
          import('../../../image/index.ts'),
          import('../../../transport/index.ts'),
          import('../../render/image-text.ts'),
        ])
        const { signal, logger, onProgress } = run
        await using opened = await openStore(run, values)
        const record = await findImage(opened.namespace.images, name, run)
        const context = { ...(await openContext(run, {})), storeNamespace: values.namespace }
        await using source = await openSource({ transport: 'store', name: record.name }, context)
        const image = await inspectImage(source, { platforms, signal, logger, onProgress })
        const { labels, createdAt, updatedAt } = record
        const head = formatFields([
          ['name', record.name],
          ['labels', labelsText(labels)],
          ['recorded', formatTime(createdAt)],
          ['changed', formatTime(updatedAt)],
        ])
        const report = { name: record.name, labels, createdAt, updatedAt, image }
        return { kind: 'answer', report, text: `${head}\n${imageText(image)}` }
      }),
    )
}
