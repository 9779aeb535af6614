import { inspect } from 'node:util'
import { isTareError } from '../errors/index.ts'
import { classifyError } from './classify-error.ts'
import type { Paint } from './format/colour.ts'
import { printable } from './format/printable.ts'
import { Interruption } from './interruption.ts'

/** The version of the envelopes that `--json` prints; grows when a field changes its meaning or goes. */
export const ENVELOPE_VERSION = 1

/** Fields every error has; the facts of a class never overwrite them. */
const COMMON_FIELDS: ReadonlySet<string> = new Set(['name', 'message', 'stack', 'cause', 'code', 'category', 'hint'])

/** The envelope for a result. */
export function resultEnvelope(result: unknown): string {
  return `${stringify({ schemaVersion: ENVELOPE_VERSION, result })}\n`
}

/** The envelope for an error: code, category, message, hint, and the facts that its class and its causes carry. */
export function errorEnvelope(error: unknown): string {
  return `${stringify({ schemaVersion: ENVELOPE_VERSION, error: errorFields(error) })}\n`
}

/** The fields of an error for JSON. */
export function errorFields(error: unknown): Readonly<Record<string, unknown>> {
  if (error instanceof Interruption) {
    return { code: 'INTERRUPTED', category: 'interrupted', message: error.message, signal: error.signalName }
  }
  const classified = classifyError(error)
  const { code, category, message, hint } = classified
  return { code, category, message, hint, ...factsOf(classified) }
}

/** Own fields of the error and of the errors of ours that it wraps; what is nearer to the surface wins. */
function factsOf(error: Error): Readonly<Record<string, unknown>> {
  const facts = Object.entries(error).filter(([name, value]) => !COMMON_FIELDS.has(name) && value !== undefined)
  const deeper = isTareError(error.cause) ? factsOf(error.cause) : {}
  return { ...deeper, ...Object.fromEntries(facts) }
}

/** An error for people: what kind it is, what happened, what to do, and with `isVerbose` where it comes from. */
export function errorText(error: unknown, paint: Paint, isVerbose: boolean): string {
  if (error instanceof Interruption) return `tare: ${error.message}\n`
  const { category, message, hint } = classifyError(error)
  const lines = [`tare: ${paint('red', `${category}: ${printable(message)}`)}`]
  if (hint !== undefined) lines.push(`${paint('bold', 'hint:')} ${printable(hint)}`)
  if (isVerbose) lines.push(...chainOf(error).map((text) => paint('dim', printable(text))))
  return `${lines.join('\n')}\n`
}

/** The stack of an error and of everything that led to it. */
function chainOf(error: unknown): readonly string[] {
  const texts: string[] = []
  for (
    let link = error;
    link !== undefined && texts.length < 16;
    link = link instanceof Error ? link.cause : undefined
  ) {
    const text = link instanceof Error ? (link.stack ?? link.message) : inspect(link)
    texts.push(texts.length === 0 ? text : `caused by: ${text}`)
    if (link instanceof AggregateError) texts.push(...link.errors.slice(0, 16).map((part) => `  - ${inspect(part)}`))
  }
  return texts
}

/**
 * A bigint is exact as digits and would otherwise stop the whole envelope. An error inside a report is told as in an
 * envelope of its own.
 */
function stringify(value: unknown): string {
  return JSON.stringify(value, (_, field: unknown) => {
    if (typeof field === 'bigint') return field.toString()
    return field instanceof Error ? errorFields(field) : field
  })
}
