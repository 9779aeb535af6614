import { readFile, stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { fileError, TareError } from '../../../errors/index.ts'
import type { ListAddition } from '../../../manifest-list/index.ts'
import type { Descriptor } from '../../../oci/index.ts'
import { examples, REFERENCE_HELP } from '../../help.ts'
import { imageArgument } from '../../image-argument.ts'
import { platformOption } from '../../image-options.ts'
import { addMemberOptions, applyMemberOptions, type MemberOptionValues } from '../../member-options.ts'
import { openContext } from '../../open-context.ts'
import { openLists } from '../../open-lists.ts'
import type { Execute, Run } from '../../run.ts'
import { readImages, type TakeOptionValues } from './create.ts'
import { addReachOptions, type ReachOptionValues, reachValues } from './insecure-option.ts'
import { listResult } from './list-report.ts'

interface AddOptionValues extends TakeOptionValues, MemberOptionValues {
  readonly artifact?: boolean
  readonly artifactConfig?: string
  readonly artifactConfigType?: string
  readonly artifactExcludeTitles?: boolean
  readonly artifactLayerType?: string
  readonly artifactSubject?: string
  readonly artifactType?: string
}

/** An embedded config is at most 1 MiB; a file that is larger is not read. */
const MAX_CONFIG_BYTES = 1024 * 1024

/** `tare manifest add LIST IMAGE...` */
export function defineManifestAdd(group: Command, execute: Execute): void {
  const command = group
    .command('add')
    .summary('add images, or an artifact made of files, to a list')
    .description(
      'Adds images to a list. Nothing is copied: the list remembers where they are. What an image is for comes from its ' +
        'index or its config; options say otherwise. An image that is listed already moves to the end.',
    )
    .argument('<list>', 'name or ID of the list')
    .argument('<image...>', 'images, a bare name is in a registry; with --artifact files')
    .option('--all', 'add all members of an image that is an index')
    .addOption(platformOption('which member of an index to add'))
  addMemberOptions(command)
  command
    .optionsGroup('Artifact Options:')
    .option('--artifact', 'add one artifact that is made of the files')
    .option('--artifact-type <type>', 'its type (default: application/vnd.unknown.artifact.v1)')
    .option('--artifact-config <file>', 'its config (default: an empty one)')
    .option('--artifact-config-type <type>', 'media type of its config')
    .option('--artifact-layer-type <type>', 'media type of its files (default: what they look like)')
    .option('--artifact-exclude-titles', 'do not record the names of the files')
    .option('--artifact-subject <image>', 'what it refers to')
    .optionsGroup('Options:')
  addReachOptions(command)
    .addHelpText('after', REFERENCE_HELP)
    .addHelpText(
      'after',
      examples([
        ['An image of an archive', 'tare manifest add app:v1 oci-archive:app-arm64.tar'],
        ['Every platform of an index', 'tare manifest add --all app:v1 docker://registry.example/base:v3'],
        ['A list of contents', 'tare manifest add app:v1 --artifact --artifact-type application/spdx+json sbom.json'],
      ]),
    )
    .action((name: string, images: readonly string[], values: AddOptionValues) =>
      execute(async (run) => {
        checkArtifactOptions(values)
        const { editList, findList, warnOfClashes } = await import('../../../manifest-list/index.ts')
        const { signal, logger } = run
        await using opened = await openLists(run)
        const { lists } = opened
        await findList(lists, name, { signal })
        const additions: readonly ListAddition[] =
          values.artifact === true
            ? [await readArtifactFiles(images, values, run)]
            : await readImages(images, values, run)
        const { id, output } = await editList(
          lists,
          name,
          (list) => {
            for (const addition of additions) applyMemberOptions(list, list.addRead(addition), values)
            // Only now is it known for what they are.
            warnOfClashes(
              list.members(),
              additions.flatMap(({ members }) => members),
              logger,
            )
            return list
          },
          { signal },
        )
        return listResult(id, output)
      }),
    )
}

function checkArtifactOptions(values: AddOptionValues): void {
  if (values.artifact === true) return
  const [option] = Object.keys(values).filter((name) => /^artifact[A-Z]/.test(name))
  if (option === undefined) return
  const flag = option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  throw new TareError('INVALID_ARGUMENT', `--${flag} is for artifacts only`, { hint: 'Add --artifact' })
}

async function readArtifactFiles(files: readonly string[], values: AddOptionValues, run: Run): Promise<ListAddition> {
  const { readArtifact } = await import('../../../manifest-list/index.ts')
  const { artifactConfig, artifactSubject, signal } = { ...values, signal: run.signal }
  return readArtifact(files, {
    artifactType: values.artifactType,
    config: artifactConfig === undefined ? undefined : await readConfig(artifactConfig),
    configType: values.artifactConfigType,
    layerType: values.artifactLayerType,
    excludeTitles: values.artifactExcludeTitles,
    subject: artifactSubject === undefined ? undefined : await readSubject(artifactSubject, values, run),
    signal,
  })
}

async function readConfig(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path)
    if (size <= MAX_CONFIG_BYTES) return await readFile(path)
  } catch (error) {
    throw fileError(path, 'read', error)
  }
  throw new TareError('LIMIT_EXCEEDED', `${path} is too large for a config`, {
    hint: `The limit is ${MAX_CONFIG_BYTES} bytes; add large content as a file`,
  })
}

/**
 * What a list or an artifact is to refer to: the image's descriptor.
 *
 * @throws {TareError} as opening and reading the image does
 */
export async function readSubject(image: string, values: ReachOptionValues, run: Run): Promise<Descriptor> {
  const [{ openSource }, { bareDescriptor, parseManifestDocument }] = await Promise.all([
    import('../../../transport/index.ts'),
    import('../../../oci/index.ts'),
  ])
  await using source = await openSource(await imageArgument(image), await openContext(run, reachValues(values)))
  const { descriptor, bytes } = await source.resolve({ signal: run.signal })
  const { digest, mediaType } = descriptor
  const { artifactType } = parseManifestDocument(bytes, { subject: `manifest ${digest}`, mediaType })
  return { ...bareDescriptor(descriptor), artifactType }
}
