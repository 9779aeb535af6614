import { hasErrorCode, isTareError, TareError } from '../errors/index.ts'
import { bareDescriptor, type Descriptor, type Digest, isManifestType, parseManifestDocument } from '../oci/index.ts'
import { type OperationOptions, readAllBytes, readFileRange } from '../stream/index.ts'
import { type ImageSource, type ManifestContent, openVerifiedBlob } from '../transport/index.ts'
import { BUNDLE_PREDICATE_ANNOTATION } from './attach.ts'
import { BUNDLE_MEDIA_TYPE_PREFIX, MAX_BUNDLE_BYTES } from './bundle.ts'
import type { VerificationPolicy, VerifiedSignature } from './policy.ts'
import { SignatureError, type TrustCode } from './signature-error.ts'
import { SIGNATURE_PREDICATE_TYPE } from './statement.ts'
import { verifyBundle } from './verify-bundle.ts'

/** Where signatures are looked for. */
export interface SignaturePlaces extends Pick<OperationOptions, 'signal' | 'logger'> {
  /** File with a bundle; where it is given, nothing else is looked at. */
  readonly signatureFile?: string | undefined
  /** The file or directory that the source reads: its bundle lies beside it, see {@link signatureFileOf}. */
  readonly path?: string | undefined
}

/** What was verified, and the signature that says so. */
export interface VerifiedSource {
  /** What the source's reference points at. */
  readonly content: ManifestContent
  readonly signature: VerifiedSignature
}

/** A bundle, not yet read. */
interface FoundBundle {
  readonly origin: string
  readonly read: () => Promise<Uint8Array>
}

/** Signatures that are tried for one image. */
const MAX_TRIED = 100
/** Artifact types under which registries list what `cosign` puts there, some by the type of its empty config. */
const LISTED_TYPES: readonly string[] = [BUNDLE_MEDIA_TYPE_PREFIX, 'application/vnd.oci.empty.']
/** What says most about why no signature is accepted, first. */
const TELLING: readonly TrustCode[] = [
  'IDENTITY_MISMATCH',
  'CERTIFICATE_INVALID',
  'LOG_PROOF_INVALID',
  'SIGNATURE_INVALID',
]

/** The file in which the signature of a file or directory lies: `X.tare.sigstore.json` for `X.tare`. */
export function signatureFileOf(path: string): string {
  return `${path.replace(/\/+$/, '')}.sigstore.json`
}

/**
 * Verifies what a source points at: resolves it, which hashes the manifest or index and reads no further, and looks for
 * a signature that the policy accepts, in the file beside it and among its referrers.
 *
 * @throws {SignatureError} `SIGNATURE_MISSING`; `SIGNATURE_INVALID`, `IDENTITY_MISMATCH`, `CERTIFICATE_INVALID`,
 * `LOG_PROOF_INVALID` when there are signatures and none is accepted
 * @throws {TareError} what the source throws
 */
export async function verifySource(
  source: ImageSource,
  policy: VerificationPolicy,
  places: SignaturePlaces = {},
): Promise<VerifiedSource> {
  const { signal, logger } = places
  const content = await source.resolve({ signal, logger })
  const { digest } = content.descriptor
  const failures: SignatureError[] = []
  for await (const { origin, read } of bundlesFor(source, digest, places)) {
    try {
      const signature = verifyBundle(await read(), { digest, bytes: content.bytes }, policy, origin)
      return { content, signature }
    } catch (error) {
      failures.push(asFailure(error, origin))
    }
    if (failures.length >= MAX_TRIED) break
  }
  throw refusal(source.reference, digest, failures)
}

/** A signature that can't be used leaves the others; trouble on the way to it does not. */
function asFailure(error: unknown, origin: string): SignatureError {
  if (error instanceof SignatureError) return error
  if (!isTareError(error) || error.category !== 'content') throw error
  return new SignatureError('SIGNATURE_INVALID', error.message, { origin, cause: error })
}

function refusal(reference: string, digest: Digest, failures: readonly SignatureError[]): SignatureError {
  const [first, ...more] = failures.toSorted((a, b) => rank(a) - rank(b))
  if (first === undefined) {
    return new SignatureError('SIGNATURE_MISSING', `${reference} (${digest}) has no signature`, {
      hint: 'Sign it with tare sign, or give the signature’s file with --signature',
    })
  }
  if (more.length === 0) return first
  const { code, origin, certificateIdentity, certificateOidcIssuer, hint } = first
  const message = `${reference}: none of ${failures.length} signatures is accepted; ${first.message}`
  // The cast holds: only codes of trust are made here.
  const facts = { origin, certificateIdentity, certificateOidcIssuer, hint, cause: new AggregateError(failures) }
  return new SignatureError(code as TrustCode, message, facts)
}

function rank({ code }: SignatureError): number {
  return TELLING.findIndex((telling) => telling === code)
}

async function* bundlesFor(
  source: ImageSource,
  digest: Digest,
  places: SignaturePlaces,
): AsyncGenerator<FoundBundle, void, undefined> {
  const { signatureFile, path, signal, logger } = places
  if (signatureFile !== undefined) {
    yield { origin: signatureFile, read: () => readBundleFile(signatureFile) }
    return
  }
  if (path !== undefined) {
    const bytes = await readBundleBeside(path)
    if (bytes !== undefined) yield { origin: signatureFileOf(path), read: async () => bytes }
  }
  for (const descriptor of (await source.referrers?.(digest, { signal, logger })) ?? []) {
    if (!mayBeSignature(descriptor)) continue
    yield { origin: descriptor.digest, read: () => readReferrer(source, descriptor, { signal, logger }) }
  }
}

/**
 * Reads the bundle beside a file; undefined where there is none. Nothing of it is proven.
 *
 * @throws {TareError} `LIMIT_EXCEEDED`, `FILE_ACCESS`
 */
export async function readBundleBeside(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readBundleFile(signatureFileOf(path))
  } catch (error) {
    if (hasErrorCode(error, 'FILE_NOT_FOUND')) return undefined
    throw error
  }
}

/** Reads a file that should hold a bundle. @throws {TareError} `FILE_NOT_FOUND`, `FILE_ACCESS`, `LIMIT_EXCEEDED` */
export function readBundleFile(path: string): Promise<Uint8Array> {
  return readAllBytes(readFileRange(path), MAX_BUNDLE_BYTES, path)
}

/** Lists are not proven, so this only leaves out what says of itself that it is something else. */
function mayBeSignature({ mediaType, artifactType, annotations }: Descriptor): boolean {
  if (!isManifestType(mediaType)) return false
  const predicateType = annotations?.[BUNDLE_PREDICATE_ANNOTATION]
  if (predicateType !== undefined && predicateType !== SIGNATURE_PREDICATE_TYPE) return false
  return artifactType === undefined || LISTED_TYPES.some((prefix) => artifactType.startsWith(prefix))
}

async function readReferrer(source: ImageSource, referrer: Descriptor, options: OperationOptions): Promise<Uint8Array> {
  const bytes = await source.readManifest(referrer, options)
  const subject = `manifest ${referrer.digest}`
  const manifest = parseManifestDocument(bytes, { subject, mediaType: referrer.mediaType })
  const [layer, ...more] = manifest.kind === 'manifest' ? manifest.layers : []
  if (layer === undefined || more.length > 0 || !layer.mediaType.startsWith(BUNDLE_MEDIA_TYPE_PREFIX)) {
    throw new TareError('INVALID_DOCUMENT', `${subject} holds no sigstore bundle`)
  }
  if (layer.size > MAX_BUNDLE_BYTES) {
    throw new TareError(
      'LIMIT_EXCEEDED',
      `${subject}: its bundle has ${layer.size} bytes; the limit is ${MAX_BUNDLE_BYTES}`,
    )
  }
  return readAllBytes(openVerifiedBlob(source, bareDescriptor(layer), 'source', options), MAX_BUNDLE_BYTES, subject)
}
