import { printable } from './printable.ts'

/** One column of a table. */
export interface Column {
  readonly title: string
  /** @defaultValue `'left'`; numbers read better to the right */
  readonly align?: 'left' | 'right' | undefined
}

/** Lays rows out under their titles, two spaces between columns, no trailing space, a line break at the end. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const cells = [columns.map((column) => column.title), ...rows.map((row) => row.map(printable))]
  const widths = columns.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)))
  const lines = cells.map((row) =>
    columns
      .map((column, at) => {
        const cell = row[at] ?? ''
        const width = widths[at] ?? 0
        return column.align === 'right' ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd(),
  )
  return `${lines.join('\n')}\n`
}

/** Lays out names and values as two columns; entries without a value are left out. */
export function formatFields(fields: readonly (readonly [name: string, value: string | undefined])[]): string {
  const present = fields.filter((field): field is readonly [string, string] => field[1] !== undefined)
  const width = Math.max(0, ...present.map(([name]) => name.length))
  return present.map(([name, value]) => `${`${name}:`.padEnd(width + 1)} ${printable(value)}\n`).join('')
}
