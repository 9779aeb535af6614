import { X509Certificate } from 'node:crypto'
import { rm } from 'node:fs/promises'
import type { TransparencyLogEntry } from '@sigstore/bundle'
import { type SignedEntity, toSignedEntity } from '@sigstore/verify'
import canonicalize from 'canonicalize'
import { fileError, hasErrorCode, TareError } from '../errors/index.ts'
import { parseJson, readDocument } from '../oci/index.ts'
import { bytesSource, digestOf, readAllBytes, readFileRange, writeFileAtomically } from '../stream/index.ts'
import { pemBlocks } from './pem.ts'
import type { VerificationPolicy, VerifiedSignature } from './policy.ts'
import { SignatureError } from './signature-error.ts'
import { type SigningKey, signBytes } from './verification-key.ts'
import { type SignatureMaterial, verifyMaterial } from './verify-entity.ts'

/** Where else a signature of a diffah archive may lie. */
export interface DiffahSignaturePlaces {
  /** Instead of `P.sig`; certificate and log entry then lie where it has `.sig` replaced, or beside the archive. */
  readonly signatureFile?: string | undefined
}

const MAX_SIGNATURE_BYTES = 16 * 1024
const MAX_CERTIFICATE_BYTES = 64 * 1024
const MAX_LOG_ENTRY_BYTES = 1024 * 1024
/** The index of an archive; one of a thousand blobs has 300 KiB. */
const MAX_DOCUMENT_BYTES = 32 * 1024 * 1024

/**
 * What diffah signs: the canonical form (RFC 8785) of `diffah.json`.
 *
 * A key that occurs twice is refused, as diffah's canonicaliser refuses it: what such a document means depends on its
 * reader.
 *
 * @param documentBytes - `diffah.json` as it is stored
 * @throws {TareError} `INVALID_DOCUMENT`, `LIMIT_EXCEEDED`
 * @see https://www.rfc-editor.org/rfc/rfc8785
 */
export function diffahPayload(documentBytes: Uint8Array): Buffer {
  const value = parseJson(documentBytes, 'diffah.json', MAX_DOCUMENT_BYTES)
  let text: string | undefined
  try {
    text = canonicalize(value)
  } catch (cause) {
    // A number beyond those of JSON, or half a character.
    throw new TareError('INVALID_DOCUMENT', 'diffah.json has no canonical form', { cause })
  }
  return Buffer.from(text ?? '')
}

/**
 * Signs a diffah archive as diffah does: ECDSA over SHA-256 of the canonical `diffah.json`, base64, in `P.sig`. The
 * certificate and log entry of a signature that was there before (`P.cert`, `P.rekor.json`) go with it.
 *
 * @param archivePath - `P`
 * @returns the path of the signature
 * @throws {TareError} `INVALID_KEY` for a key that diffah cannot use; `FILE_ACCESS`, `DISK_FULL`
 */
export async function signDiffahArchive(
  archivePath: string,
  documentBytes: Uint8Array,
  key: SigningKey,
): Promise<string> {
  requireEcdsa(key, 'the signing key')
  const signature = signBytes(key, diffahPayload(documentBytes), 'sha256')
  const path = `${archivePath}.sig`
  for (const stale of ['.cert', '.rekor.json']) await removeFile(`${archivePath}${stale}`)
  await writeFileAtomically(path, bytesSource(Buffer.from(`${signature.toString('base64')}\n`)))
  return path
}

async function removeFile(path: string): Promise<void> {
  await rm(path, { force: true }).catch((error: unknown) => {
    throw fileError(path, 'remove', error)
  })
}

/**
 * Refuses keys that diffah cannot use.
 *
 * @throws {TareError} `INVALID_KEY`
 */
export function requireEcdsa({ publicKey }: SigningKey, subject: string): void {
  if (publicKey.kind === 'ecdsa') return
  throw new TareError('INVALID_KEY', `${subject} is ${publicKey.kind}; diffah verifies ECDSA alone`, {
    hint: 'Make one with openssl ecparam -name prime256v1 -genkey, or cosign generate-key-pair',
  })
}

/**
 * Verifies the signature of a diffah archive: `P.sig`, with the certificate `P.cert` and the log entry `P.rekor.json`
 * where there are such.
 *
 * @param archivePath - `P`
 * @param documentBytes - `diffah.json` as it is stored in the archive; nothing else of the archive is looked at
 * @returns the digest covered is that of the canonical `diffah.json`
 * @throws {SignatureError} `SIGNATURE_MISSING`, `SIGNATURE_INVALID`, `IDENTITY_MISMATCH`, `CERTIFICATE_INVALID`,
 * `LOG_PROOF_INVALID`
 */
export async function verifyDiffahArchive(
  archivePath: string,
  documentBytes: Uint8Array,
  policy: VerificationPolicy,
  { signatureFile = `${archivePath}.sig` }: DiffahSignaturePlaces = {},
): Promise<VerifiedSignature> {
  const stem = signatureFile.replace(/\.sig$/, '')
  const signatureText = await readOptional(signatureFile, MAX_SIGNATURE_BYTES)
  if (signatureText === undefined) {
    throw new SignatureError('SIGNATURE_MISSING', `${archivePath} has no signature: there is no ${signatureFile}`, {
      hint: 'Sign it with tare sign, or give the signature’s file with --signature',
    })
  }
  const signature = parseSignature(signatureText, signatureFile)
  const certificateText = await readOptional(`${stem}.cert`, MAX_CERTIFICATE_BYTES)
  const logText = await readOptional(`${stem}.rekor.json`, MAX_LOG_ENTRY_BYTES)
  const certificate = certificateText === undefined ? undefined : parseCertificate(certificateText, `${stem}.cert`)
  const logEntry = logText === undefined ? undefined : parseLogEntry(logText, `${stem}.rekor.json`)
  const payload = payloadOf(documentBytes, signatureFile)
  const material = readMaterial(signatureFile, { signature, payload, certificate, logEntry })
  return { digest: digestOf(payload), ...verifyMaterial(material, policy) }
}

async function readOptional(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
  try {
    return await readAllBytes(readFileRange(path), maxBytes, path)
  } catch (error) {
    if (hasErrorCode(error, 'FILE_NOT_FOUND')) return undefined
    if (hasErrorCode(error, 'LIMIT_EXCEEDED')) throw invalid(path, error.message, error)
    throw error
  }
}

function invalid(origin: string, message: string, cause?: unknown): SignatureError {
  return new SignatureError('SIGNATURE_INVALID', message, { origin, cause })
}

/** Blanks at the end are diffah's own tolerance. */
function parseSignature(bytes: Uint8Array, path: string): Buffer {
  const text = Buffer.from(bytes)
    .toString('latin1')
    .replace(/[ \r\n]+$/, '')
  const signature = Buffer.from(text, 'base64')
  if (text === '' || signature.toString('base64') !== text) throw invalid(path, `${path} is no signature: not base64`)
  return signature
}

/** PEM, or PEM in base64 once more, which is what cosign writes. */
function parseCertificate(bytes: Uint8Array, path: string): Buffer {
  const text = Buffer.from(bytes).toString('latin1')
  const pem = text.includes('-----BEGIN') ? text : Buffer.from(text, 'base64').toString('latin1')
  const [block] = pemBlocks(pem)
  try {
    if (block?.label === 'CERTIFICATE') return new X509Certificate(block.der).raw
  } catch {
    // told below
  }
  throw new SignatureError('CERTIFICATE_INVALID', `${path} is no PEM certificate`, { origin: path })
}

/**
 * cosign's `RekorBundle`: an entry with the promise of the log to include it.
 *
 * @see https://github.com/sigstore/cosign/blob/v3.1.3/pkg/cosign/bundle/rekor.go
 */
function parseLogEntry(bytes: Uint8Array, path: string): TransparencyLogEntry {
  try {
    return readDocument(parseJson(bytes, path, MAX_LOG_ENTRY_BYTES), path, (root) => {
      root.object(['SignedEntryTimestamp', 'Payload'])
      const payload = root.at('Payload').object(['body', 'integratedTime', 'logIndex', 'logID'])
      const canonicalizedBody = Buffer.from(payload.at('body').string(), 'base64')
      const promise = Buffer.from(root.at('SignedEntryTimestamp').string(), 'base64')
      const body = readDocument(parseJson(canonicalizedBody, 'body', MAX_LOG_ENTRY_BYTES), 'body', (node) => ({
        kind: node.object(['kind', 'apiVersion', 'spec']).at('kind').string(),
        version: node.at('apiVersion').string(),
      }))
      return {
        logIndex: String(payload.at('logIndex').size()),
        logId: { keyId: Buffer.from(payload.at('logID').string(), 'hex') },
        kindVersion: body,
        integratedTime: String(payload.at('integratedTime').size()),
        inclusionPromise: { signedEntryTimestamp: promise },
        inclusionProof: undefined,
        canonicalizedBody,
      }
    })
  } catch (cause) {
    if (!hasErrorCode(cause, 'INVALID_DOCUMENT', 'LIMIT_EXCEEDED')) throw cause
    throw new SignatureError('LOG_PROOF_INVALID', `${path}: ${cause.message}`, { origin: path, cause })
  }
}

function payloadOf(documentBytes: Uint8Array, origin: string): Buffer {
  try {
    return diffahPayload(documentBytes)
  } catch (cause) {
    if (!hasErrorCode(cause, 'INVALID_DOCUMENT', 'LIMIT_EXCEEDED')) throw cause
    throw invalid(origin, `signature ${origin} covers nothing: ${cause.message}`, cause)
  }
}

interface SidecarParts {
  readonly signature: Buffer
  readonly payload: Buffer
  readonly certificate: Buffer | undefined
  readonly logEntry: TransparencyLogEntry | undefined
}

function readMaterial(origin: string, { signature, payload, certificate, logEntry }: SidecarParts): SignatureMaterial {
  const { key, timestamps, tlogEntries } = toEntity(origin, { signature, payload, certificate, logEntry })
  return {
    origin,
    signature,
    signedBytes: payload,
    loggedBytes: payload,
    hashes: ['sha256'],
    certificate,
    key,
    timestamps,
    logEntries: tlogEntries,
  }
}

function toEntity(origin: string, { signature, payload, certificate, logEntry }: SidecarParts): SignedEntity {
  const messageDigest = { algorithm: 1, digest: Buffer.from(digestOf(payload).slice(7), 'hex') }
  try {
    return toSignedEntity(
      {
        mediaType: '',
        content: { $case: 'messageSignature', messageSignature: { messageDigest, signature } },
        verificationMaterial: {
          content:
            certificate === undefined
              ? { $case: 'publicKey', publicKey: { hint: '' } }
              : { $case: 'certificate', certificate: { rawBytes: certificate } },
          tlogEntries: logEntry === undefined ? [] : [logEntry],
          timestampVerificationData: undefined,
        },
      },
      payload,
    )
  } catch (cause) {
    throw new SignatureError('CERTIFICATE_INVALID', `signature ${origin}: its certificate cannot be read`, {
      origin,
      cause,
    })
  }
}
