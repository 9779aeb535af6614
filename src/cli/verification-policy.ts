import { join } from 'node:path'
import { TareError } from '../errors/index.ts'
import type { TrustedRoot, VerificationPolicy } from '../sign/index.ts'
import { readAllBytes, readFileRange } from '../stream/index.ts'
import { cacheDirectory } from './cache-directory.ts'
import { readKeyFile } from './key-file.ts'
import type { Run } from './run.ts'
import type { VerifyOptionValues } from './signature-options.ts'

/** Whose signature is wanted, and where it lies. */
export interface Verification {
  readonly policy: VerificationPolicy
  /** Looked at alone, where it is given. */
  readonly signatureFile?: string | undefined
}

/** Turns options into what is to be verified; undefined where no signature is asked for. @see verificationPolicy */
export async function wantedVerification(run: Run, values: VerifyOptionValues): Promise<Verification | undefined> {
  const policy = await verificationPolicy(run, values)
  return policy === undefined ? undefined : { policy, signatureFile: values.signature }
}

/**
 * Turns options into a policy; undefined where no signature is asked for.
 *
 * @throws {TareError} `INVALID_ARGUMENT`, `INVALID_KEY`, `TRUSTED_ROOT`, `FILE_NOT_FOUND`
 */
export async function verificationPolicy(
  run: Run,
  values: VerifyOptionValues,
): Promise<VerificationPolicy | undefined> {
  const identity = choose(values, 'certificateIdentity', 'certificateIdentityRegexp')
  const issuer = choose(values, 'certificateOidcIssuer', 'certificateOidcIssuerRegexp')
  const requiresLog = values.requireTlog === true || values.verifyRekorUrl !== undefined
  if (values.verify !== undefined) {
    if (identity !== undefined || issuer !== undefined) {
      throw new TareError('INVALID_ARGUMENT', '--verify and --certificate-… exclude each other', {
        hint: 'A signature is accepted for its key, or for its certificate',
      })
    }
    const { readPublicKey } = await import('../sign/index.ts')
    const key = readPublicKey(await readKeyFile(values.verify, '--verify'), values.verify)
    const isRootNeeded = requiresLog || values.trustedRoot !== undefined
    const trustedRoot = isRootNeeded ? await loadTrustedRoot(run, values.trustedRoot) : undefined
    return { kind: 'key', key, trustedRoot, logThreshold: requiresLog ? 1 : 0 }
  }
  if (identity !== undefined && issuer !== undefined) {
    const trustedRoot = await loadTrustedRoot(run, values.trustedRoot)
    return { kind: 'identity', certificateIdentity: identity, certificateOidcIssuer: issuer, trustedRoot }
  }
  if (identity !== undefined || issuer !== undefined) {
    throw new TareError('INVALID_ARGUMENT', 'an identity is wanted without its issuer, or the other way round', {
      hint: 'Give --certificate-identity and --certificate-oidc-issuer: anybody could vouch for any name',
    })
  }
  const asked = [
    values.requireSignature === true && '--require-signature',
    values.signature !== undefined && '--signature',
    values.requireTlog === true && '--require-tlog',
    values.trustedRoot !== undefined && '--trusted-root',
    values.verifyRekorUrl !== undefined && '--verify-rekor-url',
  ].find((flag) => flag !== false)
  if (asked === undefined) return undefined
  throw new TareError('INVALID_ARGUMENT', `${asked} is given, but not whose signature is wanted`, {
    hint: 'Give --verify KEY, or --certificate-identity and --certificate-oidc-issuer',
  })
}

function choose(
  values: VerifyOptionValues,
  exact: 'certificateIdentity' | 'certificateOidcIssuer',
  pattern: 'certificateIdentityRegexp' | 'certificateOidcIssuerRegexp',
): string | RegExp | undefined {
  const text = values[exact]
  const source = values[pattern]
  const flag = exact === 'certificateIdentity' ? '--certificate-identity' : '--certificate-oidc-issuer'
  if (text !== undefined && source !== undefined) {
    throw new TareError('INVALID_ARGUMENT', `${flag} and ${flag}-regexp exclude each other`, {
      hint: 'Give one of them',
    })
  }
  if (text === '' || source === '')
    throw new TareError('INVALID_ARGUMENT', `${flag} is empty`, { hint: 'Name somebody' })
  if (source === undefined) return text
  try {
    return new RegExp(source, 'u')
  } catch (cause) {
    throw new TareError('INVALID_ARGUMENT', `${flag}-regexp is no regular expression`, {
      cause,
      hint: cause instanceof Error ? cause.message : undefined,
    })
  }
}

/**
 * Reads a trusted root, or fetches the public one.
 *
 * @throws {TareError} `TRUSTED_ROOT`, `FILE_NOT_FOUND`
 */
export async function loadTrustedRoot(run: Run, path: string | undefined): Promise<TrustedRoot> {
  const { fetchTrustedRoot, MAX_TRUSTED_ROOT_BYTES, parseTrustedRoot } = await import('../sign/index.ts')
  if (path !== undefined) {
    return parseTrustedRoot(await readAllBytes(readFileRange(path), MAX_TRUSTED_ROOT_BYTES, path), path)
  }
  return fetchTrustedRoot({ cachePath: join(cacheDirectory(run.host), 'sigstore'), signal: run.signal })
}
