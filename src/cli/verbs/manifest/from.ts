import type { Command } from 'commander'
import { TareError } from '../../../errors/index.ts'
import type { ImageAddition } from '../../../manifest-list/index.ts'
import { parseAnnotations } from '../../annotation-options.ts'
import { examples, REFERENCE_HELP } from '../../help.ts'
import { imageArgument } from '../../image-argument.ts'
import { parsePlatforms, platformOption } from '../../image-options.ts'
import { annotationOption } from '../../member-options.ts'
import { openContext } from '../../open-context.ts'
import { pushText } from '../../render/push-text.ts'
import type { Execute, Run } from '../../run.ts'
import { readSubject } from './add.ts'
import { reachValues } from './insecure-option.ts'
import { writeDigest } from './push.ts'
import { addPushOptions, type PushOptionValues, pushOptions } from './push-options.ts'

interface FromOptionValues extends PushOptionValues {
  readonly annotation?: readonly string[]
  readonly artifactType?: string
  readonly platform?: readonly string[]
  readonly subject?: string
}

/** `tare manifest from IMAGE... DESTINATION` */
export function defineManifestFrom(group: Command, execute: Execute): void {
  const command = group
    .command('from')
    .summary('make a list of images and push it, in one go')
    .description(
      'Makes a list of images, all members of each index among them, and pushes it with its members. Nothing is kept ' +
        'here.',
    )
    .argument('<image...>', 'images, and at last where to push the list; a bare name is in a registry')
    .addOption(platformOption('take only what is for this platform'))
    .addOption(annotationOption('an annotation of the list'))
    .option('--artifact-type <type>', 'artifact type of the list')
    .option('--subject <image>', 'what the list refers to')
  addPushOptions(command)
    .addHelpText('after', REFERENCE_HELP)
    .addHelpText(
      'after',
      examples([
        [
          'Of an archive and an image',
          'tare manifest from oci-archive:app-arm64.tar docker://registry.example/app:amd64 docker://registry.example/app:v1',
        ],
        [
          'Two platforms of an index',
          'tare manifest from --platform linux/amd64 --platform linux/arm64 docker://debian:13 docker://mirror.example/debian:13',
        ],
      ]),
    )
    .action((references: readonly string[], values: FromOptionValues) =>
      execute(async (run) => {
        const images = references.slice(0, -1)
        const destination = references.at(-1)
        if (destination === undefined || images.length === 0) {
          throw new TareError('INVALID_COMMAND_LINE', 'there is no image, or no destination', {
            hint: 'Name at least one image and then where to push the list',
          })
        }
        const annotations = parseAnnotations(values.annotation)
        const target = await imageArgument(destination)
        run.standard.claimOutput(target)
        await using resources = new AsyncDisposableStack()
        const options = await pushOptions(values, target, resources, run)
        const [{ ManifestList }, { MemoryListStore }] = await Promise.all([
          import('../../../manifest-list/index.ts'),
          import('../../../store/index.ts'),
        ])
        const list = ManifestList.create()
        const additions = await readAll(images, values, run)
        for (const addition of await narrowed(additions, values)) list.addRead(addition, { logger: run.logger })
        list.setAnnotations(undefined, annotations)
        list.setArtifactType(undefined, values.artifactType ?? '')
        if (values.subject !== undefined) list.setSubject(await readSubject(values.subject, sourceSide(values), run))
        await list.saveToImage(new MemoryListStore())
        const report = await list.push(target, options)
        await writeDigest(values.digestfile, report)
        const name = images.length === 1 ? (images[0] ?? '') : `a list of ${images.length} images`
        return { kind: 'summary', report, text: pushText(name, report) }
      }),
    )
}

async function readAll(
  images: readonly string[],
  values: FromOptionValues,
  run: Run,
): Promise<readonly ImageAddition[]> {
  const { readImage } = await import('../../../manifest-list/index.ts')
  const context = await openContext(run, reachValues(values), 'src')
  const additions: ImageAddition[] = []
  for (const image of images) additions.push(await readImage(await imageArgument(image), { ...context, all: true }))
  return additions
}

/** The source's own options count for reading what is referred to as well. */
function sourceSide(values: FromOptionValues): FromOptionValues {
  const { srcCreds, srcNoCreds, srcRegistryToken, srcAuthfile, srcTlsVerify, srcCertDir } = values
  const creds = srcCreds ?? (srcNoCreds === true ? false : values.creds)
  return {
    ...values,
    ...(creds === undefined ? {} : { creds }),
    ...(srcRegistryToken === undefined ? {} : { registryToken: srcRegistryToken }),
    ...(srcAuthfile === undefined ? {} : { authfile: srcAuthfile }),
    ...(srcTlsVerify === undefined ? {} : { tlsVerify: srcTlsVerify }),
    ...(srcCertDir === undefined ? {} : { certDir: srcCertDir }),
  }
}

/** Of all members together the best for each platform, with their attestations. */
async function narrowed(
  additions: readonly ImageAddition[],
  { platform }: FromOptionValues,
): Promise<readonly ImageAddition[]> {
  const platforms = parsePlatforms(platform)
  if (platforms.length === 0) return additions
  const { selectMembers } = await import('../../../manifest-list/index.ts')
  const members = additions.flatMap((addition) => addition.members)
  const picked = new Set(selectMembers(members, platforms).map(({ digest }) => digest))
  return additions.flatMap((addition) => {
    const kept = addition.members.filter(({ digest }) => picked.has(digest))
    return kept.length === 0 ? [] : [{ ...addition, members: kept }]
  })
}
