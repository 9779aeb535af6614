import { TareError } from '../errors/index.ts'
import { abortable, type ByteFile, type ByteSource, DiskFile, readAllBytes, SpoolDirectory } from '../stream/index.ts'
import { decompress, detectCompression, DETECTION_BYTES } from '../compress/index.ts'
import {
  BLOCK_BYTES,
  CorruptTarError,
  indexTarFile,
  resolveTarMember,
  safeEntryPath,
  type TarFileIndex,
  type TarMember,
} from '../tar/index.ts'
import { splitVolumePath, volumePath } from '../volumes/index.ts'
import { type ArchiveInputOptions, openArchiveFile } from './archive-input.ts'
import { CopyInspector } from './incomplete-archive.ts'
import { fileSize, type NamedFiles } from './named-files.ts'

/** Members of one archive; images have few. */
const MAX_ENTRIES = 200_000
/** How much larger than its wrapping an archive beyond 1 GiB may be; images seldom reach 20. */
const MAX_RATIO = 500
/** Files whose content is not checked by a digest: which of two would be read differs between tools. */
const DOCUMENTS: ReadonlySet<string> = new Set(['index.json', 'manifest.json', 'oci-layout', 'diffah.json'])

/** Options of {@link TarArchive.open}. `workdir` is also where a wrapped archive is unwrapped. */
export type TarArchiveOptions = ArchiveInputOptions

/** The files in a tar, read from where they lie in it. */
export class TarArchive implements NamedFiles {
  readonly #index: TarFileIndex
  readonly #repeated: ReadonlySet<string>
  /** Left out for what was unwrapped: a copy that was cut would not have come this far. */
  readonly #inspector: CopyInspector | undefined
  readonly #resources: AsyncDisposable

  private constructor(index: TarFileIndex, inspector: CopyInspector | undefined, resources: AsyncDisposable) {
    this.#index = index
    this.#inspector = inspector
    this.#resources = resources
    const seen = new Set<string>()
    this.#repeated = new Set(
      index.entries.map((entry) => entry.name).filter((name) => seen.size === seen.add(name).size),
    )
  }

  /**
   * Reads the headers of an archive: a file, volumes in place of a file, or `-` for standard input. One that is
   * wrapped in gzip or zstd is unwrapped to a file in the working directory first, which goes with this object.
   *
   * @throws {TareError} `FILE_NOT_FOUND`, `FILE_INCOMPLETE`, `VOLUME_MISSING`, `VOLUME_DAMAGED`, `INVALID_ARCHIVE`,
   * `CORRUPT_TAR`, `CORRUPT_GZIP`, `CORRUPT_ZSTD`, `UNSAFE_PATH`
   */
  static async open(path: string, options: TarArchiveOptions & { readonly otherwise: string }): Promise<TarArchive> {
    await using resources = new AsyncDisposableStack()
    const file = await openArchiveFile(path, options.otherwise, resources, options)
    const inspector = new CopyInspector(file)
    const head = await readAllBytes(
      file.read({ length: Math.min(DETECTION_BYTES, file.sizeBytes) }),
      DETECTION_BYTES,
      file.path,
    )
    const isWrapped = detectCompression(head) !== 'none'
    let tar = file
    try {
      if (isWrapped) tar = await unwrap(file, resources, options)
      const index = await indexArchive(tar)
      if (isWrapped) return new TarArchive(index, undefined, resources.move())
      if (!index.hasEndMark) options.logger?.debug(`${file.path}: the archive has no end mark`)
      const nothing = index.entries.length === 0 ? await inspector.explainNothing() : undefined
      if (nothing !== undefined) throw nothing
      return new TarArchive(index, inspector, resources.move())
    } catch (error) {
      // What came out of its wrapping whole was not cut on the way.
      const explained = tar === file ? await inspector.explain(error) : undefined
      throw explained ?? (await notAnArchive(error, tar, path)) ?? error
    }
  }

  /** @throws {TareError} `INVALID_ARCHIVE` for a document that is in there twice, and for links in a circle */
  async sizeOf(name: string): Promise<number | undefined> {
    return this.#member(name)?.sizeBytes
  }

  async *open(name: string, offset = 0): ByteSource {
    const member = this.#member(name)
    if (member === undefined) throw new TareError('INTERNAL', `${this.#index.path} has no ${name}`)
    const skipped = Math.min(offset, member.sizeBytes)
    yield* this.#index.file.read({ offset: member.offset + skipped, length: member.sizeBytes - skipped })
  }

  async whyIncomplete(name: string): Promise<TareError | undefined> {
    const member = this.#member(name)
    return member === undefined
      ? this.#inspector?.explainAbsence(this.#index)
      : this.#inspector?.explainContent(member, this.#index)
  }

  async whyCutOff(): Promise<TareError | undefined> {
    return this.#inspector?.explainEnd(this.#index)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]()
  }

  #member(name: string): TarMember | undefined {
    const path = safeEntryPath(name, this.#index.path)
    if (DOCUMENTS.has(path) && this.#repeated.has(path)) {
      throw new TareError('INVALID_ARCHIVE', `${this.#index.path} holds ${path} more than once`)
    }
    const member = resolveTarMember(this.#index, path)
    return member?.type === 'file' || member?.type === 'contiguous' ? member : undefined
  }
}

function indexArchive(file: ByteFile): Promise<TarFileIndex> {
  return indexTarFile(file, { maxEntries: MAX_ENTRIES })
}

/** Headers are looked for here and there, so what is wrapped has to be unwrapped first. */
async function unwrap(file: ByteFile, resources: AsyncDisposableStack, options: TarArchiveOptions): Promise<ByteFile> {
  const spool = resources.use(await SpoolDirectory.create(options.workdir))
  const wrapped = abortable(file.read(), options.signal)
  const { source } = await decompress(wrapped, { subject: file.path, maxRatio: MAX_RATIO })
  const unwrapped = await spool.write('archive', source)
  return DiskFile.at(unwrapped.path, `${file.path}, unwrapped`)
}

/** What is wrong at the very beginning says that it is no archive at all. */
async function notAnArchive(error: unknown, file: ByteFile, path: string): Promise<TareError | undefined> {
  if (!(error instanceof CorruptTarError) || (error.offset > 0 && file.sizeBytes >= BLOCK_BYTES)) return undefined
  const volume = splitVolumePath(path)
  const isVolume = volume !== undefined && (await fileSize(volumePath(volume.path, 1, 3))) !== undefined
  const hint = isVolume ? `It looks like a volume: give ${volume.path}, to read all of them` : undefined
  return new TareError('INVALID_ARCHIVE', `${file.path} is not a tar archive`, { cause: error, hint })
}
