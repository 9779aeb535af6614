import { type FileHandle, open, rm } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { fileError, TareError } from '../errors/index.ts'
import { type ByteSource, type FileRange, readHandleRange } from '../stream/index.ts'

/**
 * A file that is deleted when it is closed: what `Incremental.pull` gives. It can be read from its start as often as one
 * likes, at any place, or as a stream.
 */
export class RemoveOnClose implements AsyncDisposable, AsyncIterable<Uint8Array> {
  readonly path: string
  readonly #handle: FileHandle
  #isClosed = false

  private constructor(path: string, handle: FileHandle) {
    this.path = path
    this.#handle = handle
  }

  /** Opens a file that exists. @throws {TareError} `FILE_NOT_FOUND`, `FILE_ACCESS`; the file is deleted then */
  static async open(path: string): Promise<RemoveOnClose> {
    try {
      return new RemoveOnClose(path, await open(path, 'r'))
    } catch (error) {
      await rm(path, { force: true })
      throw fileError(path, 'read', error)
    }
  }

  /** Bytes of the file. */
  async size(): Promise<number> {
    return (await this.#handle.stat()).size
  }

  /** The bytes of the file, or of a part of it. */
  read(range: FileRange = {}): ByteSource {
    return readHandleRange(this.#handle, this.path, range)
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return this.read()[Symbol.asyncIterator]()
  }

  /** The file as a stream of Node's; it goes with the stream's end, or when the stream is destroyed. */
  async stream(): Promise<Readable> {
    const { Readable: NodeReadable } = await import('node:stream')
    const readable = NodeReadable.from(this.#readAndRemove(), { objectMode: false })
    // A generator that was never begun ends without its `finally`. There is nobody to tell of a failure then.
    readable.once('close', () => void this[Symbol.asyncDispose]().catch(() => {}))
    return readable
  }

  async *#readAndRemove(): ByteSource {
    try {
      yield* this.read()
    } finally {
      await this[Symbol.asyncDispose]()
    }
  }

  /**
   * Closes the file, then deletes it. A file that can't be closed is not deleted.
   *
   * @throws {TareError} `FILE_ACCESS` when it is closed already or can't be closed or deleted; `FILE_NOT_FOUND` when
   * somebody else has deleted it
   */
  async close(): Promise<void> {
    if (this.#isClosed) throw new TareError('FILE_ACCESS', `${this.path} is closed already`)
    try {
      await this.#handle.close()
      this.#isClosed = true
      await rm(this.path)
    } catch (error) {
      throw fileError(this.path, 'close and delete', error)
    }
  }

  /** Closes and deletes the file, unless that was done. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isClosed) await this.close()
  }
}
