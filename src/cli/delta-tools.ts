import type { ImageSource, OpenContext } from '../transport/index.ts'
import type { CodecRunner } from '../workers/index.ts'
import type { Run } from './run.ts'

/** Opens a delta: a bare path is a delta file, anything with a prefix is opened like an image. */
export async function openDelta(text: string, context: OpenContext): Promise<ImageSource> {
  const { hasTransportPrefix, openSource } = await import('../transport/index.ts')
  return openSource(hasTransportPrefix(text) ? text : { transport: 'oci-archive', path: text }, context)
}

/**
 * Opens images in order; those that were opened are held by `resources`, also when a later one fails.
 *
 * @throws {TareError} as `openSource` does
 */
export async function openSources(
  references: readonly string[],
  context: OpenContext,
  resources: AsyncDisposableStack,
): Promise<readonly ImageSource[]> {
  const { openSource } = await import('../transport/index.ts')
  const sources: ImageSource[] = []
  for (const reference of references) sources.push(resources.use(await openSource(reference, context)))
  return sources
}

/**
 * Starts the threads that code and decode patches, as many as `--jobs` asks for and `--memory` allows.
 *
 * @throws {TareError} `MEMORY_LIMIT`
 */
export async function startCodecs({ host, settings }: Run): Promise<CodecRunner> {
  const { createThreadCodecRunner, threadsWithin } = await import('../workers/index.ts')
  const wanted = settings.jobs ?? host.cpus
  const threads = settings.memoryBytes === undefined ? wanted : threadsWithin(settings.memoryBytes, wanted)
  return createThreadCodecRunner({ threads })
}
