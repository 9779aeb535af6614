import { TareError } from '../errors/index.ts'
import type { Digest } from '../oci/index.ts'
import type { SignedDigest, Signer, SigningKey, SignOptions } from '../sign/index.ts'
import { bytesSource, writeFileAtomically } from '../stream/index.ts'
import { findIdentityToken } from './identity-token.ts'
import { readKeyFile } from './key-file.ts'
import { keyPassword, type KeyPasswordValues } from './key-password.ts'
import type { Run } from './run.ts'
import type { SignOptionValues } from './signature-options.ts'
import { tareVersion } from './tare-version.ts'
import { loadTrustedRoot } from './verification-policy.ts'

/** A signer and all that it needs; dispose to close its connections. */
export interface PreparedSigner extends AsyncDisposable {
  readonly signer: Signer
  /** The key, where there is one: diffah archives are signed with it alone. */
  readonly key: SigningKey | undefined
  readonly options: SignOptions
}

/**
 * Turns options into a signer; undefined where none is asked for. Keys are opened here, before any work, so that a wrong
 * password doesn't come to light at its end.
 *
 * @throws {TareError} `INVALID_ARGUMENT`, `INVALID_KEY`, `KEY_PASSWORD`, `IDENTITY_TOKEN`, `TRUSTED_ROOT`
 */
export async function prepareSigner(
  run: Run,
  values: SignOptionValues & KeyPasswordValues & { readonly key?: string },
): Promise<PreparedSigner | undefined> {
  const keyPath = values.key ?? values.signKey
  checkSignOptions(values, keyPath)
  if (keyPath === undefined && values.keyless !== true) return undefined
  const fulcioUrl = serviceUrl(values.fulcioUrl, '--fulcio-url')
  const { PUBLIC_REKOR_URL } = await import('../sign/index.ts')
  const timestampUrl = serviceUrl(values.timestampUrl, '--timestamp-url')
  const isPublicLog = values.tlog === true || (values.keyless === true && timestampUrl === undefined)
  const rekorUrl = serviceUrl(values.rekorUrl, '--rekor-url') ?? (isPublicLog ? PUBLIC_REKOR_URL : undefined)
  const trustedRoot = values.trustedRoot === undefined ? undefined : await loadTrustedRoot(run, values.trustedRoot)
  const { HttpClient } = await import('../http/index.ts')
  const { signal, logger, host } = run
  // Options for registries do not hold here: a lab's lax TLS settings are none to send an identity token with.
  const http = new HttpClient({ environment: host.env, userAgent: `tare/${tareVersion()}` })
  const options: SignOptions = { http, rekorUrl, timestampUrl, trustedRoot, signal, logger }
  const dispose = (): Promise<void> => http.close()
  if (rekorUrl?.href === PUBLIC_REKOR_URL.href) {
    const what = keyPath === undefined ? 'the identity that signs' : 'the signature with its public key'
    logger.warn(`${what} is published for good at ${rekorUrl.host}`)
  }
  if (keyPath !== undefined) {
    const key = await openKey(run, keyPath, values)
    const { keySigner } = await import('../sign/index.ts')
    return { signer: keySigner(key), key, options, [Symbol.asyncDispose]: dispose }
  }
  await checkPrivacy(fulcioUrl)
  const identityToken = await findIdentityToken(run, values.identityToken, http)
  const { keylessSigner } = await import('../sign/index.ts')
  const signer = keylessSigner({ identityToken, fulcioUrl, http, signal, logger })
  return { signer, key: undefined, options, [Symbol.asyncDispose]: dispose }
}

function checkSignOptions(values: SignOptionValues & KeyPasswordValues, keyPath: string | undefined): void {
  const exclude = (a: string, b: string): TareError =>
    new TareError('INVALID_ARGUMENT', `${a} and ${b} exclude each other`, { hint: 'Give one of them' })
  if (values.keyless === true && keyPath !== undefined) throw exclude('--keyless', 'a key')
  if (values.tlog === true && values.rekorUrl !== undefined) throw exclude('--tlog', '--rekor-url')
  if (values.identityToken === '-' && values.signKeyPasswordStdin === true) {
    throw exclude('--identity-token -', '--sign-key-password-stdin')
  }
  if (values.signPassphraseFile !== undefined && values.signKeyPasswordStdin === true) {
    throw exclude('--sign-passphrase-file', '--sign-key-password-stdin')
  }
  const isSigning = keyPath !== undefined || values.keyless === true
  const idle = [
    !isSigning && values.rekorUrl !== undefined && '--rekor-url',
    !isSigning && values.tlog === true && '--tlog',
    !isSigning && values.timestampUrl !== undefined && '--timestamp-url',
    keyPath === undefined && values.signKeyPasswordStdin === true && '--sign-key-password-stdin',
    keyPath === undefined && values.signPassphraseFile !== undefined && '--sign-passphrase-file',
    values.keyless !== true && values.identityToken !== undefined && '--identity-token',
    values.keyless !== true && values.fulcioUrl !== undefined && '--fulcio-url',
  ].find((flag) => flag !== false)
  if (idle === undefined) return
  throw new TareError('INVALID_ARGUMENT', `${idle} is given, but not what to sign with`, {
    hint: 'Give a key, or --keyless',
  })
}

async function openKey(run: Run, path: string, values: KeyPasswordValues): Promise<SigningKey> {
  const bytes = await readKeyFile(path, '--sign-key')
  const { readPrivateKey } = await import('../sign/index.ts')
  return readPrivateKey(bytes, path, { password: keyPassword(run, values) })
}

function serviceUrl(text: string | undefined, flag: string): URL | undefined {
  if (text === undefined) return undefined
  const url = URL.parse(text)
  if (url !== null && (url.protocol === 'https:' || url.protocol === 'http:')) return url
  throw new TareError('INVALID_ARGUMENT', `${flag} is ${JSON.stringify(text)}, not an http or https URL`, {
    hint: 'Give it like https://rekor.example',
  })
}

/** Whoever reads an identity token on its way can sign as its owner. */
async function checkPrivacy(fulcioUrl: URL | undefined): Promise<void> {
  const { isLoopbackHost } = await import('../http/index.ts')
  if (fulcioUrl === undefined || fulcioUrl.protocol === 'https:' || isLoopbackHost(fulcioUrl.hostname)) return
  throw new TareError('INVALID_ARGUMENT', `--fulcio-url is plain http at ${fulcioUrl.host}`, {
    hint: 'The identity token would be readable on its way; use https',
  })
}

/**
 * The key of a signer, for an archive of diffah.
 *
 * @throws {TareError} `INVALID_ARGUMENT` where there is none, or more than a key is wanted
 */
export function diffahKey({ key, options }: PreparedSigner): SigningKey {
  if (key !== undefined && options.rekorUrl === undefined && options.timestampUrl === undefined) return key
  throw new TareError('INVALID_ARGUMENT', 'an archive of diffah is signed with a key, and no more', {
    hint: 'Give a key alone; make a delta of Tare’s own for the rest',
  })
}

/** Signs a digest. @throws {TareError} what `signDigest` throws */
export async function signWith({ signer, options }: PreparedSigner, digest: Digest): Promise<SignedDigest> {
  const { signDigest } = await import('../sign/index.ts')
  return signDigest(digest, signer, options)
}

/** Who made a signature, for reports. */
export type SignerReport =
  | { readonly kind: 'key'; readonly keyId: string }
  | { readonly kind: 'identity'; readonly certificateIdentity: string }

/** Who made a signature. */
export function signerReport({ maker }: SignedDigest): SignerReport {
  switch (maker.kind) {
    case 'key':
      return { kind: 'key', keyId: maker.keyId }
    case 'certificate':
      return { kind: 'identity', certificateIdentity: maker.identity }
  }
}

/** Writes a bundle beside the file that it signs, replacing one that was there. @returns its path */
export async function writeSignatureBeside(path: string, bundle: Uint8Array): Promise<string> {
  const { signatureFileOf } = await import('../sign/index.ts')
  const signatureFile = signatureFileOf(path)
  await writeFileAtomically(signatureFile, bytesSource(bundle))
  return signatureFile
}
