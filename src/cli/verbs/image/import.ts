import type { Command } from 'commander'
import { TareError } from '../../../errors/index.ts'
import type { ImportCompression } from '../../../image/index.ts'
import { formatTable } from '../../format/table.ts'
import { examples } from '../../help.ts'
import { parsePlatforms, platformOption } from '../../image-options.ts'
import { labelOption, namespaceOption, openStore, parseLabels, type StoreOptionValues } from '../../open-store.ts'
import type { Execute, Run } from '../../run.ts'

interface ImportOptionValues extends StoreOptionValues {
  readonly baseName?: string
  readonly digests?: boolean
  readonly skipDigestForNamed?: boolean
  readonly indexName?: string
  readonly platform?: readonly string[]
  readonly compressBlobs?: boolean
  readonly label?: readonly string[]
}

/** `tare image import FILE` */
export function defineImageImport(group: Command, execute: Execute): void {
  group
    .command('import')
    .summary('take in the images of an archive')
    .description(
      'Takes in an OCI layout in a tar, or what docker save writes, wrapped in gzip or Zstandard or not. All images ' +
        'appear at once. Layers may be missing: tare image check tells.',
    )
    .argument('<file>', 'archive; - for standard input')
    .option('--base-name <name>', 'repository for images that have a tag alone; others are left out')
    .option('--digests', 'make a further name for each image, by its digest')
    .option('--skip-digest-for-named', 'with --digests: for images without a name only')
    .option('--index-name <name>', 'a further name, for the archive as a whole')
    .addOption(platformOption('take only these members of indexes'))
    .option('--compress-blobs', 'gzip the plain layers of a docker archive')
    .addOption(labelOption())
    .addOption(namespaceOption())
    .addHelpText(
      'after',
      examples([
        ['What docker save wrote', 'tare image import app.tar'],
        ['From an engine of another machine', 'ssh site docker save app:v1 | tare image import -'],
        ['A layout whose images have tags alone', 'tare image import --base-name registry.example/app layout.tar'],
      ]),
    )
    .action((file: string, values: ImportOptionValues) =>
      execute(async (run) => {
        if (values.skipDigestForNamed === true && values.digests !== true) {
          throw new TareError('INVALID_ARGUMENT', '--skip-digest-for-named means nothing without --digests')
        }
        const platforms = parsePlatforms(values.platform)
        const labels = values.label === undefined ? undefined : parseLabels(values.label)
        const [image, { anyPlatform }, { readFileRange }] = await Promise.all([
          import('../../../image/index.ts'),
          import('../../../oci/index.ts'),
          import('../../../stream/index.ts'),
        ])
        const { baseName } = values
        const prefix = baseName ?? `import-${new Date().toISOString().slice(0, 10)}`
        await using resources = new AsyncDisposableStack()
        const compression = values.compressBlobs === true ? await gzipCompression(run, resources) : undefined
        const { namespace } = resources.use(await openStore(run, values, true))
        const { signal, logger, onProgress } = run
        const { index, images } = await image.importImages(
          namespace,
          file === '-' ? run.standard.read() : readFileRange(file),
          {
            signal,
            logger,
            onProgress,
            compression,
            labels,
            indexName: values.indexName,
            platform: platforms.length === 0 ? undefined : anyPlatform(...platforms),
            translateReference:
              baseName === undefined ? image.addReferencePrefix(prefix) : image.filterReferencePrefix(prefix),
            digestReference: values.digests === true ? image.digestTranslator(prefix) : undefined,
            skipDigestReference: values.skipDigestForNamed === true ? (name) => name !== '' : undefined,
          },
        )
        const report = {
          index: index.digest,
          images: images.map(({ name, target }) => ({ name, digest: target.digest })),
        }
        if (images.length === 0) {
          logger.warn(
            `${file === '-' ? 'the archive' : file} names no image; without one its blobs go with the next collection. See --digests`,
          )
        }
        const text = formatTable(
          [{ title: 'name' }, { title: 'digest' }],
          report.images.map(({ name, digest }) => [name, digest]),
        )
        return { kind: 'summary', report, text: images.length === 0 ? '' : text }
      }),
    )
}

async function gzipCompression(run: Run, resources: AsyncDisposableStack): Promise<ImportCompression> {
  const [{ startCodecs }, { gzip }] = await Promise.all([
    import('../../delta-tools.ts'),
    import('../../../recompress/index.ts'),
  ])
  const kernels = resources.use(await startCodecs(run))
  return { compression: 'gzip', compress: (plain) => gzip(plain, { kernels, signal: run.signal }) }
}
