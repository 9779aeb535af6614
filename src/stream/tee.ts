import type { ByteSource } from './byte-source.ts'

/**
 * Two readings of one source. What one has read and the other has not is kept in memory, so they should go about in
 * step. The source is let go when both have ended.
 */
export function teeSource(source: ByteSource): readonly [ByteSource, ByteSource] {
  const iterator = source[Symbol.asyncIterator]()
  const queues: [Uint8Array[], Uint8Array[]] = [[], []]
  let reading: Promise<boolean> | undefined
  let open = 2
  /** Reads a chunk for both; false at the end. */
  const advance = async (): Promise<boolean> => {
    const { done, value } = await iterator.next()
    if (done === true) return false
    for (const queue of queues) queue.push(value)
    return true
  }
  async function* side(queue: Uint8Array[]): ByteSource {
    try {
      for (;;) {
        const chunk = queue.shift()
        if (chunk !== undefined) yield chunk
        // The other side may be waiting for the same chunk.
        else if (!(await (reading ??= advance().finally(() => (reading = undefined))))) return
      }
    } finally {
      queue.length = 0
      open--
      // A side that left early must not gather what the other still reads.
      queue.push = () => 0
      if (open === 0) await iterator.return?.()
    }
  }
  return [side(queues[0]), side(queues[1])]
}
