import type { Command } from 'commander'
import { examples } from '../../help.ts'
import {
  findImage,
  labelImage,
  labelsText,
  namespaceOption,
  openStore,
  parseLabels,
  type StoreOptionValues,
} from '../../open-store.ts'
import type { Execute } from '../../run.ts'

interface LabelOptionValues extends StoreOptionValues {
  readonly replaceAll?: boolean
}

/** `tare image label NAME [KEY=VALUE…]` */
export function defineImageLabel(group: Command, execute: Execute): void {
  group
    .command('label')
    .summary('show or change the labels of an image')
    .description('Sets labels of an image and prints all it has. KEY alone sets true, KEY= takes the label away.')
    .argument('<name>', 'image of the store')
    .argument('[labels...]', 'KEY=VALUE')
    .option('-r, --replace-all', 'put these labels in place of all')
    .addOption(namespaceOption())
    .addHelpText('after', examples([['Set one, take one away', 'tare image label app:v2 team=web old=']]))
    .action((name: string, texts: readonly string[], values: LabelOptionValues) =>
      execute(async (run) => {
        const labels = parseLabels(texts)
        await using opened = await openStore(run, values)
        const { images } = opened.namespace
        const found = await findImage(images, name, run)
        const record = await labelImage(images, found, labels, run, values.replaceAll)
        return {
          kind: 'answer',
          report: { name: found.name, labels: record.labels },
          text: `${labelsText(record.labels)}\n`,
        }
      }),
    )
}
