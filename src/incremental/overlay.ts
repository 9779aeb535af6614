import { CopyError } from '../errors/index.ts'
import { DEFAULT_CONCURRENCY, type ImageTree, readImageTree } from '../image/index.ts'
import { type Descriptor, type Digest, MEDIA_TYPE } from '../oci/index.ts'
import { type ByteSource, counted, mapLimited, type OperationOptions, type ProgressEvent } from '../stream/index.ts'
import {
  type ArchiveOutputOptions,
  entryName,
  LayoutImages,
  type LayoutReference,
  OciArchiveWriter,
} from '../transport/index.ts'
import { formatBases, INCREMENTAL_ANNOTATION, parseBases, recordedName, type RecordedBase } from './archive-format.ts'
import { IncrementalArchive } from './read-archive.ts'

/** Options of {@link diffArchives}. */
export interface DiffArchivesOptions extends ArchiveOutputOptions {
  /** Begins to read what an archive named `-` stands for. Left out, there is none. */
  readonly standardInput?: (() => ByteSource) | undefined
  /** Blobs copied at a time. @default 6 */
  readonly concurrency?: number | undefined
}

/** What {@link diffArchives} made. */
export interface OverlayReport {
  readonly path: string
  readonly fileBytes: number
  readonly images: readonly { readonly name?: string | undefined; readonly digest: Digest }[]
  /** Blobs of the new archive that the overlay holds, and their bytes. */
  readonly carriedBlobs: number
  readonly carriedBytes: number
  /** Blobs of the new archive that the old one has, and their bytes. */
  readonly omittedBlobs: number
  readonly omittedBytes: number
}

/**
 * Writes what a new archive has beyond an old one: all documents, and the blobs that the old archive lacks. Pushing the
 * old archive with the overlay over it is the same as pushing the new one.
 *
 * @param oldArchive - an OCI archive or layout, complete or incremental
 * @param newArchive - the one to tell the difference of
 * @param path - the overlay, an OCI archive
 * @throws {TareError} `FILE_NOT_FOUND`, `INVALID_ARCHIVE`, `CORRUPT_TAR`, `DESTINATION_EXISTS`, …
 */
export async function diffArchives(
  oldArchive: LayoutReference,
  newArchive: LayoutReference,
  path: string,
  options: DiffArchivesOptions = {},
): Promise<OverlayReport> {
  options.signal?.throwIfAborted()
  await using before = await LayoutImages.open(oldArchive, options)
  await using archive = await IncrementalArchive.open(newArchive, options)
  await using writer = await OciArchiveWriter.create(path, options)
  const contents = await listContents(archive, options)
  const blobs: Descriptor[] = []
  const omitted: Descriptor[] = []
  for (const blob of contents.blobs) {
    // What the new archive leaves out itself is for the receiver to have, as before.
    if (!(await archive.hasBlob(blob))) continue
    if ((await before.sizeOf(blob.digest)) === blob.size) omitted.push(blob)
    else blobs.push(blob)
  }
  const index = overlayIndex(archive, before)
  const carried = [...contents.documents, ...blobs]
  await writer.layOut(index.length, carried)
  await mapLimited(
    carried,
    options.concurrency ?? DEFAULT_CONCURRENCY,
    (blob, _index, signal) => copyBlob(blob, archive, writer, { ...options, signal }),
    options,
  )
  const fileBytes = await writer.commit(index, options)
  return {
    path,
    fileBytes,
    images: archive.images.map(({ name, entry }) => ({ name, digest: entry.digest })),
    carriedBlobs: blobs.length,
    carriedBytes: bytesOf(blobs),
    omittedBlobs: omitted.length,
    omittedBytes: bytesOf(omitted),
  }
}

interface ArchiveContents {
  /** Manifests, indexes, and what the archive says of itself. */
  readonly documents: readonly Descriptor[]
  readonly blobs: readonly Descriptor[]
}

async function listContents(archive: IncrementalArchive, options: OperationOptions): Promise<ArchiveContents> {
  const documents = new Map<Digest, Descriptor>()
  const blobs = new Map<Digest, Descriptor>()
  const addTree = (tree: ImageTree): void => {
    for (const { descriptor } of tree.documents.toReversed()) documents.set(descriptor.digest, descriptor)
    for (const { descriptor } of tree.blobs) blobs.set(descriptor.digest, descriptor)
  }
  for (const { source, referrers } of archive.images) {
    addTree(await readImageTree(source, { ...options, configs: 'skip' }))
    for (const { descriptor } of referrers) {
      const root = { descriptor, bytes: await source.readManifest(descriptor, options) }
      addTree(await readImageTree(source, { ...options, root, configs: 'skip' }))
    }
  }
  for (const descriptor of archive.ownDocuments) documents.set(descriptor.digest, descriptor)
  return {
    documents: [...documents.values()],
    blobs: [...blobs.values()].filter(({ digest }) => !documents.has(digest)),
  }
}

/** The index of the new archive, with the images of the old one among its bases. */
function overlayIndex(archive: IncrementalArchive, before: LayoutImages): Uint8Array {
  const old = before.index.manifests.map(
    (entry): RecordedBase => ({ name: recordedName(entryName(entry) ?? ''), digest: entry.digest }),
  )
  const manifests = archive.images.map(({ entry }) => {
    const bases = [...parseBases(entry.annotations?.[INCREMENTAL_ANNOTATION.BASE] ?? ''), ...old]
    const unique = [...new Map(bases.map((base) => [formatBases([base]), base])).values()]
    const { mediaType, digest, size, artifactType, platform } = entry
    const annotations = { ...entry.annotations, [INCREMENTAL_ANNOTATION.BASE]: formatBases(unique) }
    return { mediaType, digest, size, artifactType, platform, annotations }
  })
  const { annotations } = archive
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.OCI_INDEX, manifests, annotations }))
}

async function copyBlob(
  descriptor: Descriptor,
  archive: IncrementalArchive,
  writer: OciArchiveWriter,
  options: OperationOptions,
): Promise<void> {
  const { digest, size } = descriptor
  const progress = (state: ProgressEvent['state'], doneBytes: number): void =>
    options.onProgress?.({ kind: 'blob', id: digest, label: 'blob', doneBytes, totalBytes: size, state })
  progress('started', 0)
  try {
    const open = async (): Promise<ByteSource> => {
      let doneBytes = 0
      const source = await archive.openBlob(descriptor, options)
      return counted(source, (length) => progress('running', (doneBytes += length)))
    }
    await writer.put(descriptor, open, options)
    progress('done', size)
  } catch (error) {
    progress('failed', 0)
    throw CopyError.at('source', digest, error)
  }
}

function bytesOf(blobs: readonly Descriptor[]): number {
  return blobs.reduce((sum, blob) => sum + blob.size, 0)
}
