import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { fulcioHandler, initializeCA, initializeCTLog, initializeTLog, initializeTSA } from '@sigstore/mock'
import { HashAlgorithm, PublicKeyDetails, TrustedRoot } from '@sigstore/protobuf-specs'
import { parseTrustedRoot, type TrustedRoot as UsableRoot } from '../../src/sign/index.ts'

/** A certificate authority, a transparency log and a timestamp authority in one server; dispose to end it. */
export interface SigstoreServices extends AsyncDisposable {
  readonly fulcioUrl: URL
  readonly rekorUrl: URL
  readonly timestampUrl: URL
  /** What to trust them by, as a file holds it. */
  readonly trustedRootBytes: Uint8Array
  readonly trustedRoot: UsableRoot
  /** What was asked for: `POST /rekor/api/v1/log/entries`. */
  readonly requests: readonly string[]
  /** Replaces the next answer of a path. */
  answerNext(path: string, answer: ScriptedAnswer): void
}

/** An answer that a test gives in the place of a service. */
export interface ScriptedAnswer {
  readonly status: number
  readonly body?: string | Uint8Array | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** How the services are set. */
export interface SigstoreServicesOptions {
  /** The time that certificates begin at. @default now */
  readonly certificateTime?: Date | undefined
  /** The time that the log puts down. @default now */
  readonly logTime?: Date | undefined
  /** Leaves the proof of inclusion, or the promise, out of what the log answers. */
  readonly without?: 'proof' | 'promise' | undefined
  /** Version of the log's API. @default 1 */
  readonly logVersion?: 1 | 2 | undefined
}

/** An identity token of nobody's making: the services look at its claims alone. */
export function identityToken(claims: Readonly<Record<string, unknown>>): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'none', typ: 'JWT' })}.${part(claims)}.${Buffer.from('signature of the issuer').toString('base64url')}`
}

/** What Rekor answers, as far as it is touched here. */
interface LoggedEntry {
  readonly body: string
  readonly logIndex: number
  readonly logID: string
  readonly verification: {
    inclusionProof?: { readonly rootHash: string; readonly treeSize: number; readonly checkpoint: string }
    signedEntryTimestamp?: string
  }
}

/** Starts the services of `@sigstore/mock` behind real HTTP. */
export async function startSigstore(options: SigstoreServicesOptions = {}): Promise<SigstoreServices> {
  const keys = { ca: ecKeys(), ctLog: ecKeys(), log: ecKeys(), tsa: ecKeys() }
  const requests: string[] = []
  const scripted = new Map<string, ScriptedAnswer>()
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const base = `http://127.0.0.1:${address.port}`
  const ctLog = await initializeCTLog(keys.ctLog)
  const ca = await initializeCA(keys.ca, ctLog, options.certificateTime)
  const log = await initializeTLog(`${base}/rekor`, keys.log, options.logTime)
  // Set to a whole second for each stamp: the verifier doesn't read the fractions that the mock would write.
  const stampTime = options.logTime ?? new Date()
  const tsa = await initializeTSA(keys.tsa, stampTime)
  /** Answers by their identifier, and identifiers by what was uploaded. */
  const entries = new Map<string, string>()
  const uploaded = new Map<string, string>()

  const upload = async (body: Buffer): Promise<ScriptedAnswer> => {
    const proposed = body.toString()
    const known = uploaded.get(proposed)
    if (known !== undefined) return { status: 409, headers: { location: `/rekor/api/v1/log/entries/${known}` } }
    const entry = (await log.log(storedEntry(JSON.parse(proposed)))) as Record<string, LoggedEntry>
    const [uuid = '', stored] = Object.entries(entry)[0] ?? []
    if (options.without === 'proof') delete stored?.verification.inclusionProof
    if (options.without === 'promise') delete stored?.verification.signedEntryTimestamp
    const text = JSON.stringify(entry)
    entries.set(uuid, text)
    uploaded.set(proposed, uuid)
    return { status: 201, body: text, headers: { 'content-type': 'application/json', etag: uuid } }
  }
  const uploadToTiles = async (body: Buffer): Promise<ScriptedAnswer> => {
    const entry = (await log.log(tilesEntry(JSON.parse(body.toString())))) as Record<string, LoggedEntry>
    const [stored] = Object.values(entry)
    const base64 = (hex = ''): string => Buffer.from(hex, 'hex').toString('base64')
    const proof = stored?.verification.inclusionProof
    const answer = {
      logIndex: String(stored?.logIndex),
      logId: { keyId: base64(stored?.logID) },
      kindVersion: { kind: 'hashedrekord', version: '0.0.2' },
      inclusionProof: {
        // Zero is left out, as protocol buffers do.
        rootHash: base64(proof?.rootHash),
        treeSize: String(proof?.treeSize),
        hashes: [],
        checkpoint: { envelope: proof?.checkpoint },
      },
      canonicalizedBody: stored?.body,
    }
    return { status: 201, body: JSON.stringify(answer), headers: { 'content-type': 'application/json' } }
  }
  const stamp = async (body: Buffer): Promise<ScriptedAnswer> => {
    // TimeStampReq: the hash is the one octet string of 32 bytes.
    const at = body.indexOf(Buffer.from('0420', 'hex')) + 2
    const artifactHash = body.subarray(at, at + 32)
    if (options.logTime === undefined) stampTime.setTime(Math.floor(Date.now() / 1000) * 1000)
    const oids = { hashAlgorithmOID: '2.16.840.1.101.3.4.2.1', policyOID: '1.3.6.1.4.1.57264.2' }
    return {
      status: 201,
      headers: { 'content-type': 'application/timestamp-reply' },
      body: bytesOf(await tsa.timestamp({ artifactHash, nonce: 1, ...oids })),
    }
  }
  const answer = async (
    method: string,
    path: string,
    body: Buffer,
    authorization: string | undefined,
  ): Promise<ScriptedAnswer> => {
    const replaced = scripted.get(path)
    scripted.delete(path)
    if (replaced !== undefined) return replaced
    if (method === 'GET') return { status: 200, body: entries.get(path.split('/').at(-1) ?? '') ?? '' }
    switch (path) {
      case '/fulcio/api/v2/signingCert': {
        // cosign sends the token in a header.
        const oidcIdentityToken = authorization?.replace('Bearer ', '')
        const request = { credentials: { oidcIdentityToken }, ...JSON.parse(body.toString()) }
        const made = await fulcioHandler(ca).fn(JSON.stringify(request))
        // Fulcio's own answer has 200.
        const status = made.statusCode === 201 ? 200 : made.statusCode
        const text = typeof made.response === 'string' ? made.response : ''
        return { status, body: text, headers: { 'content-type': 'application/json' } }
      }
      case '/rekor/api/v1/log/entries':
        return options.logVersion === 2 ? { status: 404 } : upload(body)
      case '/rekor/api/v2/log/entries':
        return options.logVersion === 2 ? uploadToTiles(body) : { status: 404 }
      case '/tsa':
        return stamp(body)
      default:
        return { status: 404 }
    }
  }
  server.on('request', (request, response) => {
    const { method = '', url = '' } = request
    requests.push(`${method} ${url}`)
    void readBody(request)
      .then((body) => answer(method, url, body, request.headers.authorization))
      .then(({ status, body, headers }) => response.writeHead(status, headers).end(body))
  })

  const begin = new Date(Date.now() - 365 * 24 * 3600_000)
  const publicKey = (key: { readonly publicKey: KeyObject }) => ({
    rawBytes: der(key.publicKey),
    keyDetails: PublicKeyDetails.PKIX_ECDSA_P256_SHA_256,
    validFor: { start: begin, end: undefined },
  })
  const logOf = (key: { readonly publicKey: KeyObject }, baseUrl: string) => ({
    baseUrl,
    logId: { keyId: createHash('sha256').update(der(key.publicKey)).digest() },
    hashAlgorithm: HashAlgorithm.SHA2_256,
    publicKey: publicKey(key),
    checkpointKeyId: undefined,
    operator: '',
  })
  const authority = (...certificates: readonly ArrayBufferView<ArrayBuffer>[]) => ({
    subject: { commonName: 'mock', organization: 'sigstore.mock' },
    uri: base,
    certChain: { certificates: certificates.map((raw) => ({ rawBytes: bytesOf(raw) })) },
    validFor: { start: begin, end: undefined },
    operator: '',
  })
  const document = TrustedRoot.toJSON({
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: [logOf(keys.log, `${base}/rekor`)],
    ctlogs: [logOf(keys.ctLog, base)],
    certificateAuthorities: [authority(ca.rootCertificate)],
    timestampAuthorities: [authority(tsa.intCertificate, tsa.rootCertificate)],
  })
  const trustedRootBytes = Buffer.from(JSON.stringify(document))
  return {
    fulcioUrl: new URL(`${base}/fulcio`),
    rekorUrl: new URL(`${base}/rekor/`),
    timestampUrl: new URL(`${base}/tsa`),
    trustedRootBytes,
    trustedRoot: parseTrustedRoot(trustedRootBytes, 'trusted root of the test'),
    requests,
    answerNext: (path, scriptedAnswer) => void scripted.set(path, scriptedAnswer),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** What Rekor keeps of a proposed `dsse` entry; the mock would keep the proposal itself. */
function storedEntry(proposal: {
  readonly spec: { readonly proposedContent: { readonly envelope: string; readonly verifiers: readonly string[] } }
}): object {
  const { envelope, verifiers } = proposal.spec.proposedContent
  const { payload, signatures } = JSON.parse(envelope) as {
    readonly payload: string
    readonly signatures: readonly { readonly sig: string }[]
  }
  const sha256 = (bytes: string | Buffer) => ({
    algorithm: 'sha256',
    value: createHash('sha256').update(bytes).digest('hex'),
  })
  return {
    apiVersion: '0.0.1',
    kind: 'dsse',
    spec: {
      envelopeHash: sha256(envelope),
      payloadHash: sha256(Buffer.from(payload, 'base64')),
      signatures: signatures.map(({ sig }, at) => ({ signature: sig, verifier: verifiers[at] })),
    },
  }
}

/** What a log of version 2 keeps. */
function tilesEntry({
  hashedRekordRequestV002,
}: {
  readonly hashedRekordRequestV002: { readonly digest: string; readonly signature: object }
}): object {
  const { digest, signature } = hashedRekordRequestV002
  const data = { algorithm: 'SHA2_256', digest }
  return { apiVersion: '0.0.2', kind: 'hashedrekord', spec: { hashedRekordV002: { data, signature } } }
}

function ecKeys(): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

function bytesOf(view: ArrayBufferView<ArrayBuffer>): Buffer {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength)
}

function der(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' })
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
