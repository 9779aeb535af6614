import type { ByteSource } from '../stream/index.ts'
import { CorruptTarError } from './corrupt-tar-error.ts'
import { paddingLength, type TarEntry } from './tar-entry.ts'
import { DEFAULT_MAX_HEADER_BYTES, TarHeads } from './tar-heads.ts'
import { StreamInput } from './tar-input.ts'

/** How {@link readTar} reads. */
export interface ReadTarOptions {
  /** What is read, for errors: `layer sha256:…`. @default 'archive' */
  readonly subject?: string | undefined
  /** Bound on all headers of one entry together. @default 4194304 */
  readonly maxHeaderBytes?: number | undefined
}

/** An entry while the archive passes by it. Its bytes are `entry.headerBytes`, `content`, `padding()`, in this order. */
export interface TarEntryItem {
  readonly kind: 'entry'
  readonly entry: TarEntry
  /** The stored content; can be read once, before `padding()` is called or the iteration goes on. */
  readonly content: ByteSource
  /**
   * The bytes between content and next header, mostly zeros; passes over what is left of the content. Shorter than
   * the rest of the block only where the archive ends.
   */
  padding(): Promise<Uint8Array>
}

/** Everything after the last entry: zero blocks, if any, and whatever follows them. Always the last item. */
export interface TarTrailerItem {
  readonly kind: 'trailer'
  /** Where it begins in the archive. */
  readonly offset: number
  readonly content: ByteSource
}

/** Part of an archive. The bytes of all items in order are the archive, bit for bit. */
export type TarItem = TarEntryItem | TarTrailerItem

/**
 * Reads an archive in one pass: v7, ustar, GNU (long names, sparse files, base-256 numbers) and PAX (local, global,
 * sparse). Contents are streamed, or passed over when the consumer just goes on. After the trailer the source has been
 * read to its end, so a `verified` source has been checked. The archive may end without zero blocks; the first zero
 * block ends the entries.
 *
 * Memory: one chunk of the source, and the headers of one entry.
 *
 * @throws {CorruptTarError} code `CORRUPT_TAR`, with the offset: bad checksum, malformed field, cut off
 * @throws {TareError} `LIMIT_EXCEEDED` when the headers of an entry, or the global records, are too large
 * @see https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html
 * @see https://www.gnu.org/software/tar/manual/html_node/Standard.html
 */
export async function* readTar(source: ByteSource, options: ReadTarOptions = {}): AsyncGenerator<TarItem, void> {
  const subject = options.subject ?? 'archive'
  const input = new StreamInput(source)
  try {
    const heads = new TarHeads(input, subject, options.maxHeaderBytes ?? DEFAULT_MAX_HEADER_BYTES)
    for (;;) {
      const head = await heads.next()
      if (head.kind === 'end') {
        yield { kind: 'trailer', offset: head.offset, content: trailerContent(head.bytes, input) }
        await input.skip(Number.POSITIVE_INFINITY)
        return
      }
      const body = new EntryBody(input, head.entry, subject)
      yield { kind: 'entry', entry: head.entry, content: body.content(), padding: () => body.padding() }
      await body.padding()
    }
  } finally {
    await input.close()
  }
}

/** The archive again: writes items as they were read. Consumes their contents. */
export async function* tarBytes(items: AsyncIterable<TarItem>): ByteSource {
  for await (const item of items) {
    if (item.kind === 'entry') yield item.entry.headerBytes
    yield* item.content
    if (item.kind === 'entry') {
      const padding = await item.padding()
      if (padding.length > 0) yield padding
    }
  }
}

async function* trailerContent(begun: Uint8Array, input: StreamInput): ByteSource {
  if (begun.length > 0) yield begun
  for (let chunk = await input.readChunk(Number.POSITIVE_INFINITY); chunk !== undefined; ) {
    yield chunk
    chunk = await input.readChunk(Number.POSITIVE_INFINITY)
  }
}

/** Content and padding of one entry, read or passed over. */
class EntryBody {
  readonly #input: StreamInput
  readonly #entry: TarEntry
  readonly #subject: string
  #leftBytes: number
  #wasCut = false
  #padding: Promise<Uint8Array> | undefined

  constructor(input: StreamInput, entry: TarEntry, subject: string) {
    this.#input = input
    this.#entry = entry
    this.#subject = subject
    this.#leftBytes = entry.sizeBytes
  }

  async *content(): ByteSource {
    while (this.#leftBytes > 0 || this.#wasCut) {
      // A consumer that kept the content for later must not take it for complete.
      if (this.#wasCut) throw new TypeError(`content of ${this.#entry.path} was passed over; read it before going on`)
      const chunk = await this.#input.readChunk(this.#leftBytes)
      if (chunk === undefined) throw this.#truncated()
      this.#leftBytes -= chunk.length
      yield chunk
    }
  }

  padding(): Promise<Uint8Array> {
    this.#padding ??= this.#finish()
    return this.#padding
  }

  async #finish(): Promise<Uint8Array> {
    if (this.#leftBytes > 0) {
      this.#wasCut = true
      this.#leftBytes -= await this.#input.skip(this.#leftBytes)
      if (this.#leftBytes > 0) throw this.#truncated()
    }
    const length = paddingLength(this.#entry.sizeBytes)
    return length === 0 ? NO_PADDING : (this.#input.readNow(length) ?? this.#input.read(length))
  }

  #truncated(): CorruptTarError {
    const { contentOffset, sizeBytes, path } = this.#entry
    const neededBytes = contentOffset + sizeBytes
    return new CorruptTarError(this.#subject, this.#input.position, `archive ends inside ${path}`, neededBytes)
  }
}

const NO_PADDING = new Uint8Array(0)
