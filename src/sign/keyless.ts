import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { hasErrorCode, TareError } from '../errors/index.ts'
import { parseJson, readDocument } from '../oci/index.ts'
import { pemBlocks } from './pem.ts'
import type { Signer } from './signer.ts'
import { nonsense, postJson, readJsonAnswer, refusal, type ServiceOptions, serviceUrl } from './signing-service.ts'
import { publicKeyPem, signBytes, signingKey } from './verification-key.ts'

/** The public certificate authority of the sigstore project. */
export const PUBLIC_FULCIO_URL: URL = new URL('https://fulcio.sigstore.dev')

/** Options of {@link keylessSigner}. */
export interface KeylessOptions extends ServiceOptions {
  /** Gives an OpenID Connect token for the audience `sigstore`. It is sent to the certificate authority alone. */
  readonly identityToken: () => Promise<string>
  /** @default the public authority */
  readonly fulcioUrl?: URL | undefined
}

const SERVICE = 'Fulcio'
const MAX_CHAIN = 16
const MAX_TOKEN_BYTES = 64 * 1024

/**
 * A signer without a key of its own: each signature gets a new key, and a certificate authority (Fulcio) certifies for
 * some minutes that it belongs to whoever the identity token names. The key is forgotten afterwards. Such a signature
 * needs a time that somebody vouches for: that of a transparency log or of a timestamp authority.
 *
 * @throws {TareError} (the signer) `IDENTITY_TOKEN`, `SIGNING_SERVICE`, `NETWORK`, `TLS`
 * @see https://github.com/sigstore/fulcio/blob/v1.7.1/fulcio.proto
 */
export function keylessSigner(options: KeylessOptions): Signer {
  return {
    kind: 'keyless',
    async sign(bytes) {
      const token = (await options.identityToken()).trim()
      const key = signingKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, 'the key of this run')
      const proof = signBytes(key, Buffer.from(subjectOf(token)))
      const pem = await requestCertificate(options, {
        credentials: { oidcIdentityToken: token },
        publicKeyRequest: {
          publicKey: { algorithm: 'ECDSA', content: publicKeyPem(key.publicKey) },
          proofOfPossession: proof.toString('base64'),
        },
      })
      const { raw: der, subjectAltName = '' } = readCertificate(pem, options)
      const identity = subjectAltName.replace(/^(?:URI|email):/, '')
      return { signature: signBytes(key, bytes), maker: { kind: 'certificate', identity, der, pem } }
    },
  }
}

/** What the authority wants signed, to see that the key is ours: the mail address of the token, else its subject. */
function subjectOf(token: string): string {
  const [, payload, ...rest] = token.split('.')
  if (payload === undefined || rest.length !== 1) {
    throw new TareError('IDENTITY_TOKEN', 'the identity token is no JSON Web Token')
  }
  try {
    const value = parseJson(Buffer.from(payload, 'base64url'), 'the identity token', MAX_TOKEN_BYTES)
    const name = readDocument(value, 'the identity token', (root) => {
      root.object([])
      return root.at('email').text() ?? root.at('sub').text()
    })
    if (name !== undefined) return name
  } catch (cause) {
    if (!hasErrorCode(cause, 'INVALID_DOCUMENT', 'LIMIT_EXCEEDED')) throw cause
    throw new TareError('IDENTITY_TOKEN', cause.message)
  }
  throw new TareError('IDENTITY_TOKEN', 'the identity token names nobody')
}

async function requestCertificate(options: KeylessOptions, request: unknown): Promise<string> {
  const url = serviceUrl(options.fulcioUrl ?? PUBLIC_FULCIO_URL, 'api/v2/signingCert')
  const response = await postJson(url, request, options)
  if (response.status !== 201 && response.status !== 200) throw await refusal(response, SERVICE)
  const [leaf] = readChain(await readJsonAnswer(response, SERVICE), url)
  if (leaf === undefined) throw nonsense(SERVICE, url, 'the answer has no certificate')
  return leaf
}

function readChain(answer: unknown, url: URL): readonly string[] {
  try {
    return readDocument(answer, 'certificates', (root) => {
      root.object(['signedCertificateEmbeddedSct', 'signedCertificateDetachedSct'])
      const hasEmbedded = root.has('signedCertificateEmbeddedSct')
      const certified = root.at(hasEmbedded ? 'signedCertificateEmbeddedSct' : 'signedCertificateDetachedSct')
      return certified
        .at('chain')
        .at('certificates')
        .list(MAX_CHAIN, (node) => node.string())
    })
  } catch (cause) {
    if (!hasErrorCode(cause, 'INVALID_DOCUMENT', 'LIMIT_EXCEEDED')) throw cause
    throw nonsense(SERVICE, url, cause.message, cause)
  }
}

function readCertificate(pem: string, { fulcioUrl = PUBLIC_FULCIO_URL }: KeylessOptions): X509Certificate {
  const [block] = pemBlocks(pem)
  try {
    if (block?.label === 'CERTIFICATE') return new X509Certificate(block.der)
  } catch {
    // told below
  }
  throw nonsense(SERVICE, fulcioUrl, 'the certificate it made cannot be read')
}
