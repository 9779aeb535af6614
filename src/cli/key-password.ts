import { readAllBytes } from '../stream/index.ts'
import type { Run } from './run.ts'

const MAX_PASSWORD_BYTES = 64 * 1024

/**
 * Where the password of a private key comes from: standard input, as one line, or the variables `TARE_SIGN_PASSWORD` and
 * `COSIGN_PASSWORD`. An empty variable is an empty password, which cosign's keys may have.
 */
export function keyPassword({ host, standard }: Run, fromStdin: boolean): () => Promise<Uint8Array | undefined> {
  return async () => {
    if (fromStdin) {
      const input = Buffer.from(await readAllBytes(standard.read(), MAX_PASSWORD_BYTES, 'standard input'))
      const end = input.indexOf('\n')
      const line = end === -1 ? input : input.subarray(0, end)
      return line.at(-1) === 0x0d ? line.subarray(0, -1) : line
    }
    const password = host.env['TARE_SIGN_PASSWORD'] ?? host.env['COSIGN_PASSWORD']
    return password === undefined ? undefined : Buffer.from(password)
  }
}
