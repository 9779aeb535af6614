import { stat } from 'node:fs/promises'
import type { Delta, DeltaSet } from '../delta/index.ts'
import { hasErrorCode, TareError } from '../errors/index.ts'
import type { FinalInput, ImageSelection, IncrementalArchive, Inventory, NamedImage } from '../incremental/index.ts'
import type { RegistryClient } from '../registry/index.ts'
import type { Logger } from '../stream/index.ts'
import type {
  ImageDestination,
  ImageSource,
  LayoutReference,
  OpenContext,
  TransportReference,
} from '../transport/index.ts'
import { checkIsDelta } from './delta-input.ts'
import type { ImageOpener } from './image-opener.ts'
import { parsePlatforms } from './image-options.ts'
import type { TargetOptionValues } from './target-options.ts'

const INVENTORY_PREFIX = 'inventory:'

/**
 * Opens base images: `inventory:FILE`, or the bare path of one, stands for all images of an inventory; a layout or archive
 * without a name for all that are in it.
 *
 * @throws {TareError} as `openSource` does, `INVALID_DOCUMENT` for a file that is no inventory
 */
export async function openBases(
  texts: readonly string[],
  context: OpenContext,
  resources: AsyncDisposableStack,
): Promise<readonly ImageSource[]> {
  const { inventorySources, openImagesAt, readInventory } = await import('../incremental/index.ts')
  const sources: ImageSource[] = []
  for (const text of texts) {
    const path = await inventoryPath(text)
    if (path !== undefined) sources.push(...inventorySources(await readInventory(path)))
    else sources.push(...resources.use(await openImagesAt(text, context)).images.map(({ source }) => source))
  }
  return sources
}

/**
 * Opens baselines of a delta; `inventory:FILE` stands for all images of an inventory, whose layers can be left out and not
 * be patched.
 *
 * @throws {TareError} as `openSource` does, `INVALID_DOCUMENT` for a file that is no inventory
 */
export async function openBaselines(
  texts: readonly string[],
  opener: ImageOpener,
  logger: Logger,
): Promise<readonly ImageSource[]> {
  const sources: ImageSource[] = []
  for (const text of texts) {
    if (!text.startsWith(INVENTORY_PREFIX)) {
      sources.push(await opener.open(text))
      continue
    }
    const { inventorySources } = await import('../incremental/index.ts')
    sources.push(...inventorySources(await openInventory(text)))
  }
  warnOfInventories(sources, logger)
  return sources
}

/** Says that digests are no content. */
export function warnOfInventories(baselines: readonly ImageSource[], logger: Logger): void {
  if (!baselines.some((baseline) => baseline.holdsLayers === false)) return
  logger.warn(
    'an inventory tells which layers the receiver has, not what is in them: those are left out whole, and nothing is ' +
      'patched against them; content patches need the layers themselves',
  )
}

/**
 * Opens final images, each with the name that its reference gives it.
 *
 * @throws {TareError} as `openSource` does
 */
export async function openFinals(
  texts: readonly string[],
  context: OpenContext,
  resources: AsyncDisposableStack,
): Promise<readonly FinalInput[]> {
  const [{ referenceName }, { openSource, parseReferenceOnDisk }] = await Promise.all([
    import('../incremental/index.ts'),
    import('../transport/index.ts'),
  ])
  const inputs: FinalInput[] = []
  for (const text of texts) {
    const reference = await parseReferenceOnDisk(text)
    inputs.push({ source: resources.use(await openSource(reference, context)), name: referenceName(reference) })
  }
  return inputs
}

/** Reads the inventory that an argument names, by its path or as `inventory:FILE`. */
export async function openInventory(text: string): Promise<Inventory> {
  const { readInventory } = await import('../incremental/index.ts')
  return readInventory(text.startsWith(INVENTORY_PREFIX) ? text.slice(INVENTORY_PREFIX.length) : text)
}

/** The file, if the text means an inventory: by its prefix, or a bare path where a file lies. */
async function inventoryPath(text: string): Promise<string | undefined> {
  if (text.startsWith(INVENTORY_PREFIX)) return text.slice(INVENTORY_PREFIX.length)
  const { hasTransportPrefix } = await import('../transport/index.ts')
  if (hasTransportPrefix(text)) return undefined
  const found = await stat(text).catch(() => undefined)
  return found?.isFile() === true ? text : undefined
}

/**
 * The archive that an argument names: a bare path, `oci-archive:FILE` or `oci:DIRECTORY`.
 *
 * @throws {TareError} `INVALID_ARGUMENT` for another transport; `FILE_NOT_FOUND`, `INVALID_ARCHIVE` for a bare path
 */
export async function archiveReference(text: string, context: OpenContext): Promise<LayoutReference> {
  const { hasTransportPrefix, parseReferenceOnDisk } = await import('../transport/index.ts')
  if (!hasTransportPrefix(text)) {
    await checkIsDelta(text, context, 'an archive')
    return { transport: 'oci-archive', path: text }
  }
  const reference = await parseReferenceOnDisk(text)
  if (reference.transport === 'oci-archive' || reference.transport === 'oci') return reference
  throw new TareError('INVALID_ARGUMENT', `${reference.transport}: is no incremental archive`, {
    hint: 'Give the path of an OCI archive, or oci:DIRECTORY',
  })
}

/**
 * Where an archive is written: a bare path, or `oci-archive:FILE` without a name.
 *
 * @throws {TareError} `INVALID_ARGUMENT`
 */
export async function archivePath(text: string): Promise<string> {
  const { hasTransportPrefix, parseReferenceOnDisk } = await import('../transport/index.ts')
  if (!hasTransportPrefix(text)) return text
  const reference = await parseReferenceOnDisk(text)
  if (reference.transport === 'oci-archive' && reference.pick === undefined) return reference.path
  throw new TareError('INVALID_ARGUMENT', `an incremental archive is written to a file, not to ${text}`, {
    hint: 'Give a path; the images in it keep their names',
  })
}

/**
 * Reads `--map NAME=REFERENCE`.
 *
 * @throws {TareError} `INVALID_ARGUMENT`
 */
export function parseMap(texts: readonly string[] | undefined): ReadonlyMap<string, string> {
  return new Map(
    (texts ?? []).map((text) => {
      const at = text.indexOf('=')
      if (at > 0 && at < text.length - 1) return [text.slice(0, at), text.slice(at + 1)] as const
      throw new TareError('INVALID_ARGUMENT', `--map ${JSON.stringify(text)} is not NAME=REFERENCE`, {
        hint: 'Such as --map registry.example/app:v2=docker://mirror.example/app:v2',
      })
    }),
  )
}

/** What `--platform` picks; without one all members. @throws {TareError} `INVALID_ARGUMENT` */
export function parseSelection(values: {
  readonly platform?: readonly string[]
  readonly allPlatforms?: boolean
}): ImageSelection {
  const platforms = parsePlatforms(values.platform)
  if (platforms.length === 0) return { kind: 'all' }
  if (values.allPlatforms !== true) return { kind: 'platforms', platforms }
  throw new TareError('INVALID_ARGUMENT', '--platform and --all-platforms exclude each other', {
    hint: 'All platforms are taken unless --platform picks some',
  })
}

/**
 * Opens a destination for each image of an archive, or of a delta; those in one registry share its connections.
 *
 * @throws {TareError} `INVALID_ARGUMENT`, and as `openDestination` does
 */
export async function openMappings<Image extends NamedImage>(
  images: readonly Image[],
  choice: { readonly destination: string | undefined; readonly map: ReadonlyMap<string, string> },
  context: OpenContext,
  resources: AsyncDisposableStack,
): Promise<readonly { readonly image: Image; readonly destination: ImageDestination }[]> {
  const [{ chooseDestinations }, { openDestination, parseReferenceOnDisk }] = await Promise.all([
    import('../incremental/index.ts'),
    import('../transport/index.ts'),
  ])
  const clients = new Map<string, RegistryClient>()
  const mappings: { readonly image: Image; readonly destination: ImageDestination }[] = []
  for (const { image, reference } of chooseDestinations(images, choice)) {
    const parsed = await parseReferenceOnDisk(reference)
    const shared = await sharedContext(parsed, context, clients, resources)
    mappings.push({ image, destination: resources.use(await openDestination(parsed, shared)) })
  }
  return mappings
}

async function sharedContext(
  reference: TransportReference,
  context: OpenContext,
  clients: Map<string, RegistryClient>,
  resources: AsyncDisposableStack,
): Promise<OpenContext> {
  if (reference.transport !== 'docker') return context
  const { registry } = reference.reference
  const { RegistryClient: Client } = await import('../registry/index.ts')
  const client = clients.get(registry) ?? resources.use(new Client(registry, context.registry))
  clients.set(registry, client)
  return { ...context, registry: { ...context.registry, client } }
}

/** A delta, or one of a bundle, as an image that goes somewhere. */
export interface DeltaImage extends NamedImage {
  readonly delta: Delta
}

/** What `tare incremental push` and `vet` take. */
export type OpenedPushable =
  | { readonly kind: 'delta'; readonly set: DeltaSet; readonly images: readonly DeltaImage[] }
  | { readonly kind: 'images'; readonly archive: IncrementalArchive }

/**
 * Opens a delta, a bundle, or an archive of images with what lies over it; it is held by `resources`.
 *
 * @param overlays - archives laid over it
 * @throws {TareError} as {@link archiveReference} and `openSource` do
 */
export async function openPushable(
  text: string,
  overlays: readonly string[] | undefined,
  context: OpenContext,
  resources: AsyncDisposableStack,
): Promise<OpenedPushable> {
  const reference = await archiveReference(text, context)
  const over = await Promise.all((overlays ?? []).map((each) => archiveReference(each, context)))
  const [{ openArchive, readArchive }, { IncrementalArchive: Archive }] = await Promise.all([
    import('./open-deltas.ts'),
    import('../incremental/index.ts'),
  ])
  const opened = await openArchive(text, context, resources)
  try {
    const set = await readArchive(opened, undefined, context)
    const images = set.deltas.map(
      (delta): DeltaImage => ({ delta, name: set.isBundle ? delta.name : undefined, entry: delta.plan.target }),
    )
    return { kind: 'delta', set, images }
  } catch (error) {
    // An archive of several images is told by that it can't be resolved to one.
    if (!hasErrorCode(error, 'NOT_A_DELTA', 'AMBIGUOUS_IMAGE', 'NOT_FOUND')) throw error
  }
  const files = opened.format === 'tare' ? opened.whole?.files : undefined
  return {
    kind: 'images',
    archive: resources.use(await Archive.open(reference, { ...context, overlays: over, files })),
  }
}

/**
 * Refuses options that only archives of images understand.
 *
 * @throws {TareError} `INVALID_ARGUMENT`
 */
export function checkDeltaOptions({ overlay, platform }: TargetOptionValues): void {
  const unfit = [overlay && '--overlay', platform && '--platform'].find((option) => option)
  if (unfit === undefined) return
  throw new TareError('INVALID_ARGUMENT', `${unfit} does not go with a delta`, {
    hint: 'A delta makes its images whole: give their destinations alone',
  })
}
