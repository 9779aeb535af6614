import { formatSize } from '../format/size.ts'
import { formatFields } from '../format/table.ts'

/**
 * The plain fields of a report as names and values: camelCase becomes words, `…Bytes` sizes; lists and objects are left
 * to `--json`.
 */
export function reportFields(report: object): string {
  return formatFields(Object.entries(report).map(([name, value]) => fieldOf(name, value)))
}

function fieldOf(name: string, value: unknown): readonly [string, string | undefined] {
  if (typeof value === 'number' && name.endsWith('Bytes')) return [wordsOf(name.slice(0, -5)), formatSize(value)]
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') {
    return [wordsOf(name), String(value)]
  }
  if (typeof value === 'boolean') return [wordsOf(name), value ? 'yes' : 'no']
  return [name, undefined]
}

function wordsOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}
