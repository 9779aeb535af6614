import type { Check } from '../doctor/check.ts'
import { type Look, paintFor } from '../format/colour.ts'
import { printable } from '../format/printable.ts'
import type { Run } from '../run.ts'

const LOOKS: Readonly<Record<Check['status'], Look>> = { ok: 'green', warn: 'yellow', fail: 'red' }

/** What `tare doctor` says: a line for each check, what to do below, and the sum of it. */
export function doctorText(checks: readonly Check[], { host, settings }: Pick<Run, 'host' | 'settings'>): string {
  const paint = paintFor(host.stdout, host.env, settings.color)
  const width = Math.max(...checks.map((check) => check.name.length))
  const indent = ' '.repeat(6 + width + 2)
  const lines = checks.flatMap(({ name, status, detail, hint }) => [
    `${paint(LOOKS[status], status.padEnd(4))}  ${name.padEnd(width)}  ${below(detail, indent)}`,
    ...(status === 'ok' || hint === undefined ? [] : [`${indent}${paint('bold', 'hint:')} ${below(hint, indent)}`]),
  ])
  return `${lines.join('\n')}\n\n${conclusion(checks)}\n`
}

/** Text of several lines stays in its column. */
function below(text: string, indent: string): string {
  return printable(text).replaceAll('\n', `\n${indent}`)
}

function conclusion(checks: readonly Check[]): string {
  const count = (status: Check['status']): number => checks.filter((check) => check.status === status).length
  const [failed, warned] = [count('fail'), count('warn')]
  if (failed === 0 && warned === 0) return 'All is well.'
  const parts = [
    ...(failed === 0 ? [] : [`${failed} ${failed === 1 ? 'check fails' : 'checks fail'}`]),
    ...(warned === 0 ? [] : [`${warned} ${warned === 1 ? 'warning' : 'warnings'}`]),
  ]
  return `${parts.join(', ')}.`
}
