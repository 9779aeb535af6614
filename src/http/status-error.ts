import { type ErrorCode, TareError } from '../errors/index.ts'
import type { HttpResponse } from './http-response.ts'
import { printableText } from './printable-text.ts'

/** One entry of a registry's error list. */
export interface RegistryDiagnostic {
  /** `MANIFEST_UNKNOWN`, `DENIED`, … as the registry spells it. */
  readonly code: string
  readonly message: string
}

/** No more of an error's body is read. */
const MAX_ERROR_BODY_BYTES = 64 * 1024
const MAX_DIAGNOSTICS = 16

/**
 * A server answered with an error. The code follows from the status: 401 and 403 `AUTH_REQUIRED`, 404 as the caller
 * says, 429 `RATE_LIMITED`, others `REGISTRY_REFUSED`; a web page where a registry's answer belongs is
 * `REGISTRY_PROTOCOL`.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes
 */
export class HttpStatusError extends TareError {
  override readonly name = 'HttpStatusError'
  readonly status: number
  /** The registry's own list; empty when it sent none. */
  readonly diagnostics: readonly RegistryDiagnostic[]
  /** The `Retry-After` field, as it was sent. */
  readonly retryAfter: string | undefined

  private constructor(
    code: ErrorCode,
    subject: string,
    response: HttpResponse,
    diagnostics: readonly RegistryDiagnostic[],
    hint: string | undefined,
  ) {
    const { status } = response
    const detail = diagnostics.map((entry) => (entry.message === '' ? entry.code : `${entry.code}: ${entry.message}`))
    super(code, `${subject}: answered ${status}${detail.length === 0 ? '' : ` (${detail.join('; ')})`}`, { hint })
    this.status = status
    this.diagnostics = diagnostics
    this.retryAfter = response.header('retry-after')
  }

  /**
   * Reads what the server says about the error, at most 64 KiB of it.
   *
   * @param subject - what was asked for; never a URL with a query
   * @param notFound - the code for 404
   */
  static async read(
    response: HttpResponse,
    subject: string,
    notFound: ErrorCode = 'REGISTRY_REFUSED',
  ): Promise<HttpStatusError> {
    const text = await readErrorBody(response)
    const { status } = response
    const isWebPage = (response.header('content-type') ?? '').includes('text/html') || text.trimStart().startsWith('<')
    const diagnostics = isWebPage ? [] : parseDiagnostics(text)
    if (isWebPage && status < 500 && !HINTS.has(status)) {
      const hint = 'The host may not be a registry, or a proxy stands before it'
      return new HttpStatusError('REGISTRY_PROTOCOL', `${subject}: a web page came back`, response, [], hint)
    }
    const retryAfter = response.header('retry-after')
    const isPlainWait = status === 429 && retryAfter !== undefined && /^\d{1,9}$/.test(retryAfter)
    const hint = isPlainWait ? `Try again in ${retryAfter} seconds, or log in` : HINTS.get(status)
    return new HttpStatusError(codeOf(status, notFound), subject, response, diagnostics, hint)
  }
}

const HINTS: ReadonlyMap<number, string> = new Map([
  [401, 'Log in with podman, skopeo or docker login, or pass --creds or --authfile'],
  [403, 'The credentials lack the right to do this; check the repository name and pass others with --creds'],
  [429, 'Try again later, or log in'],
])

function codeOf(status: number, notFound: ErrorCode): ErrorCode {
  if (status === 401 || status === 403) return 'AUTH_REQUIRED'
  if (status === 404) return notFound
  if (status === 429) return 'RATE_LIMITED'
  // Only errors are errors: a success or redirect that the caller can't use breaks the protocol.
  return status >= 400 ? 'REGISTRY_REFUSED' : 'REGISTRY_PROTOCOL'
}

async function readErrorBody(response: HttpResponse): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    for await (const chunk of response.body()) {
      chunks.push(chunk)
      length += chunk.length
      if (length >= MAX_ERROR_BODY_BYTES) break
    }
  } catch (error) {
    // The status is known and is the better error; a cut-off explanation is used as far as it came. An abort passes.
    if (!(error instanceof TareError)) throw error
  }
  return Buffer.concat(chunks).subarray(0, MAX_ERROR_BODY_BYTES).toString('utf8')
}

function parseDiagnostics(text: string): RegistryDiagnostic[] {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    return []
  }
  const entries =
    typeof document === 'object' && document !== null && 'errors' in document ? document.errors : undefined
  if (!Array.isArray(entries)) return []
  return entries.slice(0, MAX_DIAGNOSTICS).flatMap((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null) return []
    const code = 'code' in entry && typeof entry.code === 'string' ? printableText(entry.code) : 'UNKNOWN'
    const message = 'message' in entry && typeof entry.message === 'string' ? printableText(entry.message) : ''
    return [{ code, message }]
  })
}
