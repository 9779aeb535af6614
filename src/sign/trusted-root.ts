import { TrustedRoot as TrustedRootDocument } from '@sigstore/protobuf-specs'
import { type TrustMaterial, toTrustMaterial } from '@sigstore/verify'
import { hasErrorCode, TareError } from '../errors/index.ts'
import { parseJson } from '../oci/index.ts'
import type { TrustedRoot } from './policy.ts'

/** Options of {@link fetchTrustedRoot}. */
export interface FetchTrustedRootOptions {
  readonly signal?: AbortSignal | undefined
  /** Directory in which what was fetched is kept; it is fetched again only when it has expired. */
  readonly cachePath: string
  /** Where the repository is. @default that of the public instance of sigstore */
  readonly mirrorUrl?: URL | undefined
  /** The root of the repository to begin with; only the public instance's comes along. */
  readonly rootPath?: string | undefined
}

/** No larger document is read; the public instance's has 7 KiB. */
export const MAX_TRUSTED_ROOT_BYTES: number = 4 * 1024 * 1024

/**
 * Parses a trusted root: the authorities, logs and timestamp authorities that signatures are held against.
 *
 * @param origin - which file, for errors
 * @throws {TareError} `TRUSTED_ROOT`
 * @see https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_trustroot.proto
 */
export function parseTrustedRoot(bytes: Uint8Array, origin: string): TrustedRoot {
  try {
    const document = TrustedRootDocument.fromJSON(parseJson(bytes, origin, MAX_TRUSTED_ROOT_BYTES))
    return { origin, material: trustMaterial(document) }
  } catch (cause) {
    const detail = hasErrorCode(cause, 'INVALID_DOCUMENT', 'LIMIT_EXCEEDED') ? `: ${cause.message}` : ''
    throw new TareError('TRUSTED_ROOT', `${origin} is no trusted root of sigstore${detail}`, {
      cause,
      hint: 'Give a trusted_root.json, as cosign trusted-root create makes it',
    })
  }
}

function trustMaterial(document: TrustedRootDocument): TrustMaterial {
  const material = toTrustMaterial(document)
  const { certificateAuthorities, tlogs, timestampAuthorities } = material
  // Any JSON object parses; one that trusts nobody is the wrong file.
  if (certificateAuthorities.length + tlogs.length + timestampAuthorities.length > 0) return material
  throw new TypeError('trusts nobody')
}

/**
 * Fetches the trusted root through TUF, which keeps it fresh and signed itself. Requests go by Node's own `fetch`: not
 * through the proxies and certificates that registries are reached with.
 *
 * @throws {TareError} `TRUSTED_ROOT`
 */
export async function fetchTrustedRoot(options: FetchTrustedRootOptions): Promise<TrustedRoot> {
  const { signal, cachePath, mirrorUrl, rootPath } = options
  signal?.throwIfAborted()
  const { DEFAULT_MIRROR_URL, getTrustedRoot } = await import('@sigstore/tuf')
  const mirrorURL = mirrorUrl?.href.replace(/\/$/, '') ?? DEFAULT_MIRROR_URL
  try {
    const from = { cachePath, mirrorURL, forceCache: true, ...(rootPath === undefined ? {} : { rootPath }) }
    const fetched = getTrustedRoot(from)
    const document = await untilAborted(fetched, signal)
    return { origin: mirrorURL, material: trustMaterial(document) }
  } catch (cause) {
    signal?.throwIfAborted()
    throw new TareError('TRUSTED_ROOT', `trusted root of ${mirrorURL}: ${deepestMessage(cause)}`, {
      cause,
      hint: 'Without a network, give a copy of trusted_root.json with --trusted-root',
    })
  }
}

/** TUF takes no signal; what it still does after an abort is bounded by its own time limits. */
async function untilAborted<Value>(promise: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (signal === undefined) return promise
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function deepestMessage(error: unknown): string {
  let deepest = error
  for (let depth = 0; depth < 8 && deepest instanceof Error && deepest.cause instanceof Error; depth++) {
    deepest = deepest.cause
  }
  return deepest instanceof Error ? deepest.message : String(deepest)
}
