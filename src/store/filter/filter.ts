import type { Labels } from '../../oci/index.ts'
import { compileGoExpression } from './go-expression.ts'
import { parseSelectors, type Selector } from './selector.ts'

/** Gives the value of a field of one thing; undefined where it has no such field. */
export type FieldReader = (fieldPath: readonly string[]) => string | undefined

/** Picks things by their fields. */
export interface Filter {
  matches(read: FieldReader): boolean
  /** The conditions, for whoever can look things up by some of them: any of the lists has to hold, a list as a whole. */
  readonly alternatives: readonly (readonly Selector[])[]
}

/**
 * Parses filters of which any has to match; none at all, and the empty one, match everything.
 *
 * @throws {TareError} `INVALID_ARGUMENT`; see `parseSelectors` for the syntax
 */
export function parseFilters(texts: readonly string[]): Filter {
  const alternatives = texts.length === 0 ? [[]] : texts.map((text) => (text === '' ? [] : parseSelectors(text)))
  const tests = alternatives.map((selectors) => selectors.map(testOf))
  return { alternatives, matches: (read) => tests.some((all) => all.every((test) => test(read))) }
}

function testOf({ fieldPath, operator, value }: Selector): (read: FieldReader) => boolean {
  switch (operator) {
    case 'present':
      return (read) => read(fieldPath) !== undefined
    case '==':
      return (read) => read(fieldPath) === value
    case '!=':
      return (read) => (read(fieldPath) ?? '') !== value
    case '~=': {
      const expression = compileGoExpression(value)
      return (read) => expression?.test(read(fieldPath) ?? '') === true
    }
  }
}

/** Reads a key of some labels: all further parts of the path, joined by dots. */
export function labelField(labels: Labels, fieldPath: readonly string[]): string | undefined {
  const key = fieldPath.slice(1).join('.')
  return Object.hasOwn(labels, key) ? labels[key] : undefined
}

/** Writes a text so that a filter reads it back, as a field or as a value. */
export function quoteForFilter(text: string): string {
  const escaped = text.replace(/["\\]/g, '\\$&').replace(/[\n\0\ufffd]/g, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
  return `"${escaped}"`
}
