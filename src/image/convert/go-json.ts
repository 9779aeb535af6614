/** Values that {@link goJson} writes. A map is written as Go writes its maps, an object as Go writes its structs. */
export type GoValue =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly GoValue[]
  | ReadonlyMap<string, GoValue>
  | { readonly [key: string]: GoValue }

/** Escapes that Go's encoder makes and JSON does not need. */
const ESCAPES: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
}

/**
 * Writes JSON byte for byte as Go's `encoding/json` does: compact; fields of objects in their order, undefined ones left
 * out; keys of maps sorted; `<`, `>` and `&` escaped.
 *
 * @see https://pkg.go.dev/encoding/json#Marshal
 */
export function goJson(value: GoValue): Uint8Array {
  return new TextEncoder().encode(written(value))
}

function written(value: GoValue): string {
  if (typeof value === 'string') return quoted(value)
  if (value === undefined || value === null) return 'null'
  if (typeof value !== 'object') return JSON.stringify(value)
  if (isList(value)) return `[${value.map(written).join(',')}]`
  // An ordinary object would not do for a map: keys that look like numbers move to its front.
  const fields = value instanceof Map ? [...value].toSorted(byKeyBytes) : Object.entries(value)
  const present = fields.filter(([, field]) => field !== undefined)
  return `{${present.map(([key, field]) => `${quoted(key)}:${written(field)}`).join(',')}}`
}

function isList(value: object): value is readonly GoValue[] {
  return Array.isArray(value)
}

function byKeyBytes([a]: readonly [string, GoValue], [b]: readonly [string, GoValue]): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function quoted(text: string): string {
  return JSON.stringify(text.toWellFormed()).replace(/[<>&\u2028\u2029]/g, (char) => ESCAPES[char] ?? char)
}

const TIME = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:[.,](\d{1,30}))?(Z|[+-]\d{2}:\d{2})$/

/** A time as Go's `time.Time` writes it again: nanoseconds without final zeros. Undefined where it is no RFC 3339 time. */
export function goTime(text: string): string | undefined {
  const [, seconds, fraction = '', zone = ''] = TIME.exec(text) ?? []
  if (seconds === undefined || Number.isNaN(Date.parse(`${seconds}Z`))) return undefined
  const nanoseconds = fraction.slice(0, 9).replace(/0+$/, '')
  const offset = zone === '+00:00' || zone === '-00:00' ? 'Z' : zone
  return `${seconds}${nanoseconds === '' ? '' : `.${nanoseconds}`}${offset}`
}
