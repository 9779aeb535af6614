import { type ByteSource, exactly } from '../stream/index.ts'
import { paddingLength, TAR_TRAILER, tarPadding } from '../tar/index.ts'
import { fileHeader } from './tar-writer.ts'

/** A file of a {@link TarStream}. */
export interface TarStreamFile {
  readonly name: string
  readonly sizeBytes: number
  /** Starts reading it from its beginning. */
  open(): ByteSource
}

/** A tar that is made while it is read, of files whose sizes are known. Can be read several times. */
export class TarStream {
  readonly sizeBytes: number
  readonly #files: readonly TarStreamFile[]

  constructor(files: readonly TarStreamFile[]) {
    this.#files = files
    this.sizeBytes = files.reduce((sum, { name, sizeBytes }) => {
      return sum + fileHeader(name, sizeBytes).length + sizeBytes + paddingLength(sizeBytes)
    }, TAR_TRAILER.length)
  }

  /** @throws {SizeMismatchError} when a file is not as long as it was said to be */
  async *read(): ByteSource {
    for (const file of this.#files) {
      yield fileHeader(file.name, file.sizeBytes)
      yield* exactly(file.open(), file.sizeBytes, file.name)
      const padding = tarPadding(file.sizeBytes)
      if (padding.length > 0) yield padding
    }
    yield TAR_TRAILER
  }
}
