import type { ImageSource } from '../transport/index.ts'
import type { Run } from './run.ts'

/**
 * The image as it is, or a Docker schema 1 image as OCI: nothing keeps those any more.
 *
 * @param source - closed by the caller
 * @param resources - get what the conversion needs
 * @throws {CopyError}; {@link TareError} as the source does
 */
export async function withoutSchema1(
  source: ImageSource,
  resources: AsyncDisposableStack,
  { signal, logger, onProgress, settings }: Run,
): Promise<ImageSource> {
  const { isSchema1, schema1AsOci } = await import('../image/index.ts')
  const root = await source.resolve({ signal, logger })
  if (!isSchema1(root)) return source
  const { SpoolDirectory } = await import('../stream/index.ts')
  logger.warn(`${source.reference} is a Docker schema 1 image; it is converted to OCI, and has another digest then`)
  const spool = resources.use(await SpoolDirectory.create(settings.workdir))
  return resources.use(await schema1AsOci(root, source, { spool, signal, logger, onProgress }))
}
