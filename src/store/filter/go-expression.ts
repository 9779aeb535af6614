/** Expressions longer than this match nothing. */
const MAX_CHARS = 1024
/** What Go's engine does not have: looking around, going back to a group, taking possession. */
const NOT_IN_GO = /\(\?(?:[=!]|<[=!])|\\[1-9]|\\k</

/**
 * Compiles a regular expression as Go writes them, as far as the two languages agree: leading flags, `(?P<name>`,
 * `\A`, `\z`, classes such as `[[:alpha:]]`, and escaped punctuation are translated.
 *
 * @returns undefined where it is none, or has what Go does not know
 * @see https://github.com/google/re2/wiki/Syntax
 */
export function compileGoExpression(text: string): RegExp | undefined {
  if (text.length > MAX_CHARS || NOT_IN_GO.test(text.replaceAll('\\\\', ''))) return undefined
  const [, flags = '', body = ''] = /^(?:\(\?([imsU]+)\))?([\s\S]*)$/.exec(text) ?? []
  if (flags.includes('U')) return undefined
  const translated = body
    .replaceAll('(?P<', '(?<')
    .replace(/\[:(\^?)([a-z]+):\]/g, (whole, negation: string, name: string) => {
      const members = CLASSES[name]
      return members === undefined || negation !== '' ? whole : members
    })
    .replace(/\\([\s\S])/g, (escape, char: string) => translateEscape(escape, char))
  try {
    return new RegExp(translated, `u${[...new Set(flags)].join('')}`)
  } catch {
    return undefined
  }
}

function translateEscape(escape: string, char: string): string {
  if (char === 'A') return '(?<![\\s\\S])'
  if (char === 'z') return '(?![\\s\\S])'
  if (char === 'a') return '\\x07'
  // In Unicode mode only what means something may be escaped.
  return /^[!-/:-@[-`{-~]$/.test(char) && !'^$\\.*+?()[]{}|/-'.includes(char)
    ? `\\u{${char.charCodeAt(0).toString(16)}}`
    : char === '-'
      ? '\\x2d'
      : escape
}

const CLASSES: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\x00-\\x7f',
  blank: '\\t ',
  cntrl: '\\x00-\\x1f\\x7f',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`\\{-~',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
}
