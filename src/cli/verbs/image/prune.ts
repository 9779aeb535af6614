import type { Command } from 'commander'
import { TareError } from '../../../errors/index.ts'
import type { ImageRecord, StoreNamespace } from '../../../store/index.ts'
import { formatSize } from '../../format/size.ts'
import { formatFields } from '../../format/table.ts'
import { examples } from '../../help.ts'
import { namespaceOption, openStore, type StoreOptionValues } from '../../open-store.ts'
import type { Execute, Run } from '../../run.ts'
import { surveyOrWarn } from '../../survey-or-warn.ts'

interface PruneOptionValues extends StoreOptionValues {
  readonly all?: boolean
  readonly incomplete?: boolean
  readonly dryRun?: boolean
}

/** `tare image prune` */
export function defineImagePrune(group: Command, execute: Execute): void {
  group
    .command('prune')
    .summary('remove many images and free their space')
    .description('Removes all images, those that filters pick, or those that lack blobs, and collects.')
    .argument('[filters...]', "containerd's filters; an image goes when any of them picks it")
    .option('--all', 'all images')
    .option('--incomplete', 'among those the ones that lack blobs, alone')
    .option('--dry-run', 'say what would go and remove nothing')
    .addOption(namespaceOption())
    .addHelpText(
      'after',
      examples([
        ['What an import left incomplete', 'tare image prune --incomplete'],
        ['Everything of a repository', "tare image prune 'name~=^registry.example/app:'"],
      ]),
    )
    .action((filters: readonly string[], values: PruneOptionValues) =>
      execute(async (run) => {
        if (filters.length === 0 && values.all !== true && values.incomplete !== true) {
          throw new TareError('INVALID_COMMAND_LINE', 'nothing says which images to remove', {
            hint: 'Give filters, --incomplete or --all',
          })
        }
        const { signal } = run
        await using opened = await openStore(run, values)
        const { images } = opened.namespace
        const records = await images.list(filters, { signal })
        const removed: string[] = []
        for (const record of records) {
          const { name, target } = record
          if (values.incomplete === true && !(await lacksBlobs(opened.namespace, record, run))) continue
          if (values.dryRun !== true) await images.delete(name, { signal, target: target.digest })
          removed.push(name)
        }
        const collection = values.dryRun === true ? undefined : await opened.store.collect({ signal })
        const report = { removed, freedBytes: collection?.freedBytes, isDryRun: values.dryRun === true }
        const freed = collection === undefined ? undefined : formatSize(collection.freedBytes)
        const text = removed.map((name) => `${name}\n`).join('') + formatFields([['freed', freed]])
        return { kind: values.dryRun === true ? 'answer' : 'summary', report, text }
      }),
    )
}

/** A damaged image is not known to lack any, and stays. */
async function lacksBlobs(namespace: StoreNamespace, record: ImageRecord, run: Run): Promise<boolean> {
  return ((await surveyOrWarn(namespace, record, run))?.missingCount ?? 0) > 0
}
