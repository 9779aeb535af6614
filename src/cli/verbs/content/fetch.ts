import type { Command } from 'commander'
import { formatSize } from '../../format/size.ts'
import { formatFields } from '../../format/table.ts'
import { examples, REFERENCE_HELP } from '../../help.ts'
import { parsePlatforms, platformOption } from '../../image-options.ts'
import { localName } from '../../local-name.ts'
import { openContext } from '../../open-context.ts'
import {
  labelImage,
  labelOption,
  namespaceOption,
  openStore,
  parseLabels,
  type StoreOptionValues,
} from '../../open-store.ts'
import { addRegistryOptions, type RegistryOptionValues } from '../../registry-options.ts'
import { withoutSchema1 } from '../../without-schema1.ts'
import type { Execute } from '../../run.ts'

interface FetchOptionValues extends RegistryOptionValues, StoreOptionValues {
  readonly platform?: readonly string[]
  readonly allPlatforms?: boolean
  readonly allMetadata?: boolean
  readonly metadataOnly?: boolean
  readonly label?: readonly string[]
}

/** `tare content fetch IMAGE [NAME]` */
export function defineContentFetch(group: Command, execute: Execute): void {
  const command = group
    .command('fetch')
    .summary('bring an image, or a part of it, into the store')
    .description(
      'Brings the blobs of an image into the store, and names it there. Unlike tare pull it keeps an index as a whole ' +
        'when a platform is picked: the name has the digest that it has in the registry, and what is not picked is ' +
        'left out. Blobs that are there are not fetched again.',
    )
    .argument('<image>', 'image to bring; a name without a transport is in a registry')
    .argument('[name]', 'what to call it in the store (default: as it is called in its registry)')
    .addOption(platformOption('take only these members of an index'))
    .option('--all-platforms', 'take all members (the default)')
    .option('--all-metadata', 'with --platform: take manifests and configs of the other members too')
    .option('--metadata-only', 'take manifests and configs, and no layers')
    .addOption(labelOption())
    .addOption(namespaceOption())
  addRegistryOptions(command, [])
    .addHelpText('after', REFERENCE_HELP)
    .addHelpText(
      'after',
      examples([
        [
          'One platform, under the digest of the index',
          'tare content fetch --platform linux/arm64 registry.example/app:v2',
        ],
        ['Documents alone, to look into', 'tare content fetch --metadata-only registry.example/app:v2'],
      ]),
    )
    .action((image: string, name: string | undefined, values: FetchOptionValues) =>
      execute(async (run) => {
        const platforms = parsePlatforms(values.allPlatforms === true ? [] : values.platform)
        const labels = parseLabels(values.label ?? [])
        const [
          { fetchImage },
          { anyPlatform },
          { hasTransportPrefix, openDestination, openSource, parseReferenceOnDisk },
        ] = await Promise.all([
          import('../../../image/index.ts'),
          import('../../../oci/index.ts'),
          import('../../../transport/index.ts'),
        ])
        const reference = await parseReferenceOnDisk(hasTransportPrefix(image) ? image : `docker://${image}`)
        const target = await localName(name, image, reference)
        const context = { ...(await openContext(run, values)), storeNamespace: values.namespace }
        await using opened = await openStore(run, values, true)
        const { images } = opened.namespace
        await using resources = new AsyncDisposableStack()
        const from = await withoutSchema1(resources.use(await openSource(reference, context)), resources, run)
        await using to = await openDestination(`store:${target}`, context)
        const { signal, logger, onProgress, settings } = run
        const report = await fetchImage(from, to, {
          platform: platforms.length === 0 ? undefined : anyPlatform(...platforms),
          metadata: values.allMetadata === true || values.metadataOnly === true ? 'all' : 'matching',
          layers: values.metadataOnly === true ? 'none' : 'all',
          concurrency: settings.jobs,
          signal,
          logger,
          onProgress,
        })
        if (values.label !== undefined) {
          await labelImage(images, await images.get(target, { signal }), labels, run)
        }
        const text = formatFields([
          ['fetched', report.source],
          ['to', report.destination],
          ['digest', report.digest],
          ['received', formatSize(report.writtenBytes)],
          ['there already', report.savedBytes === 0 ? undefined : formatSize(report.savedBytes)],
        ])
        return { kind: 'summary', report, text }
      }),
    )
}
