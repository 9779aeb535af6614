import { type ByteSource, readAllBytes, readFileRange } from '../stream/index.ts'
import type { Run } from './run.ts'

const MAX_PASSWORD_BYTES = 64 * 1024

/** Where the user says that the password of a private key is. */
export interface KeyPasswordValues {
  readonly signKeyPasswordStdin?: boolean
  readonly signPassphraseFile?: string
}

/**
 * Where the password of a private key comes from: standard input or a file, the first line of either, or the variables
 * `TARE_SIGN_PASSWORD` and `COSIGN_PASSWORD`. An empty variable is an empty password, which cosign's keys may have.
 */
export function keyPassword(
  { host, standard }: Run,
  { signKeyPasswordStdin, signPassphraseFile }: KeyPasswordValues,
): () => Promise<Uint8Array | undefined> {
  return async () => {
    if (signKeyPasswordStdin === true) return firstLine(standard.read(), 'standard input')
    if (signPassphraseFile !== undefined) return firstLine(readFileRange(signPassphraseFile), signPassphraseFile)
    const password = host.env['TARE_SIGN_PASSWORD'] ?? host.env['COSIGN_PASSWORD']
    return password === undefined ? undefined : Buffer.from(password)
  }
}

async function firstLine(source: ByteSource, subject: string): Promise<Uint8Array> {
  const input = Buffer.from(await readAllBytes(source, MAX_PASSWORD_BYTES, subject))
  const end = input.indexOf('\n')
  const line = end === -1 ? input : input.subarray(0, end)
  return line.at(-1) === 0x0d ? line.subarray(0, -1) : line
}
