import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { formatSize } from '../../format/size.ts'
import { formatFields } from '../../format/table.ts'
import { examples } from '../../help.ts'
import { parsePlatforms, platformOption } from '../../image-options.ts'
import { findImage, namespaceOption, openStore, type StoreOptionValues } from '../../open-store.ts'
import type { Execute } from '../../run.ts'

interface ExportOptionValues extends StoreOptionValues {
  readonly platform?: readonly string[]
  readonly allPlatforms?: boolean
  readonly skipManifestJson?: boolean
  readonly skipNonDistributable?: boolean
  readonly skipMissing?: boolean
}

/** `tare image export FILE NAME…` */
export function defineImageExport(group: Command, execute: Execute): void {
  group
    .command('export')
    .summary('write images into an archive')
    .description(
      'Writes images into a tar that is an OCI layout and a docker archive in one: the same images make the same bytes. ' +
        'All members of an index are taken unless a platform is picked, which is then the one that docker load finds.',
    )
    .argument(
      '<file>',
      'archive to write; an existing one is replaced when the new one is complete; - for standard output',
    )
    .argument('<names...>', 'images of the store')
    .addOption(platformOption('take only these members of an index, the best for docker load'))
    .option('--all-platforms', 'take all members all the same')
    .option('--skip-manifest-json', 'leave out what docker load reads')
    .option('--skip-non-distributable', 'leave out layers that may not be passed on')
    .option('--skip-missing', 'leave out what is not there: members of an index, and what hangs on them')
    .addOption(namespaceOption())
    .addHelpText(
      'after',
      examples([
        ['Two images', 'tare image export apps.tar app:v1 app:v2'],
        ['Straight into an engine', 'tare image export --platform linux/amd64 - app:v1 | docker load'],
        ['One platform of an index', 'tare image export --platform linux/arm64 app.tar app:v2'],
      ]),
    )
    .action((file: string, names: readonly string[], values: ExportOptionValues) =>
      execute(async (run) => {
        run.standard.claimOutput(file, true)
        const platforms = parsePlatforms(values.platform)
        const [{ exportArchive, exportTargets }, { orderedPlatforms }, { writeFileAtomically }] = await Promise.all([
          import('../../../image/index.ts'),
          import('../../../oci/index.ts'),
          import('../../../stream/index.ts'),
        ])
        const { signal, logger, onProgress } = run
        await using opened = await openStore(run, values)
        const { images, content } = opened.namespace
        const found: string[] = []
        for (const name of names) found.push((await findImage(images, name, run)).name)
        const archive = exportArchive(content, await exportTargets(images, found, { signal }), {
          signal,
          logger,
          onProgress,
          platform: platforms.length === 0 ? undefined : orderedPlatforms(...platforms),
          allPlatforms: values.allPlatforms,
          skipDockerManifest: values.skipManifestJson,
          skipNonDistributable: values.skipNonDistributable,
          skipMissing: values.skipMissing,
        })
        const isPiped = file === '-'
        await (isPiped ? run.standard.write(archive) : writeFileAtomically(file, archive))
        const fileBytes = isPiped ? run.standard.writtenBytes : (await stat(file)).size
        const report = { path: file, fileBytes, images: found }
        const text = formatFields([
          ['wrote', isPiped ? 'standard output' : file],
          ['images', String(found.length)],
          ['size', formatSize(report.fileBytes)],
        ])
        return { kind: 'summary', report, text }
      }),
    )
}
