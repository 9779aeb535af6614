import { createHash } from 'node:crypto'
import { nonsense, refusal, type ServiceOptions } from './signing-service.ts'

const SERVICE = 'timestamp authority'
/** Answers have some 5 KiB, certificates included. */
const MAX_ANSWER_BYTES = 128 * 1024
/** `AlgorithmIdentifier` of SHA-256 without parameters' content: SEQUENCE { OID 2.16.840.1.101.3.4.2.1, NULL }. */
const SHA256_IDENTIFIER: Uint8Array = Buffer.from('300d06096086480165030402010500', 'hex')

/**
 * Has a timestamp authority (RFC 3161) put its time under a signature.
 *
 * @param url - where the authority takes requests, as a whole
 * @returns the response as it came, DER; whether it holds is for the verifier to say
 * @throws {TareError} `SIGNING_SERVICE`, `NETWORK`, `TLS`
 * @see https://www.rfc-editor.org/rfc/rfc3161#section-2.4
 */
export async function requestTimestamp(
  url: URL,
  signature: Uint8Array,
  { http, signal, logger }: ServiceOptions,
): Promise<Uint8Array> {
  const headers = { 'content-type': 'application/timestamp-query', accept: 'application/timestamp-reply' }
  const body = timestampRequest(signature)
  const response = await http.request({ method: 'POST', url, headers, body, redirect: 'manual', signal, logger })
  if (response.status !== 200 && response.status !== 201) throw await refusal(response, SERVICE)
  const bytes = await response.bytes(MAX_ANSWER_BYTES)
  if (!isGranted(bytes)) throw nonsense(SERVICE, url, 'the answer is no timestamp')
  return bytes
}

/** `TimeStampReq`: version 1, the hash of the signature, and the wish for certificates. */
function timestampRequest(signature: Uint8Array): Uint8Array {
  const hash = createHash('sha256').update(signature).digest()
  const imprint = derSequence(SHA256_IDENTIFIER, Buffer.from([0x04, hash.length]), hash)
  return derSequence(Buffer.from('020101', 'hex'), imprint, Buffer.from('0101ff', 'hex'))
}

function derSequence(...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  // Short form: nothing here reaches 128 bytes.
  return Buffer.concat([Buffer.from([0x30, content.length]), content])
}

/** Whether a `TimeStampResp` has the status granted (0), or granted with changes (1). */
function isGranted(der: Uint8Array): boolean {
  const inner = derContentStart(der, 0)
  const status = inner === undefined ? undefined : derContentStart(der, inner)
  if (status === undefined || der[status] !== 0x02 || der[status + 1] !== 0x01) return false
  const value = der[status + 2]
  return value === 0 || value === 1
}

/** Where the content of a sequence begins. */
function derContentStart(der: Uint8Array, at: number): number | undefined {
  const length = der[at + 1]
  if (der[at] !== 0x30 || length === undefined) return undefined
  return at + 2 + (length < 0x80 ? 0 : length & 0x7f)
}
