import { TareError } from '../errors/index.ts'
import { readAllBytes, readFileRange } from '../stream/index.ts'

/** PEM files have some KiB, RSA of 16,384 bits 13 KiB. */
const MAX_KEY_BYTES = 64 * 1024

/**
 * Reads a key file.
 *
 * @param flag - the option that names it
 * @throws {TareError} `INVALID_ARGUMENT` for keys that are no files: those in key services and in hardware;
 * `FILE_NOT_FOUND`, `FILE_ACCESS`, `LIMIT_EXCEEDED`
 */
export async function readKeyFile(text: string, flag: '--verify' | '--sign-key'): Promise<Uint8Array> {
  if (!/^(?:[a-z][a-z0-9+.-]*:\/\/|pkcs11:)/i.test(text)) return readAllBytes(readFileRange(text), MAX_KEY_BYTES, text)
  const scheme = text.slice(0, text.indexOf(':'))
  throw new TareError('INVALID_ARGUMENT', `${flag} names a key by ${scheme}:, and Tare reads keys from files alone`, {
    hint:
      flag === '--verify'
        ? `Save the public key with cosign public-key --key ${scheme}:… and give that file`
        : 'Push the image or delta to a registry and sign it there with cosign sign; Tare verifies such signatures',
  })
}
