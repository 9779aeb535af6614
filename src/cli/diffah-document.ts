import { hasErrorCode } from '../errors/index.ts'
import { decompress } from '../compress/index.ts'
import { abortable, readAllBytes, readFileRange } from '../stream/index.ts'
import { readTar } from '../tar/index.ts'

const MAX_DOCUMENT_BYTES = 32 * 1024 * 1024

/**
 * The `diffah.json` of a diffah archive, as it is stored; undefined for a file that is none.
 *
 * @throws {TareError} `FILE_NOT_FOUND`, `FILE_ACCESS`, `LIMIT_EXCEEDED`
 */
export async function readDiffahDocument(
  path: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  try {
    const { source } = await decompress(abortable(readFileRange(path), signal), { subject: path })
    for await (const item of readTar(source, { subject: path })) {
      if (item.kind === 'entry' && item.entry.path === 'diffah.json') {
        return await readAllBytes(item.content, MAX_DOCUMENT_BYTES, `diffah.json of ${path}`)
      }
    }
  } catch (error) {
    if (!hasErrorCode(error, 'CORRUPT_TAR', 'CORRUPT_GZIP', 'CORRUPT_ZSTD')) throw error
  }
  return undefined
}
