import { TareError } from '../errors/index.ts'
import { type HttpClient, type HttpResponse, printableUrl } from '../http/index.ts'
import { parseJson } from '../oci/index.ts'
import type { OperationOptions } from '../stream/index.ts'

/** How the services of sigstore are reached. */
export interface ServiceOptions extends Pick<OperationOptions, 'signal' | 'logger'> {
  readonly http: HttpClient
}

/** No larger answer is read; those of real services have some 10 KiB. */
const MAX_ANSWER_BYTES = 1024 * 1024
/** No more of an explanation is read. */
const MAX_EXPLANATION_BYTES = 64 * 1024
const MAX_EXPLANATION_LENGTH = 240

/** The address of a call: below the path that the service's URL has. */
export function serviceUrl(base: URL, path: string): URL {
  return new URL(path, base.href.endsWith('/') ? base.href : `${base.href}/`)
}

/**
 * Sends a document to a service and gives its answer, whatever its status.
 *
 * @throws {TareError} `NETWORK`, `TLS`
 */
export function postJson(url: URL, body: unknown, { http, signal, logger }: ServiceOptions): Promise<HttpResponse> {
  const headers = { 'content-type': 'application/json', accept: 'application/json' }
  const bytes = Buffer.from(JSON.stringify(body))
  // What is sent was made for this service; a redirect would take it elsewhere.
  return http.request({ method: 'POST', url, headers, body: bytes, redirect: 'manual', signal, logger })
}

/**
 * Reads the JSON of an answer.
 *
 * @param service - who answered: `Rekor`, `Fulcio`
 * @throws {TareError} `SIGNING_SERVICE`, `NETWORK`
 */
export async function readJsonAnswer(response: HttpResponse, service: string): Promise<unknown> {
  const bytes = await response.bytes(MAX_ANSWER_BYTES)
  try {
    return parseJson(bytes, `answer of ${service}`, MAX_ANSWER_BYTES)
  } catch (cause) {
    throw new TareError('SIGNING_SERVICE', `${service} at ${response.subject}: the answer is no JSON`, { cause })
  }
}

/** The error for an answer that is one. Services explain themselves in `message`. */
export async function refusal(response: HttpResponse, service: string): Promise<TareError> {
  const explanation = await readExplanation(response)
  const detail = explanation === '' ? '' : ` (${explanation})`
  return new TareError('SIGNING_SERVICE', `${service} at ${response.subject}: answered ${response.status}${detail}`, {
    hint: response.status >= 500 ? 'Try again later' : 'Check the URL of the service',
  })
}

/** The error for an answer that makes no sense. */
export function nonsense(service: string, url: URL, what: string, cause?: unknown): TareError {
  return new TareError('SIGNING_SERVICE', `${service} at ${printableUrl(url)}: ${what}`, { cause })
}

async function readExplanation(response: HttpResponse): Promise<string> {
  try {
    const value = parseJson(await response.bytes(MAX_EXPLANATION_BYTES), 'explanation', MAX_EXPLANATION_BYTES)
    const isExplained = typeof value === 'object' && value !== null && 'message' in value
    return isExplained && typeof value.message === 'string' ? printable(value.message) : ''
  } catch (error) {
    if (error instanceof TareError) return ''
    throw error
  }
}

function printable(text: string): string {
  return (
    text
      .replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')
      // Services quote what they were sent, which may be a token.
      .replace(/[\w-]+\.[\w-]+\.[\w-]{20,}/g, '…')
      .slice(0, MAX_EXPLANATION_LENGTH)
  )
}
