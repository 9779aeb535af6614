import { type Descriptor, isIndexType, isManifestType, type Reference } from '../oci/index.ts'
import { RegistryClient } from '../registry/index.ts'
import {
  entryName,
  type ImageSource,
  LayoutImages,
  type OpenContext,
  openSource,
  parseReferenceOnDisk,
  type TransportReference,
} from '../transport/index.ts'
import type { InventoryInput } from './inventory.ts'

/** Images that were opened together; dispose to close them. */
export interface OpenedImages extends AsyncDisposable {
  readonly images: readonly InventoryInput[]
}

/** Options of {@link openImagesAt}. */
export interface ImagesAtOptions {
  /** Of a registry every tag of the repository, whatever tag the reference has. @default false */
  readonly allTags?: boolean | undefined
}

/**
 * Opens every image that a reference can mean: of a layout or archive all there are unless one is picked, of a repository
 * the one that is named, or all tags.
 *
 * @throws {TareError} as `openSource` does
 */
export async function openImagesAt(
  text: string | TransportReference,
  context: OpenContext,
  options: ImagesAtOptions = {},
): Promise<OpenedImages> {
  const reference = typeof text === 'string' ? await parseReferenceOnDisk(text) : text
  await using stack = new AsyncDisposableStack()
  const images: InventoryInput[] = []
  if ((reference.transport === 'oci' || reference.transport === 'oci-archive') && reference.pick === undefined) {
    const layout = stack.use(await LayoutImages.open(reference, context))
    for (const entry of layout.index.manifests.filter(isImage)) {
      const name = entryName(entry)?.replaceAll(/\s/g, '_') ?? ''
      images.push({ source: layout.image(entry), name, mayLackLayers: true })
    }
  } else if (reference.transport === 'docker' && options.allTags === true) {
    const client = stack.use(new RegistryClient(reference.reference.registry, context.registry))
    for await (const tagged of taggedReferences(client, reference.reference, context)) {
      images.push({ source: stack.use(await openIn(client, tagged, context)) })
    }
  } else {
    const source = stack.use(await openSource(reference, context))
    images.push({ source, mayLackLayers: reference.transport !== 'docker' })
  }
  const owned = stack.move()
  return { images, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** Opens every tag of every repository of a registry; it has to let its catalog be read. */
export async function openImagesOfRegistry(registry: string, context: OpenContext): Promise<OpenedImages> {
  const { signal, logger } = context
  await using stack = new AsyncDisposableStack()
  const client = stack.use(new RegistryClient(registry, context.registry))
  const images: InventoryInput[] = []
  for await (const repository of client.catalog({ signal, logger })) {
    for await (const tagged of taggedReferences(client, { registry, repository }, context)) {
      images.push({ source: stack.use(await openIn(client, tagged, context)) })
    }
  }
  const owned = stack.move()
  return { images, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

async function* taggedReferences(
  client: RegistryClient,
  { registry, repository }: Reference,
  { signal, logger }: OpenContext,
): AsyncIterable<Reference> {
  for await (const tag of client.repository(repository).tags({ signal, logger })) yield { registry, repository, tag }
}

function openIn(client: RegistryClient, reference: Reference, context: OpenContext): Promise<ImageSource> {
  const registry = { ...context.registry, client }
  return openSource({ transport: 'docker', reference }, { ...context, registry })
}

function isImage({ mediaType }: Descriptor): boolean {
  return isIndexType(mediaType) || isManifestType(mediaType)
}
