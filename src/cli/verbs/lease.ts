import type { Command } from 'commander'
import { formatTable } from '../format/table.ts'
import { formatTime } from '../format/time.ts'
import { examples } from '../help.ts'
import { labelsText, namespaceOption, openStore, parseLabels, type StoreOptionValues } from '../open-store.ts'
import { parseDuration } from '../option-values.ts'
import type { Execute } from '../run.ts'
import { addVerbGroup } from '../verb-group.ts'

interface CreateOptionValues extends StoreOptionValues {
  readonly id?: string
  readonly expires?: number
}

interface RemoveOptionValues extends StoreOptionValues {
  readonly sync?: boolean
}

/** `tare lease …` */
export function defineLease(program: Command, execute: Execute): void {
  const group = addVerbGroup(program, {
    name: 'lease',
    summary: 'leases of the local store',
    description: 'Shows, makes and ends leases: what a lease holds is not collected; see --store.',
    examples: examples([['For a job', 'tare lease create --id nightly --expires 24h']]),
  })
  defineLeaseList(group, execute)
  defineLeaseCreate(group, execute)
  defineLeaseRemove(group, execute)
}

function defineLeaseList(group: Command, execute: Execute): void {
  group
    .command('ls')
    .alias('list')
    .summary('list leases')
    .description('Lists leases: id, when they were made, labels. With --quiet the ids alone.')
    .argument('[filters...]', "containerd's filters; a lease is listed when any of them picks it")
    .addOption(namespaceOption())
    .addHelpText('after', examples([['All', 'tare lease ls']]))
    .action((filters: readonly string[], values: StoreOptionValues) =>
      execute(async (run) => {
        const { signal, settings } = run
        await using opened = await openStore(run, values)
        const report = await opened.namespace.leases.list(filters, { signal })
        const table = formatTable(
          [{ title: 'id' }, { title: 'created' }, { title: 'labels' }],
          report.map(({ id, createdAt, labels }) => [id, formatTime(createdAt), labelsText(labels)]),
        )
        return { kind: 'answer', report, text: settings.quiet ? report.map(({ id }) => `${id}\n`).join('') : table }
      }),
    )
}

function defineLeaseCreate(group: Command, execute: Execute): void {
  group
    .command('create')
    .summary('make a lease')
    .description('Makes a lease and prints its id.')
    .argument('[labels...]', 'KEY=VALUE')
    .option('--id <id>', 'its id (default: a fresh one)')
    .option('--expires <time>', 'ends by itself after this long, such as 30m or 24h', parseDuration)
    .addOption(namespaceOption())
    .addHelpText('after', examples([['For a job', 'tare lease create --id nightly --expires 24h']]))
    .action((texts: readonly string[], values: CreateOptionValues) =>
      execute(async (run) => {
        const labels = parseLabels(texts)
        const { signal } = run
        await using opened = await openStore(run, values, true)
        const lease = { id: values.id, labels, expiresInMs: values.expires }
        const report = await opened.namespace.leases.create(lease, { signal })
        return { kind: 'answer', report, text: `${report.id}\n` }
      }),
    )
}

function defineLeaseRemove(group: Command, execute: Execute): void {
  group
    .command('rm')
    .aliases(['remove', 'delete', 'del'])
    .summary('end leases')
    .description('Ends leases. What only they held goes with the next collection.')
    .argument('<ids...>', 'ids of the leases')
    .option('--sync', 'collect before it returns')
    .addOption(namespaceOption())
    .addHelpText('after', examples([['And free what it held', 'tare lease rm --sync nightly']]))
    .action((ids: readonly string[], values: RemoveOptionValues) =>
      execute(async (run) => {
        const { signal } = run
        await using opened = await openStore(run, values)
        for (const id of ids) await opened.namespace.leases.delete(id, { signal })
        const collection = values.sync === true ? await opened.store.collect({ signal }) : undefined
        const report = { removed: ids, freedBytes: collection?.freedBytes }
        return { kind: 'summary', report, text: ids.map((id) => `${id}\n`).join('') }
      }),
    )
}
