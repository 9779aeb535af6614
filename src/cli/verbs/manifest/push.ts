import { type Command, Option } from 'commander'
import { TareError } from '../../../errors/index.ts'
import type { ManifestList, PushListReport, Selection } from '../../../manifest-list/index.ts'
import { parseDigest } from '../../../oci/index.ts'
import { examples, REFERENCE_HELP } from '../../help.ts'
import { imageArgument } from '../../image-argument.ts'
import { parsePlatforms, platformOption } from '../../image-options.ts'
import { openLists } from '../../open-lists.ts'
import { collect } from '../../option-values.ts'
import { pushText } from '../../render/push-text.ts'
import type { Execute } from '../../run.ts'
import { addPushOptions, type PushOptionValues, pushOptions } from './push-options.ts'

interface ManifestPushOptionValues extends PushOptionValues {
  readonly all?: boolean
  readonly instance?: readonly string[]
  readonly partial?: 'keep' | 'rewrite'
  readonly platform?: readonly string[]
  readonly purge?: boolean
  readonly rm?: boolean
}

/** `tare manifest push LIST [DESTINATION]` */
export function defineManifestPush(group: Command, execute: Execute): void {
  const command = group
    .command('push')
    .summary('push a list with its members')
    .description(
      'Pushes a list, and its members from wherever they are. Each blob is sent once, and not where the destination has ' +
        'it; the name moves last.',
    )
    .argument('<list>', 'name or ID of the list')
    .argument('[destination]', 'where to push it; default: the registry that the name of the list begins with')
    .option('--all', 'push all members, which is the default')
    .option('--no-all', 'push the list alone')
    .addOption(
      new Option('--instance <digest>', 'push only this member beside the list (repeatable)').argParser(collect),
    )
    .addOption(platformOption('push only what is for this platform; one alone stands for itself'))
    .addOption(
      new Option('--partial <how>', 'when members are left out, keep the list as it is, or write it anew without them')
        .choices(['keep', 'rewrite'])
        .default('keep'),
    )
    .option('--rm', 'remove the list here when it was pushed')
    .addOption(new Option('-p, --purge', 'as --rm').hideHelp())
  addPushOptions(command)
    .addHelpText('after', REFERENCE_HELP)
    .addHelpText(
      'after',
      examples([
        ['With all members', 'tare manifest push app:v1 docker://registry.example/app:v1'],
        ['In Docker’s format', 'tare manifest push --format v2s2 app:v1 docker://registry.example/app:v1'],
        [
          'With a zstd copy of each',
          'tare manifest push --add-compression zstd app:v1 docker://registry.example/app:v1',
        ],
      ]),
    )
    .action((name: string, destination: string | undefined, values: ManifestPushOptionValues) =>
      execute(async (run) => {
        const { destinationOfName, findList, ManifestList } = await import('../../../manifest-list/index.ts')
        const { signal } = run
        await using opened = await openLists(run)
        const { lists } = opened
        const { id, names } = await findList(lists, name, { signal })
        const target = await imageArgument(destination ?? destinationOfName(names[0] ?? name))
        run.standard.claimOutput(target)
        const { list } = await ManifestList.loadFromImage(lists, id, { signal })
        await using resources = new AsyncDisposableStack()
        const options = await pushOptions(values, target, resources, run)
        const report = await list.push(target, { ...options, ...(await selectionOf(list, values)) })
        await writeDigest(values.digestfile, report)
        if (values.rm === true || values.purge === true) await lists.remove(id, { signal })
        return { kind: 'summary', report, text: pushText(names[0] ?? id, report) }
      }),
    )
}

/**
 * Which members go: of several platforms the list names just those.
 *
 * @throws {TareError} `INVALID_ARGUMENT`, `NO_MATCHING_PLATFORM`
 */
async function selectionOf(
  list: ManifestList,
  { all = true, instance = [], platform, partial = 'keep' }: ManifestPushOptionValues,
): Promise<{ readonly selection: Selection; readonly partial: 'keep' | 'rewrite' }> {
  const platforms = parsePlatforms(platform)
  const ways = [!all && '--no-all', instance.length > 0 && '--instance', platforms.length > 0 && '--platform']
  const chosen = ways.filter((way) => way !== false)
  if (chosen.length > 1) {
    throw new TareError('INVALID_ARGUMENT', `${chosen.join(' and ')} exclude each other`, { hint: 'Give one of them' })
  }
  const [wanted, ...more] = platforms
  if (wanted !== undefined && more.length === 0) return { selection: { kind: 'system', platform: wanted }, partial }
  if (wanted !== undefined) {
    const { selectMembers } = await import('../../../manifest-list/index.ts')
    const instances = selectMembers(list.members(), platforms).map(({ digest }) => digest)
    return { selection: { kind: 'specific', instances }, partial: 'rewrite' }
  }
  if (all && instance.length === 0) return { selection: { kind: 'all' }, partial }
  return { selection: { kind: 'specific', instances: instance.map((text) => parseDigest(text)) }, partial }
}

/** Without a line break, as podman writes it. */
export async function writeDigest(path: string | undefined, { digest }: PushListReport): Promise<void> {
  if (path === undefined) return
  const { bytesSource, writeFileAtomically } = await import('../../../stream/index.ts')
  await writeFileAtomically(path, bytesSource(new TextEncoder().encode(digest)))
}
