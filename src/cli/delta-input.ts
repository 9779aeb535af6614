import type { OpenContext } from '../transport/index.ts'
import { checkIsFile } from './bare-path.ts'

/**
 * Makes sure that the argument for a delta leads to one, as far as names tell: a file, volumes, `-` or a reference.
 *
 * @param wanted - what errors say was expected
 * @throws {TareError} `FILE_NOT_FOUND`, `INVALID_ARCHIVE` for a bare path where none lies, with the image that may be
 * meant; `VOLUME_MISSING`, `VOLUME_DAMAGED`
 */
export async function checkIsDelta(text: string, context: OpenContext, wanted = 'a delta file'): Promise<void> {
  const { hasTransportPrefix, isArchivePresent, STANDARD_STREAM } = await import('../transport/index.ts')
  if (hasTransportPrefix(text) || text === STANDARD_STREAM || (await isArchivePresent(text))) return
  await checkIsFile(text, wanted, context)
}
