import { stat } from 'node:fs/promises'
import { fileError, hasErrorCode, TareError } from '../errors/index.ts'
import {
  abortable,
  type ByteSource,
  type OperationOptions,
  readAllBytes,
  readFileRange,
  SpoolDirectory,
} from '../stream/index.ts'
import { decompress, detectCompression, DETECTION_BYTES } from '../compress/index.ts'
import { CorruptTarError, indexTarFile, resolveTarMember, safeEntryPath, type TarFileIndex } from '../tar/index.ts'
import type { NamedFiles } from './named-files.ts'

/** Members of one archive; images have few. */
const MAX_ENTRIES = 200_000
/** How much larger than its wrapping an archive beyond 1 GiB may be; images seldom reach 20. */
const MAX_RATIO = 500
/** Files whose content is not checked by a digest: which of two would be read differs between tools. */
const DOCUMENTS: ReadonlySet<string> = new Set(['index.json', 'manifest.json', 'oci-layout', 'diffah.json'])

/** Options of {@link TarArchive.open}. */
export interface TarArchiveOptions extends OperationOptions {
  /** Where a wrapped archive is unwrapped. @default the system's temporary directory */
  readonly workdir?: string | undefined
}

/** The files in a tar, read from where they lie in it. */
export class TarArchive implements NamedFiles {
  readonly #path: string
  readonly #index: TarFileIndex
  readonly #repeated: ReadonlySet<string>
  readonly #spool: SpoolDirectory | undefined

  private constructor(path: string, index: TarFileIndex, spool: SpoolDirectory | undefined) {
    this.#path = path
    this.#index = index
    this.#spool = spool
    const seen = new Set<string>()
    this.#repeated = new Set(
      index.entries.map((entry) => entry.name).filter((name) => seen.size === seen.add(name).size),
    )
  }

  /**
   * Reads the headers of an archive. One that is wrapped in gzip or zstd is unwrapped to a file in the working
   * directory first, which goes with this object.
   *
   * @throws {TareError} `FILE_NOT_FOUND`, `INVALID_ARCHIVE`, `CORRUPT_TAR`, `CORRUPT_GZIP`, `CORRUPT_ZSTD`, `UNSAFE_PATH`
   */
  static async open(path: string, options: TarArchiveOptions & { readonly otherwise: string }): Promise<TarArchive> {
    options.signal?.throwIfAborted()
    const head = await readHead(path, options.otherwise)
    if (detectCompression(head) === 'none') return new TarArchive(path, await indexArchive(path, path), undefined)
    const spool = await SpoolDirectory.create(options.workdir)
    try {
      const wrapped = abortable(readFileRange(path), options.signal)
      const { source } = await decompress(wrapped, { subject: path, maxRatio: MAX_RATIO })
      const unwrapped = await spool.write('archive', source)
      return new TarArchive(path, await indexArchive(unwrapped.path, path), spool)
    } catch (error) {
      await spool[Symbol.asyncDispose]()
      throw error
    }
  }

  /** @throws {TareError} `INVALID_ARCHIVE` for a document that is in there twice, and for links in a circle */
  async sizeOf(name: string): Promise<number | undefined> {
    return this.#member(name)?.sizeBytes
  }

  async *open(name: string, offset = 0): ByteSource {
    const member = this.#member(name)
    if (member === undefined) throw new TareError('INTERNAL', `${this.#path} has no ${name}`)
    const skipped = Math.min(offset, member.sizeBytes)
    yield* readFileRange(this.#index.path, { offset: member.offset + skipped, length: member.sizeBytes - skipped })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#spool?.[Symbol.asyncDispose]()
  }

  #member(name: string): { readonly offset: number; readonly sizeBytes: number } | undefined {
    const path = safeEntryPath(name, this.#path)
    if (DOCUMENTS.has(path) && this.#repeated.has(path)) {
      throw new TareError('INVALID_ARCHIVE', `${this.#path} holds ${path} more than once`)
    }
    const member = resolveTarMember(this.#index, path)
    return member?.type === 'file' || member?.type === 'contiguous' ? member : undefined
  }
}

/** @param shownPath - the path the user knows */
async function indexArchive(path: string, shownPath: string): Promise<TarFileIndex> {
  try {
    return await indexTarFile(path, { maxEntries: MAX_ENTRIES })
  } catch (error) {
    if (error instanceof CorruptTarError && error.offset === 0) {
      throw new TareError('INVALID_ARCHIVE', `${shownPath} is not a tar archive`, { cause: error })
    }
    if (path === shownPath || !hasErrorCode(error, 'CORRUPT_TAR', 'UNSAFE_PATH', 'LIMIT_EXCEEDED')) throw error
    throw new TareError(error.code, `${shownPath}, unwrapped: ${error.message}`, { cause: error, hint: error.hint })
  }
}

async function readHead(path: string, otherwise: string): Promise<Uint8Array> {
  const found = await stat(path).catch((error: unknown) => {
    throw fileError(path, 'read', error)
  })
  if (!found.isFile()) throw new TareError('INVALID_ARCHIVE', `${path} is not a file`, { hint: `Try ${otherwise}` })
  return readAllBytes(readFileRange(path, { length: Math.min(DETECTION_BYTES, found.size) }), DETECTION_BYTES, path)
}
