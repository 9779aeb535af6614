/** One line of a file as `sha256sum` writes it. */
export interface ChecksumLine {
  /** SHA-256 in lower-case hex digits. */
  readonly hex: string
  readonly name: string
}

const LINE_PATTERN = /^(\\?)([0-9a-f]{64}) [ *](.+)$/is
const UNESCAPED: Readonly<Record<string, string>> = { '\\': '\\', n: '\n', r: '\r' }

/**
 * Writes what `sha256sum` would, and `sha256sum -c` reads.
 *
 * @see https://www.gnu.org/software/coreutils/manual/html_node/cksum-output-modes.html
 */
export function formatChecksums(lines: readonly ChecksumLine[]): string {
  return lines
    .map(({ hex, name }) => {
      const escaped = name.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r')
      return `${escaped === name ? '' : '\\'}${hex}  ${escaped}\n`
    })
    .join('')
}

/**
 * Reads what `sha256sum` wrote, also after an editor gave it other line ends. Names lose their directory.
 *
 * @returns the number of the first line that is not of that form, counted from 1, in place of the lines
 */
export function parseChecksums(text: string): readonly ChecksumLine[] | number {
  const lines: ChecksumLine[] = []
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line === '' || line.startsWith('#')) continue
    const [, escape, hex, written] = LINE_PATTERN.exec(line) ?? []
    if (hex === undefined || written === undefined) return index + 1
    const name =
      escape === '' ? written : written.replaceAll(/\\([\\nr])/g, (_, letter: string) => UNESCAPED[letter] ?? '')
    lines.push({ hex: hex.toLowerCase(), name: name.slice(name.lastIndexOf('/') + 1) })
  }
  return lines
}
