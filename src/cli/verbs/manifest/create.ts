import type { Command } from 'commander'
import { hasErrorCode } from '../../../errors/index.ts'
import type { ImageAddition, ManifestList } from '../../../manifest-list/index.ts'
import { parseAnnotations } from '../../annotation-options.ts'
import { examples, REFERENCE_HELP } from '../../help.ts'
import { imageArgument } from '../../image-argument.ts'
import { parsePlatforms, platformOption } from '../../image-options.ts'
import { annotationOption } from '../../member-options.ts'
import { openContext } from '../../open-context.ts'
import { openLists } from '../../open-lists.ts'
import type { Execute, Run } from '../../run.ts'
import { addReachOptions, type ReachOptionValues, reachValues } from './insecure-option.ts'
import { listResult } from './list-report.ts'

/** How the images of a command line are taken. */
export interface TakeOptionValues extends ReachOptionValues {
  readonly all?: boolean
  readonly platform?: readonly string[]
}

interface CreateOptionValues extends TakeOptionValues {
  readonly amend?: boolean
  readonly annotation?: readonly string[]
}

/** `tare manifest create LIST [IMAGE...]` */
export function defineManifestCreate(group: Command, execute: Execute): void {
  const command = group
    .command('create')
    .summary('make a list, of images or empty')
    .description(
      'Makes a list and keeps it under a name, with the images that are named. Nothing is copied: the list remembers ' +
        'where its members are. Where an image cannot be read, no list is made.',
    )
    .argument('<list>', 'name of the list')
    .argument('[image...]', 'images to begin with; a bare name is in a registry')
    .option('--all', 'take all members of an image that is an index')
    .option('-a, --amend', 'add to the list if it exists already')
    .addOption(annotationOption('an annotation of the list'))
    .addOption(platformOption('which member of an index to take'))
  addReachOptions(command)
    .addHelpText('after', REFERENCE_HELP)
    .addHelpText(
      'after',
      examples([
        ['An empty list', 'tare manifest create app:v1'],
        ['Of two images', 'tare manifest create app:v1 docker://registry.example/app:amd64 oci-archive:app-arm64.tar'],
      ]),
    )
    .action((name: string, images: readonly string[], values: CreateOptionValues) =>
      execute(async (run) => {
        const annotations = parseAnnotations(values.annotation)
        const { editList, ManifestList, normalizeListName } = await import('../../../manifest-list/index.ts')
        const fullName = normalizeListName(name)
        const additions = await readImages(images, values, run)
        await using opened = await openLists(run, true)
        const { lists } = opened
        const { signal, logger } = run
        const fill = (list: ManifestList): ManifestList => {
          list.setAnnotations(undefined, annotations)
          for (const addition of additions) list.addRead(addition, { logger })
          return list
        }
        try {
          const list = fill(ManifestList.create())
          return listResult(await list.saveToImage(lists, { names: [fullName], signal }), list)
        } catch (error) {
          if (values.amend !== true || !hasErrorCode(error, 'NAME_IN_USE')) throw error
        }
        const { id, output } = await editList(lists, fullName, fill, { signal })
        return listResult(id, output)
      }),
    )
}

/** Reads the images of a command line, one after the other, before anything is changed. */
export async function readImages(
  images: readonly string[],
  values: TakeOptionValues,
  run: Run,
): Promise<readonly ImageAddition[]> {
  const { readImage } = await import('../../../manifest-list/index.ts')
  const chosen = parsePlatforms(values.platform)
  const platforms = chosen.length === 0 ? [run.host.platform] : chosen
  const context = await openContext(run, reachValues(values))
  const additions: ImageAddition[] = []
  for (const image of images) {
    additions.push(await readImage(await imageArgument(image), { ...context, all: values.all, platforms }))
  }
  return additions
}
