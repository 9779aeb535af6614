import { join } from 'node:path'
import type { DiffOptions } from '../delta/index.ts'
import { TareError } from '../errors/index.ts'
import type { LayoutReference } from '../transport/index.ts'
import type { KernelRunner } from '../workers/index.ts'
import { cacheDirectory } from './cache-directory.ts'
import type { Run } from './run.ts'
import { sourceDateEpoch } from './source-date-epoch.ts'
import { tareVersion } from './tare-version.ts'

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

/** What making deltas takes besides the images and the kernels. */
export async function diffTools({
  settings,
  host,
  signal,
  logger,
  onProgress,
}: Run): Promise<Omit<DiffOptions, 'kernels'>> {
  const { RecipeCache } = await import('../recompress/index.ts')
  return {
    workdir: settings.workdir,
    tool: `tare ${tareVersion()}`,
    createdSeconds: sourceDateEpoch(host.env),
    recipes: new RecipeCache(join(cacheDirectory(host), 'recipes')),
    signal,
    logger,
    onProgress,
  }
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
