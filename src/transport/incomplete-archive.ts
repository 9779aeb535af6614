import { CorruptStreamError } from '../compress/index.ts'
import { hasErrorCode, IncompleteFileError, type TareError } from '../errors/index.ts'
import { type ByteFile, type ByteSource, type ExpectedContent, readAllBytes, verified } from '../stream/index.ts'
import { BLOCK_BYTES, CorruptTarError, TAR_TRAILER, type TarFileIndex, type TarMember } from '../tar/index.ts'

/** Zeros that content may well end in: the length at the end of a gzip stream has a few. */
const USUAL_ZEROS = 15
/** GNU tar and others fill the last record with zeros. */
const RECORD_BYTES = 20 * BLOCK_BYTES
/** How much is looked at at a time, from the end. */
const WINDOW_BYTES = 64 * 1024

/**
 * What a half-copied archive looks like: cut off, or with zeros where the copying program took the room and did not
 * get to fill it. Zeros alone prove nothing, so they are looked at only when something else is wrong.
 */
export class CopyInspector {
  readonly #file: ByteFile
  #zerosFrom: Promise<number> | undefined

  constructor(file: ByteFile) {
    this.#file = file
  }

  /** Why the headers of the archive, or its wrapping, cannot be read; undefined where that is no matter of copying. */
  async explain(error: unknown): Promise<IncompleteFileError | undefined> {
    const { path, sizeBytes: actualBytes } = this.#file
    if (error instanceof CorruptTarError) {
      if (error.neededBytes !== undefined) return (await this.#beginsLikeTar()) ? this.#cut(error) : undefined
      // From the middle of a header on: the header is damaged as well.
      return (await this.#zeroTail()) < error.offset + BLOCK_BYTES ? this.#ending(error) : undefined
    }
    if (!(error instanceof CorruptStreamError)) return undefined
    if (actualBytes - (await this.#zeroTail()) > USUAL_ZEROS) return this.#ending(error)
    return error.isCutOff ? new IncompleteFileError(path, { actualBytes }, error) : undefined
  }

  /** What may be the reason that a member is not there; undefined where the archive looks whole. */
  async explainAbsence(index: TarFileIndex): Promise<IncompleteFileError | undefined> {
    const last = index.entries.at(-1)
    return (await this.explainEnd(index)) ?? (last && this.explainContent(last, index))
  }

  /** Why the archive does not end as one does; undefined where it looks whole, whatever its last member ends in. */
  async explainEnd(index: TarFileIndex): Promise<IncompleteFileError | undefined> {
    const { path, sizeBytes: actualBytes } = this.#file
    if (!index.hasEndMark) return new IncompleteFileError(path, { actualBytes })
    return (await this.#hasHole(index)) ? this.#ending() : undefined
  }

  /** What may be the reason that a member has other bytes than it should. */
  async explainContent(member: TarMember, index: TarFileIndex): Promise<IncompleteFileError | undefined> {
    const zeros = member.offset + member.sizeBytes - (await this.#zeroTail())
    const isSuspect = zeros > USUAL_ZEROS || (zeros > 0 && (await this.#hasHole(index)))
    return isSuspect ? this.#ending() : undefined
  }

  /** Whether there are zeros after the members, and more of them than an archive ends in. */
  async #hasHole({ endOffset }: TarFileIndex): Promise<boolean> {
    const { sizeBytes } = this.#file
    const zeros = (await this.#zeroTail()) <= endOffset ? sizeBytes - endOffset : 0
    const isPadding = sizeBytes % RECORD_BYTES === 0 && zeros < RECORD_BYTES + TAR_TRAILER.length
    return zeros > TAR_TRAILER.length && !isPadding
  }

  /** What a file without a single whole member is; undefined where it holds anything. */
  async explainNothing(): Promise<IncompleteFileError | undefined> {
    return (await this.#zeroTail()) === 0 ? this.#ending() : undefined
  }

  /** A header begins with a name, and zeros after it. */
  async #beginsLikeTar(): Promise<boolean> {
    if (this.#file.sizeBytes >= BLOCK_BYTES) return true
    const bytes = await readAllBytes(this.#file.read(), BLOCK_BYTES, this.#file.path)
    return bytes.indexOf(0) > 0
  }

  async #ending(cause?: unknown): Promise<IncompleteFileError> {
    const { path, sizeBytes: actualBytes } = this.#file
    return new IncompleteFileError(path, { actualBytes, zerosFromByte: await this.#zeroTail() }, cause)
  }

  #cut(error: CorruptTarError): IncompleteFileError {
    const { path, sizeBytes: actualBytes } = this.#file
    return new IncompleteFileError(path, { actualBytes, expectedBytes: error.neededBytes }, error)
  }

  /** Where the zeros begin that the file ends in; its size where the last byte is none. */
  #zeroTail(): Promise<number> {
    this.#zerosFrom ??= zeroTail(this.#file)
    return this.#zerosFrom
  }
}

async function zeroTail(file: ByteFile): Promise<number> {
  await using reader = await file.open()
  const buffer = Buffer.alloc(WINDOW_BYTES)
  let end = file.sizeBytes
  while (end > 0) {
    const start = Math.max(0, end - WINDOW_BYTES)
    const window = buffer.subarray(0, await reader.read(buffer.subarray(0, end - start), start))
    const last = window.findLastIndex((byte) => byte !== 0)
    if (last !== -1) return start + last + 1
    end = start
  }
  return 0
}

/**
 * Reads content that may be wrong, before anybody makes something of it.
 *
 * @param reason - the error to raise when it is wrong: it says more than a digest that does not fit
 */
export async function checkSuspect(source: ByteSource, expected: ExpectedContent, reason: TareError): Promise<void> {
  try {
    for await (const chunk of verified(source, expected, 'content')) void chunk
  } catch (error) {
    const isWrong = error instanceof CorruptStreamError || hasErrorCode(error, 'DIGEST_MISMATCH', 'SIZE_MISMATCH')
    throw isWrong ? reason : error
  }
}
