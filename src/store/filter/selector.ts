import { TareError } from '../../errors/index.ts'

/** What a selector asks of a field. */
export type SelectorOperator =
  /** The field is there. */
  | 'present'
  /** It is there and has this value. */
  | '=='
  /** It has another value, or is not there. */
  | '!='
  /** It matches a regular expression; an absent one is taken for empty. */
  | '~='

/** One condition: `labels."a.b"==c`. */
export interface Selector {
  readonly fieldPath: readonly string[]
  readonly operator: SelectorOperator
  readonly value: string
}

/** Longer filters are refused. */
const MAX_CHARS = 64 * 1024

/**
 * Parses a filter into its conditions, all of which have to hold.
 *
 * ```text
 * filter    := selector ("," selector)*
 * selector  := fieldpath (operator value)?
 * fieldpath := field ("." field)*
 * field     := quoted | [A-Za-z0-9_]+
 * operator  := "==" | "!=" | "~="
 * value     := quoted | [^\s,]+
 * ```
 *
 * Quotes are `"`, with the escapes of Go's strings; a value behind `~=` may be quoted by `/` or `|` as well. Blanks may
 * stand before a field, an operator and a value, and nowhere else.
 *
 * @throws {TareError} `INVALID_ARGUMENT` with the place
 * @see https://github.com/containerd/containerd/tree/v1.6.20/filters
 */
export function parseSelectors(text: string): readonly Selector[] {
  const parser = new SelectorParser(text)
  return parser.parse()
}

const FIELD_CHAR = /[A-Za-z0-9_]/
const SPACE = /\p{White_Space}/u
/** What neither separates, nor is white, nor can't be seen. */
const VALUE_CHAR = /[^\p{White_Space},\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\ufffd]/u

class SelectorParser {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    if (text.length > MAX_CHARS) {
      throw new TareError('INVALID_ARGUMENT', `filter has ${text.length} characters; the limit is ${MAX_CHARS}`)
    }
    this.#text = text
  }

  parse(): readonly Selector[] {
    const selectors = [this.#selector()]
    while (this.#at < this.#text.length) {
      if (this.#peek() !== ',') this.#fail('a comma is expected')
      this.#at++
      selectors.push(this.#selector())
    }
    return selectors
  }

  #selector(): Selector {
    const fieldPath = [this.#field()]
    while (this.#peek() === '.') {
      this.#at++
      fieldPath.push(this.#field())
    }
    const next = this.#peek()
    if (next === undefined || next === ',') return { fieldPath, operator: 'present', value: '' }
    const operator = this.#operator()
    return { fieldPath, operator, value: this.#value(operator) }
  }

  #field(): string {
    this.#skipBlanks()
    const start = this.#at
    if (this.#peek() === '"') return this.#quoted()
    while (FIELD_CHAR.test(this.#peek() ?? '')) this.#at++
    if (start === this.#at) this.#fail('a field is expected')
    return this.#text.slice(start, this.#at)
  }

  #operator(): Exclude<SelectorOperator, 'present'> {
    this.#skipBlanks()
    const start = this.#at
    while ('=!~'.includes(this.#peek() ?? ' ')) this.#at++
    const operator = this.#text.slice(start, this.#at)
    if (operator === '==' || operator === '!=' || operator === '~=') return operator
    this.#at = start
    return this.#fail('one of == != ~= is expected')
  }

  #value(operator: SelectorOperator): string {
    this.#skipBlanks()
    const start = this.#at
    const first = this.#peek()
    if (first === '"') return this.#quoted()
    if (first === '/' || first === '|') {
      if (operator !== '~=') this.#fail('a value that begins with / or | has to be in double quotes')
      return this.#quoted()
    }
    if (first !== undefined && '.,=!~'.includes(first)) this.#fail('a value is expected')
    for (let char = this.#peek(); char !== undefined && VALUE_CHAR.test(char); char = this.#peek()) {
      this.#at += char.length
    }
    if (start === this.#at) this.#fail('a value is expected')
    return this.#text.slice(start, this.#at)
  }

  /** Reads a string in the quotes it begins with. */
  #quoted(): string {
    const start = this.#at
    const quote = this.#peek()
    this.#at++
    const parts: Buffer[] = []
    for (let char = this.#peek(); char !== quote; char = this.#peek()) {
      if (char === undefined || char === '\n' || char === '\0' || char === '\ufffd') {
        this.#at = start
        this.#fail('the closing quote is missing')
      }
      this.#at += char.length
      parts.push(char === '\\' ? this.#escape(quote) : Buffer.from(char))
    }
    this.#at++
    return Buffer.concat(parts).toString()
  }

  #escape(quote: string | undefined): Buffer {
    const kind = this.#peek() ?? ''
    const simple = SIMPLE_ESCAPES[kind] ?? (kind === quote ? kind : undefined)
    if (simple !== undefined) {
      this.#at++
      return Buffer.from(simple)
    }
    const digits = /^(?:([0-7]{3})|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8}))/.exec(
      this.#text.slice(this.#at, this.#at + 9),
    )
    const [matched = '', octal, byte, short, long] = digits ?? []
    const code = octal === undefined ? Number.parseInt(byte ?? short ?? long ?? '', 16) : Number.parseInt(octal, 8)
    const isByte = octal !== undefined || byte !== undefined
    if (!(code <= (isByte ? 0xff : 0x10ffff))) this.#fail('there is no such escape')
    this.#at += matched.length
    return isByte ? Buffer.from([code]) : Buffer.from(String.fromCodePoint(code).toWellFormed())
  }

  #skipBlanks(): void {
    while (SPACE.test(this.#peek() ?? '')) this.#at++
  }

  /** The character at hand, both halves of a pair. */
  #peek(): string | undefined {
    const code = this.#text.codePointAt(this.#at)
    return code === undefined ? undefined : String.fromCodePoint(code)
  }

  #fail(problem: string): never {
    const [before, after] = [this.#text.slice(0, this.#at), this.#text.slice(this.#at)]
    const place = `${JSON.stringify(before.slice(-80))} … ${JSON.stringify(after.slice(0, 80))}`
    throw new TareError('INVALID_ARGUMENT', `filter, between ${place}: ${problem}`, {
      hint: 'Write FIELD==VALUE, FIELD!=VALUE, FIELD~=EXPRESSION or FIELD; a comma means and; keys with dots go in quotes',
    })
  }
}

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
}
