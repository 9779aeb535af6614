import type { Command } from 'commander'
import { formatSize } from '../format/size.ts'
import { formatFields } from '../format/table.ts'
import { examples, REFERENCE_HELP } from '../help.ts'
import { parsePlatforms, platformOption } from '../image-options.ts'
import { openContext } from '../open-context.ts'
import { findImage, namespaceOption, openStore, type StoreOptionValues } from '../open-store.ts'
import { addRegistryOptions, type RegistryOptionValues } from '../registry-options.ts'
import type { Execute } from '../run.ts'

interface PushOptionValues extends RegistryOptionValues, StoreOptionValues {
  readonly platform?: readonly string[]
}

/** `tare push NAME [IMAGE]` and `tare image push` */
export function definePush(program: Command, execute: Execute): void {
  const command = program
    .command('push')
    .summary('send an image of the local store to a registry')
    .description(
      'Sends an image of the local store to a registry, or to any other place that an image can be written to. What is ' +
        'there is not sent again.',
    )
    .argument('<name>', 'image of the store')
    .argument('[image]', 'where to send it; without a transport a registry (default: the registry that the name says)')
    .addOption(platformOption('send only this member of an index'))
    .addOption(namespaceOption())
  addRegistryOptions(command, [])
    .addHelpText('after', REFERENCE_HELP)
    .addHelpText(
      'after',
      examples([
        ['Where its name says', 'tare push registry.example/app:v2'],
        ['Elsewhere', 'tare push app:v2 mirror.example/app:v2'],
        [
          'One platform of an index, of which the store lacks others',
          'tare push --platform linux/arm64 app:v2 mirror.example/app:arm',
        ],
      ]),
    )
    .action((name: string, image: string | undefined, values: PushOptionValues) =>
      execute(async (run) => {
        const platforms = parsePlatforms(values.platform)
        const [{ copyImage }, { hasTransportPrefix, openDestination, openSource }] = await Promise.all([
          import('../../image/index.ts'),
          import('../../transport/index.ts'),
        ])
        await using opened = await openStore(run, values)
        const record = await findImage(opened.namespace.images, name, run)
        const target = image ?? record.name
        const context = { ...(await openContext(run, values)), storeNamespace: values.namespace }
        await using from = await openSource({ transport: 'store', name: record.name }, context)
        await using to = await openDestination(hasTransportPrefix(target) ? target : `docker://${target}`, context)
        const { signal, logger, onProgress, settings } = run
        const report = await copyImage(from, to, { platforms, concurrency: settings.jobs, signal, logger, onProgress })
        const text = formatFields([
          ['pushed', report.source],
          ['to', report.destination],
          ['digest', report.digest],
          ['sent', formatSize(report.writtenBytes)],
          ['there already', report.savedBytes === 0 ? undefined : formatSize(report.savedBytes)],
        ])
        return { kind: 'summary', report, text }
      }),
    )
}
