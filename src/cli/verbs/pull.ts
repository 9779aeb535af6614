import type { Command } from 'commander'
import { TareError } from '../../errors/index.ts'
import type { DiffId } from '../../oci/index.ts'
import { formatSize } from '../format/size.ts'
import { formatFields } from '../format/table.ts'
import { examples, REFERENCE_HELP } from '../help.ts'
import { parsePlatforms, platformOption } from '../image-options.ts'
import { openContext } from '../open-context.ts'
import {
  findImage,
  labelImage,
  labelOption,
  namespaceOption,
  openStore,
  parseLabels,
  type StoreOptionValues,
} from '../open-store.ts'
import { localName } from '../local-name.ts'
import { nearbyContent } from '../nearby-content.ts'
import { addRegistryOptions, type RegistryOptionValues } from '../registry-options.ts'
import { withoutSchema1 } from '../without-schema1.ts'
import type { Execute } from '../run.ts'

interface PullOptionValues extends RegistryOptionValues, StoreOptionValues {
  readonly platform?: readonly string[]
  readonly into?: string
  readonly label?: readonly string[]
}

/** `tare pull IMAGE [NAME]` and `tare image pull` */
export function definePull(program: Command, execute: Execute): void {
  const command = program
    .command('pull')
    .summary('bring an image into the local store')
    .description(
      'Brings an image into the local store, or with --into elsewhere. Blobs that any image of the store has, or one ' +
        'of containerd on this machine, are taken from there. An index is taken whole unless a platform is picked.',
    )
    .argument('<image>', 'image to bring; a name without a transport is in a registry')
    .argument('[name]', 'what to call it in the store (default: as it is called in its registry)')
    .addOption(platformOption('take only this member of an index'))
    .option('--into <image>', 'write it there instead, such as docker-daemon:app:v2')
    .addOption(labelOption())
    .addOption(namespaceOption())
  addRegistryOptions(command, [])
    .addHelpText('after', REFERENCE_HELP)
    .addHelpText(
      'after',
      examples([
        ['From a registry', 'tare pull registry.example/app:v2'],
        ['One platform, by another name', 'tare pull --platform linux/arm64 registry.example/app:v2 app:arm'],
        [
          'Into docker, with the layers that the store has',
          'tare pull registry.example/app:v2 --into docker-daemon:app:v2',
        ],
      ]),
    )
    .action((image: string, name: string | undefined, values: PullOptionValues) =>
      execute(async (run) => {
        const platforms = parsePlatforms(values.platform)
        const labels = parseLabels(values.label ?? [])
        if (values.into !== undefined && (name !== undefined || values.label !== undefined)) {
          throw new TareError('INVALID_ARGUMENT', '--into takes neither a name nor labels for the store', {
            hint: 'Give the name with the image that --into names',
          })
        }
        const [
          { copyImage, localLayers, NearbySource },
          { hasTransportPrefix, openDestination, openSource, parseReferenceOnDisk },
        ] = await Promise.all([import('../../image/index.ts'), import('../../transport/index.ts')])
        const reference = await parseReferenceOnDisk(hasTransportPrefix(image) ? image : `docker://${image}`)
        const target = values.into ?? (await localName(name, image, reference))
        const context = { ...(await openContext(run, values)), storeNamespace: values.namespace }
        await using opened = await openStore(run, values, true)
        const { namespace } = opened
        await using resources = new AsyncDisposableStack()
        let layers: ReturnType<typeof localLayers> | undefined
        const nearby = {
          content: nearbyContent(namespace.content, context, resources),
          findPlain: async (diffId: DiffId) => (await (layers ??= localLayers(namespace, run))).get(diffId),
        }
        const remote = await withoutSchema1(resources.use(await openSource(reference, context)), resources, run)
        await using from = new NearbySource(remote, nearby)
        // By its text: a name that has a digest is given to nothing else.
        await using to = await openDestination(values.into ?? `store:${target}`, context)
        const { signal, logger, onProgress, settings } = run
        const copied = await copyImage(from, to, { platforms, concurrency: settings.jobs, signal, logger, onProgress })
        if (values.label !== undefined) {
          await labelImage(namespace.images, await findImage(namespace.images, target, run), labels, run)
        }
        // Into the store nothing is read that is there.
        const reusedBytes = from.nearbyBytes + (values.into === undefined ? copied.savedBytes : 0)
        const fetchedBytes = Math.max(0, copied.writtenBytes - from.nearbyBytes)
        const report = { ...copied, reusedBytes, fetchedBytes }
        const text = formatFields([
          ['pulled', copied.source],
          ['to', copied.destination],
          ['digest', copied.digest],
          ['fetched', formatSize(report.fetchedBytes)],
          ['here already', reusedBytes === 0 ? undefined : formatSize(reusedBytes)],
        ])
        return { kind: 'summary', report, text }
      }),
    )
}
