/**
 * Runs `work` over `inputs` with at most `concurrency` at a time. Results keep input order; the first failure aborts
 * the signal that the others got, waits for them, and is thrown.
 *
 * @param work - gets the input, its index, and a signal that ends when the whole does
 */
export async function mapLimited<Input, Output>(
  inputs: readonly Input[],
  concurrency: number,
  work: (input: Input, index: number, signal: AbortSignal) => Promise<Output>,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Output[]> {
  options.signal?.throwIfAborted()
  const failure = new AbortController()
  const signal = options.signal === undefined ? failure.signal : AbortSignal.any([failure.signal, options.signal])
  const results: Output[] = Array.from({ length: inputs.length })
  let next = 0
  let failed: { readonly error: unknown } | undefined
  const lane = async (): Promise<void> => {
    while (next < inputs.length && failed === undefined) {
      const index = next++
      try {
        signal.throwIfAborted()
        results[index] = await work(inputs[index] as Input, index, signal)
      } catch (error) {
        failed ??= { error }
        failure.abort(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, Math.min(concurrency, inputs.length)) }, lane))
  if (failed !== undefined) throw failed.error
  return results
}

/**
 * Like {@link mapLimited}, but inputs are taken as they are needed and results come one by one in input order, so
 * that neither list has to fit in memory.
 */
export async function* mapOrdered<Input, Output>(
  inputs: Iterable<Input> | AsyncIterable<Input>,
  concurrency: number,
  work: (input: Input, signal: AbortSignal) => Promise<Output>,
  options: { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Output, void, undefined> {
  options.signal?.throwIfAborted()
  const ending = new AbortController()
  const signal = options.signal === undefined ? ending.signal : AbortSignal.any([ending.signal, options.signal])
  const underWay: Promise<Output>[] = []
  try {
    for await (const input of inputs) {
      signal.throwIfAborted()
      const result = work(input, signal)
      // A failure is raised where its turn comes; until then it must not count as unhandled.
      result.catch(() => {})
      underWay.push(result)
      if (underWay.length >= concurrency) yield await (underWay.shift() as Promise<Output>)
    }
    while (underWay.length > 0) yield await (underWay.shift() as Promise<Output>)
  } finally {
    ending.abort()
    await Promise.allSettled(underWay)
  }
}

/** Lets one caller in at a time, in order of arrival. */
export class Mutex {
  #tail: Promise<unknown> = Promise.resolve()

  /** Runs `work` when all earlier work has ended, well or badly. */
  run<Output>(work: () => Promise<Output>): Promise<Output> {
    const mine = this.#tail.then(work, work)
    this.#tail = mine.catch(() => {})
    return mine
  }
}
