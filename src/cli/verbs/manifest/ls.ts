import type { Command } from 'commander'
import { isTareError } from '../../../errors/index.ts'
import { shortMediaType } from '../../render/media-type-text.ts'
import { formatTable } from '../../format/table.ts'
import { examples } from '../../help.ts'
import { openLists } from '../../open-lists.ts'
import type { Execute } from '../../run.ts'

/** One list of `tare manifest ls`. */
interface ListedList {
  readonly id: string
  readonly names: readonly string[]
  readonly mediaType: string | undefined
  readonly memberCount: number | undefined
  readonly platforms: readonly string[]
  readonly changedAt: string
}

/** `tare manifest ls` */
export function defineManifestLs(group: Command, execute: Execute): void {
  group
    .command('ls')
    .summary('show the lists there are')
    .description('Shows the lists there are: names, what they are for, when they were last changed.')
    .addHelpText('after', examples([['For a script', 'tare manifest ls --json']]))
    .action(() =>
      execute(async (run) => {
        const [{ ManifestList }, { formatPlatform }] = await Promise.all([
          import('../../../manifest-list/index.ts'),
          import('../../../oci/index.ts'),
        ])
        const { signal, logger } = run
        await using opened = await openLists(run)
        const { lists } = opened
        const listed: ListedList[] = []
        for (const { id, names, ...record } of await lists.records({ signal })) {
          const changedAt = record.changedAt.toISOString()
          try {
            const { list } = await ManifestList.loadFromImage(lists, id, { signal })
            const platforms = list
              .members()
              .flatMap(({ platform }) => (platform === undefined ? [] : [formatPlatform(platform)]))
            const { mediaType } = list.document().descriptor
            listed.push({ id, names, mediaType, memberCount: list.instances().length, platforms, changedAt })
          } catch (error) {
            // One that is damaged must not hide the others.
            if (!isTareError(error)) throw error
            logger.warn(error.message)
            listed.push({ id, names, mediaType: undefined, memberCount: undefined, platforms: [], changedAt })
          }
        }
        return { kind: 'answer', report: { lists: listed }, text: listsText(listed) }
      }),
    )
}

function listsText(lists: readonly ListedList[]): string {
  const columns = [
    { title: 'name' },
    { title: 'id' },
    { title: 'type' },
    { title: 'members', align: 'right' as const },
    { title: 'platforms' },
    { title: 'changed' },
  ]
  const rows = lists.flatMap(({ id, names, mediaType, memberCount, platforms, changedAt }) =>
    (names.length === 0 ? ['<none>'] : names).map((name) => [
      name,
      id.slice(0, 12),
      mediaType === undefined ? 'damaged' : shortMediaType(mediaType),
      memberCount === undefined ? '' : String(memberCount),
      platforms.join(', '),
      changedAt.slice(0, 19).replace('T', ' '),
    ]),
  )
  return formatTable(columns, rows)
}
