import type { TransparencyLogEntry } from '@sigstore/bundle'
import { hasErrorCode } from '../errors/index.ts'
import type { HttpResponse } from '../http/index.ts'
import { type DocumentNode, parseJson, readDocument } from '../oci/index.ts'
import type { SignatureMaker } from './bundle.ts'
import { uploadToRekorTiles } from './rekor-tiles.ts'
import { nonsense, postJson, readJsonAnswer, refusal, type ServiceOptions, serviceUrl } from './signing-service.ts'

/** The public log of the sigstore project. */
export const PUBLIC_REKOR_URL: URL = new URL('https://rekor.sigstore.dev')

/** A signed envelope as it is told to a log. */
export interface LoggedEnvelope {
  readonly payloadType: string
  readonly payload: Uint8Array
  readonly signature: Uint8Array
  readonly maker: SignatureMaker
}

const SERVICE = 'Rekor'
const MAX_HASHES = 64
const MAX_BODY_BYTES = 1024 * 1024

/**
 * Puts a signed envelope into a Rekor log and brings back the proof. A log of version 1 gives a promise with its time, and
 * the inclusion proof; one of version 2, which is asked where there is no version 1, the inclusion proof alone. An
 * envelope that is in the log already is fetched. What came back is for this envelope, but whether the proof holds is for
 * the verifier to say.
 *
 * @throws {TareError} `SIGNING_SERVICE`, `NETWORK`, `TLS`; `INVALID_KEY` for a key that the log does not take
 * @see https://github.com/sigstore/rekor/blob/v1.3.10/openapi.yaml
 */
export async function uploadToRekor(
  base: URL,
  envelope: LoggedEnvelope,
  options: ServiceOptions,
): Promise<TransparencyLogEntry> {
  const url = serviceUrl(base, 'api/v1/log/entries')
  let response = await postJson(url, proposedEntry(envelope), options)
  if (response.status === 404) {
    await response.discard()
    return uploadToRekorTiles(base, envelope, options)
  }
  if (response.status === 409) response = await fetchKnownEntry(response, url, options)
  if (response.status !== 201 && response.status !== 200) throw await refusal(response, SERVICE)
  const entry = readEntry(await readJsonAnswer(response, SERVICE), url)
  checkIsFor(envelope, entry, url)
  return entry
}

/** @see https://github.com/sigstore/rekor/blob/v1.3.10/pkg/types/dsse/v0.0.1/dsse_v0_0_1_schema.json */
function proposedEntry({ payloadType, payload, signature, maker }: LoggedEnvelope): unknown {
  const envelope = JSON.stringify({
    payloadType,
    payload: Buffer.from(payload).toString('base64'),
    signatures: [{ keyid: '', sig: Buffer.from(signature).toString('base64') }],
  })
  const verifiers = [Buffer.from(maker.pem).toString('base64')]
  return { apiVersion: '0.0.1', kind: 'dsse', spec: { proposedContent: { envelope, verifiers } } }
}

async function fetchKnownEntry(conflict: HttpResponse, url: URL, options: ServiceOptions): Promise<HttpResponse> {
  const location = URL.parse(conflict.header('location') ?? '', url.href)
  await conflict.discard()
  if (location === null || location.origin !== url.origin) {
    throw nonsense(SERVICE, url, 'the entry is there already, but not told where')
  }
  const { http, signal, logger } = options
  return http.request({ method: 'GET', url: location, headers: { accept: 'application/json' }, signal, logger })
}

function readEntry(answer: unknown, url: URL): TransparencyLogEntry {
  try {
    return readDocument(answer, 'log entry', (root) => {
      const [uuid = '', ...more] = root.object([]).keys()
      if (more.length > 0) root.report('must hold one entry')
      return readLogEntry(root.at(uuid))
    })
  } catch (cause) {
    if (!hasErrorCode(cause, 'INVALID_DOCUMENT', 'LIMIT_EXCEEDED')) throw cause
    throw nonsense(SERVICE, url, cause.message, cause)
  }
}

function readLogEntry(node: DocumentNode): TransparencyLogEntry {
  node.object(['body', 'integratedTime', 'logID', 'logIndex', 'verification'])
  const canonicalizedBody = readEncoded(node.at('body'), 'base64')
  const verification = node.at('verification').object(['inclusionProof', 'signedEntryTimestamp'])
  const proof = verification.at('inclusionProof').object(['checkpoint', 'hashes', 'logIndex', 'rootHash', 'treeSize'])
  return {
    logIndex: String(node.at('logIndex').size()),
    logId: { keyId: readEncoded(node.at('logID'), 'hex') },
    kindVersion: { kind: 'dsse', version: '0.0.1' },
    integratedTime: String(node.at('integratedTime').size()),
    inclusionPromise: { signedEntryTimestamp: readEncoded(verification.at('signedEntryTimestamp'), 'base64') },
    inclusionProof: {
      logIndex: String(proof.at('logIndex').size()),
      rootHash: readEncoded(proof.at('rootHash'), 'hex'),
      treeSize: String(proof.at('treeSize').size()),
      hashes: [...proof.at('hashes').list(MAX_HASHES, (hash) => readEncoded(hash, 'hex'))],
      checkpoint: { envelope: proof.at('checkpoint').string() },
    },
    canonicalizedBody,
  }
}

function readEncoded(node: DocumentNode, encoding: 'base64' | 'hex'): Buffer {
  const text = node.string()
  const bytes = Buffer.from(text, encoding)
  if (text === '' || bytes.toString(encoding) !== text) node.report(`must be ${encoding}`)
  return bytes
}

/** A log that took up something else has proven nothing. */
function checkIsFor({ signature }: LoggedEnvelope, { canonicalizedBody }: TransparencyLogEntry, url: URL): void {
  let logged: { readonly kind: string; readonly version: string; readonly signatures: readonly string[] }
  try {
    logged = readDocument(parseJson(canonicalizedBody, 'body', MAX_BODY_BYTES), 'body of the log entry', (root) => ({
      kind: root.object(['apiVersion', 'kind', 'spec']).at('kind').string(),
      version: root.at('apiVersion').string(),
      signatures: root
        .at('spec')
        .at('signatures')
        .list(1, (node) => node.at('signature').string()),
    }))
  } catch (cause) {
    throw nonsense(SERVICE, url, 'the entry it made cannot be read', cause)
  }
  const isOurs = logged.signatures[0] === Buffer.from(signature).toString('base64')
  if (logged.kind === 'dsse' && logged.version === '0.0.1' && isOurs) return
  throw nonsense(SERVICE, url, 'the entry it made is for another signature')
}
