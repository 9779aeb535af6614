import type { TransparencyLogEntry } from '@sigstore/bundle'
import { TareError } from '../errors/index.ts'
import { type HttpClient, printableUrl } from '../http/index.ts'
import type { Digest } from '../oci/index.ts'
import type { OperationOptions } from '../stream/index.ts'
import { formatBundle, makeBundle, type SignatureMaker } from './bundle.ts'
import type { TrustedRoot, VerificationPolicy, VerifiedSignature } from './policy.ts'
import { readPublicKey } from './public-key.ts'
import { uploadToRekor } from './rekor.ts'
import type { Signer } from './signer.ts'
import { preAuthEncoding, signatureStatement, STATEMENT_PAYLOAD_TYPE } from './statement.ts'
import { requestTimestamp } from './timestamp.ts'
import { verifyBundle } from './verify-bundle.ts'

/** Who is told of a signature, and how they are reached. */
export interface SignOptions extends Pick<OperationOptions, 'signal' | 'logger'> {
  /** Reaches the services below; needed where one is named. */
  readonly http?: HttpClient | undefined
  /** Transparency log (Rekor) to put the signature into. @default none */
  readonly rekorUrl?: URL | undefined
  /** Timestamp authority (RFC 3161) to ask, by the whole URL. @default none */
  readonly timestampUrl?: URL | undefined
  /** Holds what the services answered against this before the signature is given out. */
  readonly trustedRoot?: TrustedRoot | undefined
}

/** A new signature as a sigstore bundle. */
export interface SignedDigest {
  readonly digest: Digest
  /** The bundle as it is stored. */
  readonly bundle: Uint8Array
  readonly maker: SignatureMaker
  /** Position in the transparency log; undefined where none was told. */
  readonly logIndex?: string | undefined
}

/**
 * Signs a digest: a bundle (version 0.3) around an envelope (DSSE) around a statement (in-toto), as `cosign sign` makes
 * it. The signature covers the digest alone, so it holds wherever the content goes. It is verified before it is given
 * out, together with what the services answered where a trusted root is given.
 *
 * @throws {TareError} `INVALID_ARGUMENT` for a keyless signature without log or timestamp; `SIGNING_SERVICE`, `NETWORK`, `TLS`; what the signer throws; `SIGNATURE_INVALID`,
 * `CERTIFICATE_INVALID`, `LOG_PROOF_INVALID` where the result does not hold
 */
export async function signDigest(digest: Digest, signer: Signer, options: SignOptions = {}): Promise<SignedDigest> {
  options.signal?.throwIfAborted()
  if (signer.kind === 'keyless') requireWitness(options)
  const payloadType = STATEMENT_PAYLOAD_TYPE
  const payload = signatureStatement(digest)
  const { signature, maker } = await signer.sign(preAuthEncoding(payloadType, payload))
  const { rekorUrl, timestampUrl } = options
  const timestamps: Uint8Array[] = []
  const logEntries: TransparencyLogEntry[] = []
  if (timestampUrl !== undefined) timestamps.push(await requestTimestamp(timestampUrl, signature, services(options)))
  if (rekorUrl !== undefined) {
    const envelope = { payloadType, payload, signature, maker }
    logEntries.push(await uploadToRekor(rekorUrl, envelope, services(options)))
    requireTime(signer, logEntries, timestamps, rekorUrl)
  }
  const parts = { payloadType, payload, signature, maker, logEntries, timestamps }
  const bundle = formatBundle(makeBundle(parts))
  checkHolds(digest, bundle, maker, options)
  return { digest, bundle, maker, logIndex: logEntries[0]?.logIndex }
}

function services({ http, signal, logger }: SignOptions): {
  readonly http: HttpClient
  readonly signal: AbortSignal | undefined
  readonly logger: OperationOptions['logger']
} {
  if (http !== undefined) return { http, signal, logger }
  throw new TypeError('signing services need an HTTP client')
}

function checkHolds(
  digest: Digest,
  bundle: Uint8Array,
  maker: SignatureMaker,
  { trustedRoot, rekorUrl }: SignOptions,
): void {
  const logThreshold = rekorUrl === undefined ? 0 : 1
  const key = readPublicKey(Buffer.from(maker.pem), 'what was signed with')
  const byKey: VerificationPolicy = {
    kind: 'key',
    key,
    ...(trustedRoot === undefined ? {} : { trustedRoot, logThreshold }),
  }
  verify(digest, bundle, byKey)
  if (maker.kind === 'key' || trustedRoot === undefined) return
  const anybody = /(?:)/
  verify(digest, bundle, {
    kind: 'identity',
    certificateIdentity: anybody,
    certificateOidcIssuer: anybody,
    trustedRoot,
    logThreshold,
  })
}

function verify(digest: Digest, bundle: Uint8Array, policy: VerificationPolicy): VerifiedSignature {
  return verifyBundle(bundle, { digest }, policy, 'just made')
}

/** Logs of version 2 vouch for no time, so one of them alone is no witness. */
function requireTime(
  { kind }: Signer,
  logEntries: readonly TransparencyLogEntry[],
  timestamps: readonly Uint8Array[],
  rekorUrl: URL,
): void {
  const isTimed = timestamps.length > 0 || logEntries.some((entry) => entry.inclusionPromise !== undefined)
  if (kind === 'key' || isTimed) return
  throw new TareError('INVALID_ARGUMENT', `the log at ${printableUrl(rekorUrl)} vouches for no time`, {
    hint: 'A keyless signature needs a timestamp authority with it: give --timestamp-url',
  })
}

/** The certificate of a keyless signature is good for minutes, and nobody would know that it was used within them. */
function requireWitness({ rekorUrl, timestampUrl }: SignOptions): void {
  if (rekorUrl !== undefined || timestampUrl !== undefined) return
  throw new TareError('INVALID_ARGUMENT', 'a keyless signature needs a transparency log or a timestamp authority', {
    hint: 'Give --rekor-url or --timestamp-url',
  })
}
