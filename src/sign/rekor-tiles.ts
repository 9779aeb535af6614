import { createHash } from 'node:crypto'
import type { TransparencyLogEntry } from '@sigstore/bundle'
import { hasErrorCode, TareError } from '../errors/index.ts'
import { type DocumentNode, parseJson, readDocument } from '../oci/index.ts'
import { readPublicKey } from './public-key.ts'
import type { LoggedEnvelope } from './rekor.ts'
import { nonsense, postJson, readJsonAnswer, refusal, type ServiceOptions, serviceUrl } from './signing-service.ts'
import { preAuthEncoding } from './statement.ts'
import type { SignatureHash, VerificationKey } from './verification-key.ts'

const SERVICE = 'Rekor'
const MAX_HASHES = 64
const MAX_BODY_BYTES = 1024 * 1024
/** What is logged of an envelope: the hash of the signed bytes. */
const KIND_VERSION = { kind: 'hashedrekord', version: '0.0.2' }

/**
 * Puts a signed envelope into a log of version 2, as its signature over a hash, and brings back the inclusion proof. Such
 * a log vouches for no time.
 *
 * @throws {TareError} as `uploadToRekor`
 * @see https://github.com/sigstore/rekor-tiles/blob/v2.0.1/CLIENTS.md
 */
export async function uploadToRekorTiles(
  base: URL,
  envelope: LoggedEnvelope,
  options: ServiceOptions,
): Promise<TransparencyLogEntry> {
  const url = serviceUrl(base, 'api/v2/log/entries')
  const response = await postJson(url, entryRequest(envelope), options)
  if (response.status !== 201 && response.status !== 200) throw await refusal(response, SERVICE)
  const entry = readEntry(await readJsonAnswer(response, SERVICE), url)
  checkIsFor(envelope, entry, url)
  return entry
}

function entryRequest({ payloadType, payload, signature, maker }: LoggedEnvelope): unknown {
  const key = readPublicKey(Buffer.from(maker.pem), 'what was signed with')
  const hash = key.hashes[0]
  if (hash === undefined) {
    throw new TareError('INVALID_KEY', 'logs of version 2 take no signatures of Ed25519 keys', {
      hint: 'Use an ECDSA or RSA key, or a log of version 1',
    })
  }
  const digest = createHash(hash).update(preAuthEncoding(payloadType, payload)).digest('base64')
  const spki = key.keyObject.export({ type: 'spki', format: 'der' })
  const verifier =
    maker.kind === 'certificate'
      ? { x509Certificate: { rawBytes: Buffer.from(maker.der).toString('base64') } }
      : { publicKey: { rawBytes: spki.toString('base64') } }
  const content = Buffer.from(signature).toString('base64')
  return {
    hashedRekordRequestV002: {
      digest,
      signature: { content, verifier: { ...verifier, keyDetails: keyDetails(key, hash) } },
    },
  }
}

/** @see https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_common.proto */
function keyDetails({ kind, keyObject }: VerificationKey, hash: SignatureHash): string {
  if (kind === 'rsa') return `PKIX_RSA_PKCS1V15_${keyObject.asymmetricKeyDetails?.modulusLength ?? 0}_SHA256`
  return { sha256: 'PKIX_ECDSA_P256_SHA_256', sha384: 'PKIX_ECDSA_P384_SHA_384', sha512: 'PKIX_ECDSA_P521_SHA_512' }[
    hash
  ]
}

function readEntry(answer: unknown, url: URL): TransparencyLogEntry {
  try {
    return readDocument(answer, 'log entry', (root) => {
      root.object(['logIndex', 'logId', 'kindVersion', 'inclusionProof', 'canonicalizedBody'])
      const proof = root.at('inclusionProof').object(['logIndex', 'rootHash', 'treeSize', 'hashes', 'checkpoint'])
      return {
        logIndex: readDecimal(root.at('logIndex')),
        logId: { keyId: readBase64(root.at('logId').at('keyId')) },
        kindVersion: KIND_VERSION,
        integratedTime: '0',
        inclusionPromise: undefined,
        inclusionProof: {
          logIndex: readDecimal(proof.at('logIndex')),
          rootHash: readBase64(proof.at('rootHash')),
          treeSize: readDecimal(proof.at('treeSize')),
          hashes: [...proof.at('hashes').list(MAX_HASHES, readBase64)],
          checkpoint: { envelope: proof.at('checkpoint').at('envelope').string() },
        },
        canonicalizedBody: readBase64(root.at('canonicalizedBody')),
      }
    })
  } catch (cause) {
    if (!hasErrorCode(cause, 'INVALID_DOCUMENT', 'LIMIT_EXCEEDED')) throw cause
    throw nonsense(SERVICE, url, cause.message, cause)
  }
}

/** 64-bit numbers are strings in the JSON of protocol buffers, and zero is left out. */
function readDecimal(node: DocumentNode): string {
  const text = node.text() ?? '0'
  if (!/^\d{1,20}$/.test(text)) node.report('must be a decimal number')
  return text
}

function readBase64(node: DocumentNode): Buffer {
  const text = node.string()
  const bytes = Buffer.from(text, 'base64')
  if (text === '' || bytes.toString('base64') !== text) node.report('must be base64')
  return bytes
}

/** A log that took up something else has proven nothing. */
function checkIsFor({ signature }: LoggedEnvelope, { canonicalizedBody }: TransparencyLogEntry, url: URL): void {
  let logged: { readonly kind: string; readonly version: string; readonly signature: string }
  try {
    logged = readDocument(parseJson(canonicalizedBody, 'body', MAX_BODY_BYTES), 'body of the log entry', (root) => ({
      kind: root.object(['apiVersion', 'kind', 'spec']).at('kind').string(),
      version: root.at('apiVersion').string(),
      signature: root.at('spec').at('hashedRekordV002').at('signature').at('content').string(),
    }))
  } catch (cause) {
    throw nonsense(SERVICE, url, 'the entry it made cannot be read', cause)
  }
  const isOurs = logged.signature === Buffer.from(signature).toString('base64')
  if (logged.kind === KIND_VERSION.kind && logged.version === KIND_VERSION.version && isOurs) return
  throw nonsense(SERVICE, url, 'the entry it made is for another signature')
}
