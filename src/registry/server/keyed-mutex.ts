import { Mutex } from '../../stream/index.ts'

/** A mutex per key, kept only as long as somebody holds or awaits it. */
export class KeyedMutex {
  readonly #entries = new Map<string, { readonly mutex: Mutex; users: number }>()

  /** Runs `work` when all earlier work under the same key has ended, well or badly. */
  async run<Output>(key: string, work: () => Promise<Output>): Promise<Output> {
    const entry = this.#entries.get(key) ?? { mutex: new Mutex(), users: 0 }
    this.#entries.set(key, entry)
    entry.users++
    try {
      return await entry.mutex.run(work)
    } finally {
      entry.users--
      if (entry.users === 0) this.#entries.delete(key)
    }
  }
}
