import { randomBytes } from 'node:crypto'
import { posix } from 'node:path'
import { hasErrorCode, TareError } from '../../errors/index.ts'
import { decompress, detectCompression, DETECTION_BYTES } from '../../compress/index.ts'
import {
  type ContentStore,
  type Descriptor,
  type Digest,
  formatGoJson,
  IMAGE_NAME_ANNOTATION,
  isDigest,
  MEDIA_TYPE,
  parseJson,
  type Platform,
  readDocument,
  REF_NAME_ANNOTATION,
} from '../../oci/index.ts'
import { quoteForFilter, UNCOMPRESSED_LABEL, writeBlob } from '../../store/index.ts'
import {
  abortable,
  type ByteSource,
  bytesSource,
  digestOf,
  type OperationOptions,
  readAllBytes,
  verified,
} from '../../stream/index.ts'
import { readTar, safeEntryPath, type TarEntryItem } from '../../tar/index.ts'
import { imagePlatforms } from '../content/image-platforms.ts'
import { formatDescriptor } from '../go-descriptor.ts'
import { joinMembers } from '../json-text.ts'
import { normalName, referenceObject } from './reference-names.ts'

/** Compresses the plain layers of a Docker archive. */
export interface ImportCompression {
  /** What the layers become. */
  readonly compression: 'gzip' | 'zstd'
  compress(plain: ByteSource): ByteSource
}

/** Options of {@link importIndex}. */
export interface ImportIndexOptions extends OperationOptions {
  /** Of Docker archives, which hold layers as plain tars; others come with a manifest that must not change. */
  readonly compression?: ImportCompression | undefined
}

/** Documents of an archive are not larger. */
const MAX_DOCUMENT_BYTES = 20 * 1024 * 1024
const MAX_ENTRIES = 200_000
/** How much larger than its wrapping an archive beyond 1 GiB may be. */
const MAX_RATIO = 500
const MAX_IMAGES = 10_000
const MAX_LAYERS = 10_000
const LAYOUT_VERSION = '1.0.0'
const DOCUMENTS: ReadonlySet<string> = new Set(['oci-layout', 'index.json', 'manifest.json'])

/**
 * Reads an archive into a content store in one pass: an OCI layout, or what `docker save` writes, or both in one, where
 * the layout counts. It may be wrapped in gzip or zstd. Every file becomes a blob; those that nothing refers to go with
 * the next collection, unless a lease keeps them. Layers of a layout may be missing.
 *
 * Memory: documents, and a chunk of the blob under way.
 *
 * @returns the index of the archive: the layout's own, or one made up for a Docker archive
 * @throws {TareError} `INVALID_ARCHIVE` for what is no such archive, or lacks a file that Docker's manifest names;
 * `UNSAFE_PATH`, `DIGEST_MISMATCH` for a blob that is not what its path says, `UNSUPPORTED_FORMAT`, `CORRUPT_TAR`, …
 */
export async function importIndex(
  content: ContentStore,
  archive: ByteSource,
  options: ImportIndexOptions = {},
): Promise<Descriptor> {
  options.signal?.throwIfAborted()
  const files = new ArchiveFiles(content, options)
  const { source } = await decompress(abortable(archive, options.signal), { subject: 'archive', maxRatio: MAX_RATIO })
  await files.read(source)
  const layout = files.documents.get('oci-layout')
  if (layout !== undefined) {
    checkLayout(layout)
    return importLayout(content, files, options)
  }
  const manifest = files.documents.get('manifest.json')
  if (manifest === undefined) {
    throw new TareError('INVALID_ARCHIVE', 'archive has neither oci-layout nor manifest.json', {
      hint: 'It has to be an OCI layout in a tar, or what docker save writes',
    })
  }
  files.resolveLinks()
  return new DockerImport(content, files, options).run(manifest)
}

/** A file of the archive that is a blob now. */
interface ArchivedBlob {
  readonly digest: Digest
  readonly size: number
}

/** Takes the files of an archive into a content store as they come by. */
class ArchiveFiles {
  readonly documents = new Map<string, Uint8Array>()
  readonly blobs = new Map<string, ArchivedBlob>()
  readonly #links = new Map<string, string>()
  readonly #content: ContentStore
  readonly #options: ImportIndexOptions
  /** Other imports of the same archive must not wait for this one. */
  readonly #run = randomBytes(6).toString('hex')
  #entryCount = 0

  constructor(content: ContentStore, options: ImportIndexOptions) {
    this.#content = content
    this.#options = options
  }

  async read(archive: ByteSource): Promise<void> {
    for await (const item of readTar(archive)) {
      if (item.kind === 'trailer') continue
      if (++this.#entryCount > MAX_ENTRIES) {
        throw new TareError('LIMIT_EXCEEDED', `archive has more than ${MAX_ENTRIES} entries`)
      }
      await this.#take(item)
    }
  }

  /** Docker before 1.10 and others link layers that are the same. */
  resolveLinks(): void {
    for (const [name, target] of this.#links) {
      let at: string | undefined = target
      for (let links = 0; at !== undefined && !this.blobs.has(at) && links < MAX_LINKS; links++)
        at = this.#links.get(at)
      const blob = at === undefined ? undefined : this.blobs.get(at)
      if (blob === undefined) throw new TareError('INVALID_ARCHIVE', `archive: link ${name} leads to no file`)
      this.blobs.set(name, blob)
    }
  }

  async #take(item: TarEntryItem): Promise<void> {
    const { entry } = item
    if (entry.type === 'directory') return
    const name = safeEntryPath(entry.path)
    if (entry.type === 'file' || entry.type === 'contiguous') {
      return DOCUMENTS.has(name) ? this.#takeDocument(name, item) : this.#takeBlob(name, item)
    }
    if (entry.type === 'symlink') {
      this.#links.set(name, safeEntryPath(posix.join(posix.dirname(name), entry.linkPath)))
    } else if (entry.type === 'hardlink') this.#links.set(name, safeEntryPath(entry.linkPath))
    else this.#options.logger?.debug(`archive: ${name} is no file, and left out`)
  }

  async #takeDocument(name: string, { content }: TarEntryItem): Promise<void> {
    // Which of two would be read differs between tools.
    if (this.documents.has(name)) throw new TareError('INVALID_ARCHIVE', `archive holds ${name} more than once`)
    this.documents.set(name, await readAllBytes(content, MAX_DOCUMENT_BYTES, name))
  }

  async #takeBlob(name: string, { entry, content }: TarEntryItem): Promise<void> {
    const [, algorithm, hex] = /^blobs\/([a-z0-9]+)\/([0-9a-f]+)$/.exec(name) ?? []
    const stated = `${algorithm}:${hex}`
    const expected = isDigest(stated) ? { digest: stated, size: entry.sizeBytes } : { size: entry.sizeBytes }
    const ref = `import-${this.#run}-${this.#entryCount}`
    try {
      const { digest, sizeBytes } = await writeBlob(
        this.#content,
        ref,
        () => this.#progress(name, entry.sizeBytes, content),
        {
          expected,
          signal: this.#options.signal,
        },
      )
      this.blobs.set(name, { digest, size: sizeBytes })
    } catch (error) {
      await this.#content.abort(ref).catch(() => {})
      if (!hasErrorCode(error, 'DIGEST_MISMATCH')) throw error
      throw new TareError(error.code, `archive: ${name} is not what its name says: ${error.message}`, { cause: error })
    }
  }

  async *#progress(name: string, totalBytes: number, source: ByteSource): ByteSource {
    const { onProgress } = this.#options
    const digest = name.replace(/^blobs\/([a-z0-9]+)\//, '$1:')
    const [id, label] = isDigest(digest) ? [digest, 'blob'] : [name, 'file']
    let doneBytes = 0
    onProgress?.({ kind: 'blob', id, label, doneBytes, totalBytes, state: 'started' })
    for await (const chunk of source) {
      doneBytes += chunk.length
      yield chunk
      onProgress?.({ kind: 'blob', id, label, doneBytes, totalBytes, state: 'running' })
    }
    onProgress?.({ kind: 'blob', id, label, doneBytes, totalBytes, state: 'done' })
  }
}

/** Links followed from one name before it is taken for a circle. */
const MAX_LINKS = 16

function checkLayout(bytes: Uint8Array): void {
  const version = readDocument(parseJson(bytes, 'oci-layout', MAX_DOCUMENT_BYTES), 'oci-layout', (root) =>
    root.object(['imageLayoutVersion']).at('imageLayoutVersion').string(),
  )
  if (version === LAYOUT_VERSION) return
  throw new TareError(
    'UNSUPPORTED_FORMAT',
    `archive is an OCI layout of version ${JSON.stringify(version.slice(0, 32))}; Tare reads ${LAYOUT_VERSION}`,
  )
}

async function importLayout(
  content: ContentStore,
  files: ArchiveFiles,
  options: ImportIndexOptions,
): Promise<Descriptor> {
  const bytes = files.documents.get('index.json')
  if (bytes === undefined) throw new TareError('INVALID_ARCHIVE', 'archive is an OCI layout without index.json')
  return writeDocument(content, MEDIA_TYPE.OCI_INDEX, bytes, options)
}

async function writeDocument(
  content: ContentStore,
  mediaType: string,
  bytes: Uint8Array,
  { signal }: ImportIndexOptions,
): Promise<Descriptor> {
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length }
  await writeBlob(content, `manifest-${descriptor.digest}`, () => bytesSource(bytes), { expected: descriptor, signal })
  return descriptor
}

/** An element of Docker's `manifest.json`. */
interface DockerElement {
  readonly config: string
  readonly repoTags: readonly string[]
  readonly layers: readonly string[]
}

/** Makes up manifests, and an index, for what `docker save` wrote. */
class DockerImport {
  readonly #content: ContentStore
  readonly #files: ArchiveFiles
  readonly #options: ImportIndexOptions
  readonly #layers = new Map<Digest, Descriptor>()

  constructor(content: ContentStore, files: ArchiveFiles, options: ImportIndexOptions) {
    this.#content = content
    this.#files = files
    this.#options = options
  }

  async run(manifest: Uint8Array): Promise<Descriptor> {
    const members: Descriptor[] = []
    for (const element of parseElements(manifest)) {
      const descriptor = await this.#importImage(element)
      if (element.repoTags.length === 0) members.push(descriptor)
      for (const tag of element.repoTags) members.push(named(descriptor, normalName(tag)))
    }
    const index = joinMembers([
      ['schemaVersion', '2'],
      ['manifests', `[${members.map(formatDescriptor).join(',')}]`],
    ])
    return writeDocument(this.#content, MEDIA_TYPE.OCI_INDEX, Buffer.from(index), this.#options)
  }

  async #importImage({ config, layers }: DockerElement): Promise<Descriptor> {
    const configDescriptor = { mediaType: MEDIA_TYPE.DOCKER_CONFIG, ...this.#file(config) }
    const layerDescriptors: Descriptor[] = []
    for (const layer of layers) layerDescriptors.push(await this.#layer(this.#file(layer)))
    const manifest = joinMembers([
      ['schemaVersion', '2'],
      ['mediaType', formatGoJson(MEDIA_TYPE.DOCKER_MANIFEST)],
      ['config', formatDescriptor(configDescriptor)],
      ['layers', `[${layerDescriptors.map(formatDescriptor).join(',')}]`],
    ])
    const descriptor = await writeDocument(
      this.#content,
      MEDIA_TYPE.DOCKER_MANIFEST,
      Buffer.from(manifest),
      this.#options,
    )
    const [platform] = await imagePlatforms(this.#content, descriptor, this.#options)
    return platform === undefined ? descriptor : { ...descriptor, platform: plainPlatform(platform) }
  }

  /** A layer by its plain digest: a compressed twin where there is one, else as it is, or compressed. */
  async #layer(blob: ArchivedBlob): Promise<Descriptor> {
    const known = this.#layers.get(blob.digest)
    if (known !== undefined) return known
    const layer = (await this.#twin(blob.digest)) ?? (await this.#stated(blob))
    this.#layers.set(blob.digest, layer)
    return layer
  }

  async #twin(digest: Digest): Promise<Descriptor | undefined> {
    const filter = `labels.${quoteForFilter(UNCOMPRESSED_LABEL)}==${digest}`
    for await (const twin of this.#content.list([filter], this.#options)) {
      return { mediaType: await this.#typeOf(twin.digest), digest: twin.digest, size: twin.sizeBytes }
    }
    return undefined
  }

  async #stated(blob: ArchivedBlob): Promise<Descriptor> {
    const { compression } = this.#options
    const mediaType = await this.#typeOf(blob.digest)
    const isPlain = mediaType === MEDIA_TYPE.DOCKER_LAYER && blob.size > 0
    return isPlain && compression !== undefined ? this.#compressed(blob, compression) : { mediaType, ...blob }
  }

  async #compressed(blob: ArchivedBlob, into: ImportCompression): Promise<Descriptor> {
    const ref = `compress-blob-${blob.digest}-${randomBytes(6).toString('hex')}`
    const content = this.#content
    async function* open(): ByteSource {
      await using reader = await content.openReader(blob)
      yield* into.compress(verified(reader.read(), blob, 'layer'))
    }
    try {
      const labels = { [UNCOMPRESSED_LABEL]: blob.digest }
      const { digest, sizeBytes } = await writeBlob(content, ref, open, { labels, signal: this.#options.signal })
      const mediaType = into.compression === 'gzip' ? MEDIA_TYPE.DOCKER_LAYER_GZIP : MEDIA_TYPE.DOCKER_LAYER_ZSTD
      return { mediaType, digest, size: sizeBytes }
    } catch (error) {
      await content.abort(ref).catch(() => {})
      throw error
    }
  }

  async #typeOf(digest: Digest): Promise<string> {
    await using reader = await this.#content.openReader({ digest }, this.#options)
    const head = await readAllBytes(reader.read({ length: DETECTION_BYTES }), DETECTION_BYTES, `layer ${digest}`)
    switch (detectCompression(head)) {
      case 'none':
        return MEDIA_TYPE.DOCKER_LAYER
      case 'gzip':
        return MEDIA_TYPE.DOCKER_LAYER_GZIP
      case 'zstd':
        return MEDIA_TYPE.DOCKER_LAYER_ZSTD
    }
  }

  #file(name: string): ArchivedBlob {
    const found = this.#files.blobs.get(safeEntryPath(name))
    if (found !== undefined) return found
    throw new TareError(
      'INVALID_ARCHIVE',
      `archive: manifest.json names ${JSON.stringify(name.slice(0, 200))}, which is not in it`,
    )
  }
}

function parseElements(bytes: Uint8Array): readonly DockerElement[] {
  const subject = 'manifest.json'
  return readDocument(parseJson(bytes, subject, MAX_DOCUMENT_BYTES), subject, (root) =>
    root.list(MAX_IMAGES, (node) => {
      node.object(['Config', 'RepoTags', 'Layers'])
      return {
        config: node.at('Config').string(),
        repoTags: node.at('RepoTags').list(MAX_IMAGES, (tag) => tag.string()),
        layers: node.at('Layers').list(MAX_LAYERS, (layer) => layer.string()),
      }
    }),
  )
}

function named(descriptor: Descriptor, name: string): Descriptor {
  return {
    ...descriptor,
    annotations: { [IMAGE_NAME_ANNOTATION]: name, [REF_NAME_ANNOTATION]: referenceObject(name) },
  }
}

/** What an index says of a member, beside versions and features. */
function plainPlatform({
  os,
  architecture,
  variant,
  'os.version': version,
  'os.features': features,
}: Platform): Platform {
  return { os, architecture, variant, 'os.version': version, 'os.features': features }
}
