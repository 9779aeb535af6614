import { compareGoKeys, escapeGoJson, formatGoJson } from '../oci/index.ts'

/**
 * JSON as text, so that what a document holds and Tare does not know is carried along as it is. What is written is as
 * Go's `encoding/json` writes it, since digests are taken over it.
 *
 * @see https://pkg.go.dev/encoding/json#Marshal
 */

/** Members of an object in the order of the text, each value as it is written. */
export type JsonMembers = ReadonlyMap<string, string>

/** The text of an object, of members whose values are texts already. */
export function joinMembers(members: Iterable<readonly [name: string, value: string | undefined]>): string {
  const parts: string[] = []
  for (const [name, value] of members) if (value !== undefined) parts.push(`${formatGoJson(name)}:${value}`)
  return `{${parts.join(',')}}`
}

/** Members sorted by the bytes of their names, as Go writes maps. */
export function sortedMembers(members: JsonMembers): readonly (readonly [string, string])[] {
  return [...members].sort(([a], [b]) => compareGoKeys(a, b))
}

/** Takes blanks out of a text, and escapes its strings for HTML. The text has been parsed before. */
export function compactJson(text: string): string {
  let compact = ''
  for (let at = 0; at < text.length; ) {
    const char = text[at] ?? ''
    if (char === '"') {
      const end = endOfString(text, at)
      compact += escapeGoJson(text.slice(at, end))
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
