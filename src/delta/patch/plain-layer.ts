import { type FileHandle, open } from 'node:fs/promises'
import { fileError, SizeMismatchError } from '../../errors/index.ts'
import type { DiffId } from '../../oci/index.ts'
import { type ByteSource, readHandleRange } from '../../stream/index.ts'

/** An uncompressed layer that can be read anywhere; lies in a file, or in a part of one. */
export class PlainLayer implements AsyncDisposable {
  readonly diffId: DiffId
  readonly sizeBytes: number
  readonly #handle: FileHandle
  readonly #path: string

  private constructor(diffId: DiffId, sizeBytes: number, handle: FileHandle, path: string) {
    this.diffId = diffId
    this.sizeBytes = sizeBytes
    this.#handle = handle
    this.#path = path
  }

  /** Opens a spooled layer whose content has been verified. */
  static async open(file: { readonly path: string; readonly sizeBytes: number }, diffId: DiffId): Promise<PlainLayer> {
    try {
      return new PlainLayer(diffId, file.sizeBytes, await open(file.path, 'r'), file.path)
    } catch (error) {
      throw fileError(file.path, 'read', error)
    }
  }

  /** Fills `into` from `offset` on. */
  async readInto(into: Uint8Array, offset: number): Promise<void> {
    let filled = 0
    while (filled < into.length) {
      const { bytesRead } = await this.#handle.read(into, filled, into.length - filled, offset + filled)
      if (bytesRead === 0) throw new SizeMismatchError(this.#path, this.sizeBytes, offset + filled)
      filled += bytesRead
    }
  }

  /** A part, or everything, in order. */
  stream(offset: number = 0, length: number = this.sizeBytes - offset): ByteSource {
    return readHandleRange(this.#handle, this.#path, { offset, length })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close()
  }
}
