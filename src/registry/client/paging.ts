import { TareError } from '../../errors/index.ts'
import type { HttpResponse } from '../../http/index.ts'

/** Pages read of one list. */
const MAX_PAGES = 10_000
const NEXT_LINK = /<([^<>]*)>[^,<]*;\s*rel\s*=\s*(?:"next"|next)(?=\s*[;,]|\s*$)/i
const NAME = /^[\x21-\x7e]{1,512}$/

/**
 * Where the next page of a list is, by the answer's `Link` field.
 *
 * @param page - number of the page just read, from 1
 * @returns `undefined` after the last page
 * @throws {TareError} `REGISTRY_PROTOCOL` when the link leads to another origin or to the same page; `LIMIT_EXCEEDED`
 * @see https://www.rfc-editor.org/rfc/rfc8288
 */
export function nextPage(response: HttpResponse, page: number): URL | undefined {
  const link = NEXT_LINK.exec(response.header('link') ?? '')?.[1]
  if (link === undefined) return undefined
  const next = URL.parse(link, response.url.href)
  if (next === null || next.origin !== response.url.origin) {
    throw new TareError('REGISTRY_PROTOCOL', `${response.subject}: the next page is on another host`)
  }
  if (next.href === response.url.href) {
    throw new TareError('REGISTRY_PROTOCOL', `${response.subject}: the next page is the same page`)
  }
  if (page >= MAX_PAGES) throw new TareError('LIMIT_EXCEEDED', `${response.subject}: more than ${MAX_PAGES} pages`)
  return next
}

/**
 * Reads a page of names.
 *
 * @param field - the member that holds them; null counts as none
 * @throws {TareError} `REGISTRY_PROTOCOL`
 */
export function readNames(bytes: Uint8Array, field: 'tags' | 'repositories', subject: string): readonly string[] {
  const document = parseJson(bytes, subject)
  const names: unknown = Object.hasOwn(document, field) ? document[field] : null
  const isNames = (value: unknown): value is readonly string[] =>
    Array.isArray(value) && value.every((name) => typeof name === 'string' && NAME.test(name))
  if (names === null) return []
  if (!isNames(names)) throw new TareError('REGISTRY_PROTOCOL', `${subject}: ${field} is not a list of names`)
  return names
}

/**
 * Parses an answer that has to be a JSON object.
 *
 * @throws {TareError} `REGISTRY_PROTOCOL`
 */
export function parseJson(bytes: Uint8Array, subject: string): Readonly<Record<string, unknown>> {
  let document: unknown
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    document = undefined
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new TareError('REGISTRY_PROTOCOL', `${subject}: the answer is not a JSON object`, {
      hint: 'The host may not be a registry, or a proxy stands before it',
    })
  }
  return { ...document }
}
