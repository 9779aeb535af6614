/**
 * JSON as Go's `encoding/json` writes it, since digests are taken over it: fields in a fixed order, keys of maps in the
 * order of their bytes, no blanks, and what HTML could mistake escaped. What a document holds and Tare does not know is
 * carried along as text.
 *
 * @see https://pkg.go.dev/encoding/json#Marshal
 */

const ESCAPED: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
}

/** Members of an object in the order of the text, each value as it is written. */
export type JsonMembers = ReadonlyMap<string, string>

/** The text of a string, a number, a list, or an object of these; keys of objects keep their order. */
export function formatJson(value: unknown): string {
  return escapeForHtml(
    JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'string' ? inner.toWellFormed() : inner)),
  )
}

/** The text of a map: keys sorted by their bytes. */
export function formatJsonMap(map: Readonly<Record<string, string>>): string {
  return joinMembers(sortedMembers(new Map(Object.entries(map).map(([key, value]) => [key, formatJson(value)]))))
}

/** The text of an object, of members whose values are texts already. */
export function joinMembers(members: Iterable<readonly [name: string, value: string | undefined]>): string {
  const parts: string[] = []
  for (const [name, value] of members) if (value !== undefined) parts.push(`${formatJson(name)}:${value}`)
  return `{${parts.join(',')}}`
}

/** Members sorted by the bytes of their names, as Go writes maps. */
export function sortedMembers(members: JsonMembers): readonly (readonly [string, string])[] {
  return [...members].sort(([a], [b]) => compareBytes(a, b))
}

/** Takes blanks out of a text, and escapes its strings for HTML. The text has been parsed before. */
export function compactJson(text: string): string {
  let compact = ''
  for (let at = 0; at < text.length; ) {
    const char = text[at] ?? ''
    if (char === '"') {
      const end = endOfString(text, at)
      compact += escapeForHtml(text.slice(at, end))
      at = end
      continue
    }
    if (!' \n\r\t'.includes(char)) compact += char
    at++
  }
  return compact
}

/** Takes an object apart. The text has been parsed before; undefined where it is no object. */
export function splitMembers(text: string): JsonMembers | undefined {
  const body = text.trim()
  if (!body.startsWith('{')) return undefined
  const members = new Map<string, string>()
  for (const [start, end] of stretches(body)) {
    const member = body.slice(start, end).trim()
    const nameEnd = endOfString(member, 0)
    members.set(String(JSON.parse(member.slice(0, nameEnd))), member.slice(member.indexOf(':', nameEnd) + 1).trim())
  }
  return members
}

/** Takes a list apart. The text has been parsed before; undefined where it is no list. */
export function splitItems(text: string): readonly string[] | undefined {
  const body = text.trim()
  if (!body.startsWith('[')) return undefined
  return stretches(body).map(([start, end]) => body.slice(start, end).trim())
}

/** What lies between the outermost brackets, cut at its commas. */
function stretches(body: string): readonly (readonly [start: number, end: number])[] {
  const found: (readonly [number, number])[] = []
  let depth = 0
  let start = 1
  for (let at = 0; at < body.length; at++) {
    const char = body[at] ?? ''
    if (char === '"') at = endOfString(body, at) - 1
    else if (char === '{' || char === '[') depth++
    else if (char === '}' || char === ']') depth--
    else if (char !== ',' || depth !== 1) continue
    if ((char === ',' && depth === 1) || depth === 0) {
      if (body.slice(start, at).trim() !== '') found.push([start, at])
      start = at + 1
    }
  }
  return found
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === '"') return at + 1
  }
  return text.length
}

function escapeForHtml(text: string): string {
  return text.replace(/[<>&\u2028\u2029]/g, (char) => ESCAPED[char] ?? char)
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
