import { TareError } from '../errors/index.ts'
import { type DiffId, digestHex } from '../oci/index.ts'
import { type ByteSource, Mutex, SpoolDirectory, type SpoolFile } from '../stream/index.ts'
import type { TarWriter } from './tar-writer.ts'
import type { BlobOpener, PutOutcome } from './transport.ts'

/** Name of a layer in the docker archives that Tare writes; the one that skopeo gives. */
export function layerName(diffId: DiffId): string {
  return `${digestHex(diffId)}.tar`
}

/** Appends layers in a fixed order, whatever the order in which they come. */
export class LayerQueue implements AsyncDisposable {
  readonly #writer: TarWriter
  readonly #workdir: string | undefined
  readonly #waiting = new Map<DiffId, SpoolFile>()
  readonly #sizes = new Map<DiffId, number>()
  readonly #puts = new Map<DiffId, Promise<void>>()
  readonly #draining = new Mutex()
  #order: readonly DiffId[] | undefined
  #spool: Promise<SpoolDirectory> | undefined

  constructor(writer: TarWriter, workdir: string | undefined) {
    this.#writer = writer
    this.#workdir = workdir
  }

  /** The first order given stands. */
  setOrder(diffIds: readonly DiffId[]): void {
    this.#order ??= [...new Set(diffIds)]
  }

  async put(diffId: DiffId, open: BlobOpener): Promise<PutOutcome> {
    const underWay = this.#puts.get(diffId)
    if (underWay !== undefined) {
      await underWay
      return 'present'
    }
    const putting = this.#take(diffId, open)
    this.#puts.set(diffId, putting)
    try {
      await putting
    } catch (error) {
      this.#puts.delete(diffId)
      throw error
    }
    return 'written'
  }

  /** Appends what waits and is next, and so on. */
  drain(): Promise<void> {
    return this.#draining.run(async () => {
      for (let next = this.#next(); next !== undefined; next = this.#next()) {
        const file = this.#waiting.get(next)
        if (file === undefined) return
        await this.#append(next, file.read())
        this.#waiting.delete(next)
        await file.remove()
      }
    })
  }

  /** Bytes of a layer that has been appended. */
  sizeOf(diffId: DiffId): number {
    const sizeBytes = this.#sizes.get(diffId)
    if (sizeBytes === undefined) throw new TareError('INTERNAL', `layer ${diffId} was never put`)
    return sizeBytes
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const spool = await this.#spool?.catch(() => undefined)
    await spool?.[Symbol.asyncDispose]()
  }

  async #take(diffId: DiffId, open: BlobOpener): Promise<void> {
    if (this.#next() === diffId) {
      await this.#append(diffId, await open())
    } else {
      this.#spool ??= SpoolDirectory.create(this.#workdir)
      const spool = await this.#spool
      this.#waiting.set(diffId, await spool.write('layer', await open()))
    }
    await this.drain()
  }

  #next(): DiffId | undefined {
    return this.#order?.find((diffId) => !this.#sizes.has(diffId))
  }

  async #append(diffId: DiffId, source: ByteSource): Promise<void> {
    this.#sizes.set(diffId, await this.#writer.append(layerName(diffId), source))
  }
}
