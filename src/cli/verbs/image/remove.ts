import type { Command } from 'commander'
import { hasErrorCode } from '../../../errors/index.ts'
import { examples } from '../../help.ts'
import { findImage, namespaceOption, openStore, type StoreOptionValues } from '../../open-store.ts'
import type { Execute } from '../../run.ts'

interface RemoveOptionValues extends StoreOptionValues {
  readonly sync?: boolean
}

/** `tare image rm NAME…` */
export function defineImageRemove(group: Command, execute: Execute): void {
  group
    .command('rm')
    .aliases(['remove', 'delete', 'del'])
    .summary('remove images')
    .description(
      'Removes images by their names. Their blobs go with the next collection, unless others need them. What is not ' +
        'there is told, and the others go all the same: exit code 6.',
    )
    .argument('<names...>', 'images of the store')
    .option('--sync', 'collect before it returns, so that the space is free')
    .addOption(namespaceOption())
    .addHelpText('after', examples([['Two, and free their space', 'tare image rm --sync app:v1 app:v2']]))
    .action((names: readonly string[], values: RemoveOptionValues) =>
      execute(async (run) => {
        const { signal, logger } = run
        await using opened = await openStore(run, values)
        const { images } = opened.namespace
        const removed: string[] = []
        const absent: string[] = []
        for (const name of names) {
          try {
            const record = await findImage(images, name, run)
            await images.delete(record.name, { signal })
            removed.push(record.name)
          } catch (error) {
            if (!hasErrorCode(error, 'NOT_FOUND') || names.length === 1) throw error
            absent.push(name)
            logger.warn(error.message)
          }
        }
        const collection = values.sync === true ? await opened.store.collect({ signal }) : undefined
        const report = { removed, absent, freedBytes: collection?.freedBytes }
        return {
          kind: 'summary',
          report,
          text: removed.map((name) => `${name}\n`).join(''),
          isPartial: absent.length > 0,
        }
      }),
    )
}
