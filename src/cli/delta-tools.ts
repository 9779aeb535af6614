import { join } from 'node:path'
import { TareError } from '../errors/index.ts'
import type { ImageSource, LayoutReference, OpenContext } from '../transport/index.ts'
import type { KernelRunner } from '../workers/index.ts'
import type { Host } from './host.ts'
import type { Run } from './run.ts'

/** Opens a delta: a bare path is a delta file, anything with a prefix is opened like an image. */
export async function openDelta(text: string, context: OpenContext): Promise<ImageSource> {
  const { hasTransportPrefix, openSource } = await import('../transport/index.ts')
  return openSource(hasTransportPrefix(text) ? text : { transport: 'oci-archive', path: text }, context)
}

/**
 * Where a delta is written: a file, by its bare path or as `oci-archive:FILE`.
 *
 * @throws {TareError} `INVALID_ARGUMENT` for another transport; its prefix would become the name of a directory
 */
export async function deltaFile(text: string): Promise<LayoutReference> {
  const { hasTransportPrefix, parseReferenceOnDisk } = await import('../transport/index.ts')
  if (!hasTransportPrefix(text)) return { transport: 'oci-archive', path: text }
  const reference = await parseReferenceOnDisk(text)
  if (reference.transport === 'oci-archive') return reference
  throw new TareError('INVALID_ARGUMENT', `a delta is written to a file, not to ${reference.transport}:`, {
    hint: `Give a path, then carry the file on: tare copy oci-archive:app.tare ${text}`,
  })
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
 * Starts the threads that code and decode patches, as many as `--jobs` asks for and `--memory` allows. Without either
 * there is one for each processor, as long as they leave half of the memory to others.
 *
 * @throws {TareError} `MEMORY_LIMIT`
 */
export async function startCodecs({ host, settings }: Run): Promise<KernelRunner> {
  const { createThreadRunner, fittingThreads, threadsWithin } = await import('../workers/index.ts')
  const wanted = settings.jobs ?? host.cpus
  if (settings.memoryBytes !== undefined) {
    return createThreadRunner({ threads: threadsWithin(settings.memoryBytes, wanted) })
  }
  const threads = settings.jobs ?? Math.max(1, Math.min(wanted, fittingThreads(host.memoryBytes / 2)))
  return createThreadRunner({ threads })
}

/** Where recipes are kept between runs, as the XDG base directory specification says. */
export function recipeDirectory({ env, homeDirectory }: Host): string {
  const cache = env['XDG_CACHE_HOME']
  return join(cache === undefined || cache === '' ? join(homeDirectory, '.cache') : cache, 'tare', 'recipes')
}
