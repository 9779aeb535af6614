import { type Command, InvalidArgumentError, Option } from 'commander'
import { TareError } from '../../errors/index.ts'
import type { ImagePlace } from '../../incremental/index.ts'
import { examples, REFERENCE_HELP } from '../help.ts'
import { collect } from '../option-values.ts'
import { openContext } from '../open-context.ts'
import { addRegistryOptions, type RegistryOptionValues } from '../registry-options.ts'
import type { Execute } from '../run.ts'
import { tareVersion } from '../tare-version.ts'

interface InventoryOptionValues extends RegistryOptionValues {
  readonly output?: string
  readonly allTags?: boolean
  readonly registry?: readonly string[]
  readonly allOf?: readonly ImagePlace[]
}

const PLACES: readonly ImagePlace[] = ['store', 'containerd', 'docker-daemon']

function collectPlace(text: string, before: readonly ImagePlace[] = []): readonly ImagePlace[] {
  const place = PLACES.find((each) => each === text)
  if (place !== undefined) return [...before, place]
  throw new InvalidArgumentError(`Allowed choices are ${PLACES.join(', ')}.`)
}

/** `tare inventory REF… -o FILE` */
export function defineInventory(program: Command, execute: Execute): void {
  const command = program
    .command('inventory')
    .summary('write down which layers there are, for incremental pulls elsewhere')
    .description(
      'Writes a small file with digests, diffIDs, sizes and platforms of images. Where the images themselves are out of ' +
        'reach it stands for them as base of tare incremental pull. Layers are not read.',
    )
    .argument('[image...]', 'images to take stock of; a layout or archive without a name means all that are in it')
    .option('-o, --output <file>', 'file to write')
    .option('--all-tags', 'take every tag of the repositories')
    .addOption(
      new Option('--registry <host>', 'take every tag of every repository of a registry (repeatable)').argParser(
        collect,
      ),
    )
    .addOption(
      new Option('--all-of <place>', 'take every image of a place: store, containerd or docker-daemon (repeatable)')
        .choices(PLACES)
        .argParser(collectPlace),
    )
  addRegistryOptions(command, [])
    .addHelpText('after', REFERENCE_HELP)
    .addHelpText(
      'after',
      examples([
        ['Two images', 'tare inventory docker://mirror.example/app:v1 docker://mirror.example/db:v3 -o site.json'],
        ['All releases of an application', 'tare inventory --all-tags docker://mirror.example/app -o site.json'],
        ['Everything a registry has', 'tare inventory --registry mirror.example -o site.json'],
        ['Everything containerd has', 'tare inventory --all-of containerd -o site.json'],
        ['Use it', 'tare incremental pull --base inventory:site.json docker://registry.example/app:v2 app.tar'],
      ]),
    )
    .action((references: readonly string[], values: InventoryOptionValues) =>
      execute(async (run) => {
        const { allTags, output, registry = [], allOf = [] } = values
        if (references.length + registry.length + allOf.length === 0) {
          throw new TareError('INVALID_ARGUMENT', 'tare inventory wants an image, --registry or --all-of', {
            hint: 'Such as tare inventory docker://mirror.example/app:v1 -o site.json',
          })
        }
        if (output === undefined) {
          throw new TareError('INVALID_COMMAND_LINE', 'tare inventory wants a file to write', {
            hint: 'Add -o FILE, or --output FILE for a file called text or json',
          })
        }
        const [{ listImagesOf, openImagesAt, openImagesOfRegistry, takeInventory, writeInventory }, { inventoryText }] =
          await Promise.all([import('../../incremental/index.ts'), import('../render/incremental-text.ts')])
        const context = await openContext(run, values)
        const { signal, logger, onProgress } = run
        await using resources = new AsyncDisposableStack()
        const opened = []
        for (const host of registry) opened.push(resources.use(await openImagesOfRegistry(host, context)))
        for (const text of references) opened.push(resources.use(await openImagesAt(text, context, { allTags })))
        const inputs = opened.flatMap(({ images }) => images)
        for (const place of allOf) inputs.push(...(await listImagesOf(place, context)))
        const inventory = await takeInventory(inputs, `tare ${tareVersion()}`, { signal, logger, onProgress })
        const fileBytes = await writeInventory(output, inventory)
        const report = { path: output, fileBytes, ...inventory }
        return { kind: 'summary', report, text: inventoryText(output, fileBytes, inventory) }
      }),
    )
}
