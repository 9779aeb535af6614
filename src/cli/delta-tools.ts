import { join } from 'node:path'
import type { DeltaSet, DiffahArchive, DiffOptions } from '../delta/index.ts'
import { hasErrorCode, TareError } from '../errors/index.ts'
import type { ImageSource, LayoutReference, OpenContext } from '../transport/index.ts'
import type { KernelRunner } from '../workers/index.ts'
import { checkIsFile } from './bare-path.ts'
import { cacheDirectory } from './cache-directory.ts'
import type { Run } from './run.ts'
import { sourceDateEpoch } from './source-date-epoch.ts'
import { tareVersion } from './tare-version.ts'

/**
 * Opens a delta or a bundle and reads its plans; what it lies in is held by `resources`.
 *
 * @throws {TareError} `NOT_A_DELTA`, and as `openSource` does
 */
export async function openDeltas(
  text: string,
  context: OpenContext,
  resources: AsyncDisposableStack,
): Promise<DeltaSet> {
  return (await openArchive(text, context, resources)).read()
}

/** What a subject turned out to be. */
export type OpenedSubject =
  | { readonly kind: 'image'; readonly source: ImageSource }
  | { readonly kind: 'delta'; readonly set: DeltaSet }

/**
 * Opens what may be an image or a delta; a bare path has to be a delta. It is held by `resources`.
 *
 * @throws {TareError} `FILE_NOT_FOUND`, `INVALID_ARCHIVE` for a bare path where no file lies, with the image that may be
 * meant; `NOT_A_DELTA` for one where something else lies
 */
export async function openSubject(
  subject: string,
  context: OpenContext,
  resources: AsyncDisposableStack,
): Promise<OpenedSubject> {
  const { hasTransportPrefix } = await import('../transport/index.ts')
  const mustBeDelta = !hasTransportPrefix(subject)
  if (mustBeDelta) await checkIsFile(subject, 'a delta file', context)
  const archive = await openArchive(subject, context, resources)
  try {
    return { kind: 'delta', set: await archive.read() }
  } catch (error) {
    if (mustBeDelta || archive.format === 'diffah' || !hasErrorCode(error, 'NOT_A_DELTA')) throw error
    return { kind: 'image', source: archive.source }
  }
}

/** An archive of deltas that was opened; nothing of it is parsed before `read`. */
export type OpenedArchive =
  | { readonly format: 'tare'; readonly source: ImageSource; readonly read: () => Promise<DeltaSet> }
  | { readonly format: 'diffah'; readonly archive: DiffahArchive; readonly read: () => Promise<DeltaSet> }

/** Opens a delta of any format; what it lies in is held by `resources`. */
async function openArchive(
  text: string,
  context: OpenContext,
  resources: AsyncDisposableStack,
): Promise<OpenedArchive> {
  const [{ openDiffahArchive, readDeltas }, { hasTransportPrefix, parseReferenceOnDisk }] = await Promise.all([
    import('../delta/index.ts'),
    import('../transport/index.ts'),
  ])
  const reference = hasTransportPrefix(text)
    ? await parseReferenceOnDisk(text)
    : ({ transport: 'oci-archive', path: text } as const)
  if (reference.transport === 'oci-archive' && reference.pick === undefined) {
    const archive = await openDiffahArchive(reference.path, context).catch((error: unknown) => {
      if (!hasErrorCode(error, 'NOT_A_DELTA')) throw error
      return undefined
    })
    if (archive !== undefined) {
      resources.use(archive)
      return { format: 'diffah', archive, read: () => archive.read(context) }
    }
  }
  const { openSource } = await import('../transport/index.ts')
  const source = resources.use(await openSource(reference, context))
  return { format: 'tare', source, read: () => readDeltas(source, context) }
}

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
