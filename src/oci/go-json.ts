/**
 * A value that {@link encodeGoJson} writes: a struct as an object, whose undefined fields are left out as `omitempty`
 * does; a map as a `Map`.
 */
export type GoJson =
  | string
  | number
  | boolean
  | null
  | readonly GoJson[]
  | ReadonlyMap<string, GoJson>
  | { readonly [name: string]: GoJson | undefined }

/** Options of {@link encodeGoJson}. */
export interface GoJsonOptions {
  /** Spaces for each level; 0 writes everything on one line without blanks. @default 0 */
  readonly indent?: number | undefined
}

const ESCAPED: ReadonlyMap<string, string> = new Map([
  ['<', '\\u003c'],
  ['>', '\\u003e'],
  ['&', '\\u0026'],
  ['\u2028', '\\u2028'],
  ['\u2029', '\\u2029'],
])

/**
 * Writes JSON byte for byte as Go's `encoding/json` does, because digests are taken over it: fields of a struct in the
 * order given, keys of a map in the order of their bytes, HTML-sensitive characters escaped.
 *
 * @see https://pkg.go.dev/encoding/json#Marshal
 */
export function encodeGoJson(value: GoJson, options: GoJsonOptions = {}): Uint8Array {
  return new TextEncoder().encode(encodeValue(value, ' '.repeat(options.indent ?? 0), '\n'))
}

/** The text that {@link encodeGoJson} writes, on one line. */
export function formatGoJson(value: GoJson): string {
  return encodeValue(value, '', '\n')
}

/** Escapes in a JSON text what Go's encoder escapes and JSON need not have escaped. */
export function escapeGoJson(text: string): string {
  return text.replace(/[<>&\u2028\u2029]/g, (char) => ESCAPED.get(char) ?? char)
}

/** @param lineBreak - begins a line at the level of the value */
function encodeValue(value: GoJson, step: string, lineBreak: string): string {
  if (typeof value === 'string') return encodeString(value)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const inner = lineBreak + step
  if (isArray(value)) {
    return bracketed(
      '[',
      ']',
      value.map((item) => encodeValue(item, step, inner)),
      step,
      lineBreak,
    )
  }
  const separator = step === '' ? ':' : ': '
  const fields = fieldsOf(value).flatMap(([name, field]) =>
    field === undefined ? [] : [`${encodeString(name)}${separator}${encodeValue(field, step, inner)}`],
  )
  return bracketed('{', '}', fields, step, lineBreak)
}

function bracketed(open: string, close: string, parts: readonly string[], step: string, lineBreak: string): string {
  if (parts.length === 0) return open + close
  if (step === '') return open + parts.join(',') + close
  return open + parts.map((part) => lineBreak + step + part).join(',') + lineBreak + close
}

function encodeString(text: string): string {
  return escapeGoJson(JSON.stringify(text.toWellFormed()))
}

/** `Array.isArray` does not narrow a read-only array. */
function isArray(value: object): value is readonly GoJson[] {
  return Array.isArray(value)
}

function fieldsOf(
  value: Exclude<GoJson & object, readonly GoJson[]>,
): readonly (readonly [string, GoJson | undefined])[] {
  return value instanceof Map ? [...value].sort(([a], [b]) => compareGoKeys(a, b)) : Object.entries(value)
}

/** Compares keys as Go sorts those of maps, in the order of UTF-8 bytes. JavaScript compares UTF-16 units, which puts U+E000 to U+FFFF behind all above them. */
export function compareGoKeys(a: string, b: string): number {
  const [left, right] = [Array.from(a), Array.from(b)]
  const differing = left.findIndex((char, index) => char !== right[index])
  const at = differing === -1 ? left.length : differing
  return (left[at]?.codePointAt(0) ?? -1) - (right[at]?.codePointAt(0) ?? -1)
}
