import type { Command } from 'commander'
import { TareError } from '../../../errors/index.ts'
import type { ContentConverter } from '../../../image/index.ts'
import { examples } from '../../help.ts'
import { parsePlatforms, platformOption } from '../../image-options.ts'
import { findImage, fullName, namespaceOption, openStore, type StoreOptionValues } from '../../open-store.ts'
import { parseCount } from '../../option-values.ts'
import type { Execute, Run } from '../../run.ts'

interface ConvertOptionValues extends StoreOptionValues {
  readonly uncompress?: boolean
  readonly gzip?: boolean
  readonly zstd?: boolean
  readonly level?: number
  readonly oci?: boolean
  readonly docker?: boolean
  readonly platform?: readonly string[]
}

/** `tare image convert NAME NEW` */
export function defineImageConvert(group: Command, execute: Execute): void {
  group
    .command('convert')
    .summary('make another image of one')
    .description(
      'Makes another image of one: layers packed otherwise, other media types, fewer platforms. The new name may be the ' +
        'old one. Prints the new digest.',
    )
    .argument('<name>', 'image of the store')
    .argument('<new>', 'name of what comes of it; an existing one is moved')
    .option('--uncompress', 'unpack layers')
    .option('--gzip', "pack layers in gzip, with the bytes that Go's encoder makes at level 6")
    .option('--zstd', 'pack layers in Zstandard')
    .option('--level <n>', 'level of --zstd', parseCount(1, 19))
    .option('--oci', 'convert to OCI media types')
    .option('--docker', 'convert to Docker media types')
    .addOption(platformOption('keep only these members of an index'))
    .addOption(namespaceOption())
    .addHelpText(
      'after',
      examples([
        ['Into Zstandard', 'tare image convert --zstd --oci app:v2 app:v2-zstd'],
        ['One platform', 'tare image convert --platform linux/arm64 app:v2 app:v2-arm'],
      ]),
    )
    .action((name: string, newName: string, values: ConvertOptionValues) =>
      execute(async (run) => {
        checkExclusive(values.uncompress && '--uncompress', values.gzip && '--gzip', values.zstd && '--zstd')
        checkExclusive(values.oci && '--oci', values.docker && '--docker')
        if (values.level !== undefined && values.zstd !== true) {
          throw new TareError('INVALID_ARGUMENT', '--level means nothing without --zstd')
        }
        const platforms = parsePlatforms(values.platform)
        const [{ convertImage }, { anyPlatform }] = await Promise.all([
          import('../../../image/index.ts'),
          import('../../../oci/index.ts'),
        ])
        const { signal, logger, onProgress } = run
        const destination = await fullName(newName)
        await using resources = new AsyncDisposableStack()
        const layer = await layerConverter(values, run, resources)
        const { namespace } = resources.use(await openStore(run, values))
        const source = await findImage(namespace.images, name, run)
        const { target } = await convertImage(namespace, destination, source.name, {
          layer,
          mediaTypes: values.oci === true ? 'oci' : values.docker === true ? 'docker' : undefined,
          platform: platforms.length === 0 ? undefined : anyPlatform(...platforms),
          signal,
          logger,
          onProgress,
        })
        const report = { name: destination, digest: target.digest, from: source.target.digest }
        return { kind: 'summary', report, text: `${target.digest}\n` }
      }),
    )
}

function checkExclusive(...given: readonly (string | false | undefined)[]): void {
  const flags = given.filter((flag) => typeof flag === 'string')
  if (flags.length > 1) throw new TareError('INVALID_ARGUMENT', `${flags.join(' and ')} exclude each other`)
}

async function layerConverter(
  values: ConvertOptionValues,
  run: Run,
  resources: AsyncDisposableStack,
): Promise<ContentConverter | undefined> {
  const { gzipLayer, uncompressLayer, zstdLayer } = await import('../../../image/index.ts')
  if (values.uncompress === true) return uncompressLayer
  if (values.zstd === true) return zstdLayer({ level: values.level })
  if (values.gzip !== true) return undefined
  const { startCodecs } = await import('../../delta-tools.ts')
  return gzipLayer({ kernels: resources.use(await startCodecs(run)) })
}
