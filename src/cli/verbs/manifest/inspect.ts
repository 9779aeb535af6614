import type { Command } from 'commander'
import { hasErrorCode, isTareError, TareError } from '../../../errors/index.ts'
import { examples } from '../../help.ts'
import { imageArgument } from '../../image-argument.ts'
import { openContext } from '../../open-context.ts'
import { openLists } from '../../open-lists.ts'
import type { Execute, Run } from '../../run.ts'
import { addReachOptions, type ReachOptionValues, reachValues } from './insecure-option.ts'

/** `tare manifest inspect LIST` */
export function defineManifestInspect(group: Command, execute: Execute): void {
  const command = group
    .command('inspect')
    .summary('show a list as JSON')
    .description(
      'Shows a list as JSON, as podman does. A name that no list has is looked for in a registry; an index of any ' +
        'transport can be named too.',
    )
    .argument('<list>', 'name or ID of a list, or an image')
  addReachOptions(command)
    .addHelpText(
      'after',
      examples([
        ['A list that is kept here', 'tare manifest inspect app:v1'],
        ['An index in a registry', 'tare manifest inspect docker://registry.example/app:v1'],
      ]),
    )
    .action((name: string, values: ReachOptionValues) =>
      execute(async (run) => {
        const bytes = (await inspectStored(name, run)) ?? (await inspectElsewhere(name, values, run))
        const text = new TextDecoder().decode(bytes)
        return { kind: 'answer', report: JSON.parse(text), text: `${text}\n` }
      }),
    )
}

/** Undefined where no list has that name. */
async function inspectStored(name: string, run: Run): Promise<Uint8Array | undefined> {
  const { findList, inspectList, ManifestList } = await import('../../../manifest-list/index.ts')
  const { signal } = run
  await using opened = await openLists(run)
  const { lists } = opened
  try {
    const { id } = await findList(lists, name, { signal })
    const { list } = await ManifestList.loadFromImage(lists, id, { signal })
    return inspectList(list, list.document().descriptor.mediaType)
  } catch (error) {
    if (hasErrorCode(error, 'NOT_FOUND', 'NOT_A_LIST')) return undefined
    throw error
  }
}

/** What has no transport was perhaps meant for a list, so an error says that there is none. */
async function inspectElsewhere(name: string, values: ReachOptionValues, run: Run): Promise<Uint8Array> {
  const { hasTransportPrefix } = await import('../../../transport/index.ts')
  try {
    return await inspectImage(name, values, run)
  } catch (error) {
    if (!isTareError(error) || hasTransportPrefix(name)) throw error
    const { code, message, hint } = error
    throw new TareError(code, `no list is named ${JSON.stringify(name)}, and ${message}`, { cause: error, hint })
  }
}

async function inspectImage(name: string, values: ReachOptionValues, run: Run): Promise<Uint8Array> {
  const [{ openSource }, { inspectList, ListModel }] = await Promise.all([
    import('../../../transport/index.ts'),
    import('../../../manifest-list/index.ts'),
  ])
  await using source = await openSource(await imageArgument(name), await openContext(run, reachValues(values)))
  const { descriptor, bytes } = await source.resolve({ signal: run.signal })
  const { mediaType } = descriptor
  try {
    return inspectList(ListModel.fromBytes(bytes, { subject: source.reference, mediaType }), mediaType)
  } catch (error) {
    if (!hasErrorCode(error, 'NOT_A_LIST')) throw error
    run.logger.warn(`${source.reference} is not a list but a single image of type ${mediaType}`)
    const document: unknown = JSON.parse(new TextDecoder().decode(bytes))
    return new TextEncoder().encode(JSON.stringify(document, undefined, 4))
  }
}
