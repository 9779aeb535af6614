import { stat } from 'node:fs/promises'
import { hasErrorCode, TareError } from '../errors/index.ts'
import type { OpenContext } from '../transport/index.ts'

/**
 * Makes sure that a bare path leads to a file. Where it does not, the path may be wrong, or an image without its transport.
 *
 * @param meaning - what a bare path stands for: `a delta file`
 * @throws {TareError} `FILE_NOT_FOUND`, `INVALID_ARCHIVE` with the image that may be meant; `INVALID_REFERENCE`
 */
export async function checkIsFile(path: string, meaning: string, context: OpenContext): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (found !== undefined && !found.isDirectory()) return
  const { openSource } = await import('../transport/index.ts')
  const asImage: unknown = await openSource(path, context).then(
    (source) => source[Symbol.asyncDispose](),
    (error: unknown) => error,
  )
  if (hasErrorCode(asImage, 'INVALID_REFERENCE')) throw asImage
  const suggestion = hasErrorCode(asImage, 'UNKNOWN_TRANSPORT') ? asImage.hint : undefined
  const hint = suggestion === undefined ? undefined : `${suggestion} A bare path is ${meaning}`
  throw found === undefined
    ? new TareError('FILE_NOT_FOUND', `${path} does not exist`, { hint })
    : new TareError('INVALID_ARCHIVE', `${path} is a directory`, { hint })
}
