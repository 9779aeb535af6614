import type { ImageSource, OpenContext, TransportReference } from '../transport/index.ts'

/**
 * Opens images of a run, each once however often it is named; they are held by `resources`.
 *
 * @param context - how the images are reached
 */
export class ImageOpener {
  readonly #context: OpenContext
  readonly #resources: AsyncDisposableStack
  readonly #opened = new Map<string, Promise<ImageSource>>()

  constructor(context: OpenContext, resources: AsyncDisposableStack) {
    this.#context = context
    this.#resources = resources
  }

  /** @throws {TareError} as `openSource` does */
  async open(reference: TransportReference | string): Promise<ImageSource> {
    const { formatTransportReference, openSource, parseReferenceOnDisk } = await import('../transport/index.ts')
    const parsed = typeof reference === 'string' ? await parseReferenceOnDisk(reference) : reference
    const key = formatTransportReference(parsed)
    const opened = this.#opened.get(key) ?? openSource(parsed, this.#context)
    if (!this.#opened.has(key)) {
      this.#opened.set(key, opened)
      // A failure is told to everyone who asks; there is nothing to hold then.
      await opened.then((source) => this.#resources.use(source))
    }
    return opened
  }

  /** Several, in order. */
  async openAll(references: readonly (TransportReference | string)[]): Promise<readonly ImageSource[]> {
    const sources: ImageSource[] = []
    for (const reference of references) sources.push(await this.open(reference))
    return sources
  }
}
