import { fileError } from '../errors/index.ts'
import type { ByteSource } from '../stream/index.ts'
import type { Run } from './run.ts'

/**
 * Sends bytes to standard output, as fast as they are taken. Errors come when some may have been sent already.
 *
 * @throws {TareError} `FILE_ACCESS`, `DISK_FULL`; also when the reader has gone, because half a blob is none
 */
export async function sendBytes(source: ByteSource, { host }: Run): Promise<void> {
  for await (const chunk of source) {
    await new Promise<void>((resolve, reject) => {
      host.stdout.write(chunk, (error) => {
        if (error) reject(fileError('standard output', 'write', error))
        else resolve()
      })
    })
  }
}
