import { type DocumentProblem, InvalidDocumentError, TareError } from '../errors/index.ts'

/** Objects and arrays inside one another. */
const MAX_DEPTH = 64
/** Strings, numbers, literals, objects and arrays in one document; a manifest of 10,000 layers has some 50,000. */
const MAX_VALUES = 1_000_000
/** Problems that are worth listing. */
const MAX_PROBLEMS = 100

/** A JSON object as {@link parseJson} makes it: no prototype, so `__proto__` is a key like any other. */
export type JsonObject = Readonly<Record<string, unknown>>

/** Whether a JSON value is an object. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Parses foreign JSON: strict UTF-8, bounded, and no key twice in an object, because readers disagree about which one
 * counts and an image must not be two images.
 *
 * @param subject - which document, for errors
 * @throws {InvalidDocumentError} with the place of the first syntax error, or of every repeated key
 * @throws {TareError} `LIMIT_EXCEEDED`: more than `maxBytes`, 64 levels or a million values
 * @see https://www.rfc-editor.org/rfc/rfc8259
 */
export function parseJson(bytes: Uint8Array, subject: string, maxBytes: number): unknown {
  if (bytes.length > maxBytes) {
    throw new TareError('LIMIT_EXCEEDED', `${subject} has ${bytes.length} bytes; the limit is ${maxBytes}`)
  }
  return new JsonParser(decodeUtf8(bytes, subject), subject).parse()
}

function decodeUtf8(bytes: Uint8Array, subject: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new InvalidDocumentError(subject, [{ path: '$', message: 'is not UTF-8' }])
  }
}

/** `$.layers[2]` and `digest` make `$.layers[2].digest`. */
export function jsonPath(parent: string, step: string | number): string {
  if (typeof step === 'number') return `${parent}[${step}]`
  return /^[A-Za-z_]\w*$/.test(step) ? `${parent}.${step}` : `${parent}[${JSON.stringify(step.slice(0, 120))}]`
}

/** `JSON.parse` neither tells where it stopped nor sees repeated keys, hence a parser of our own. */
class JsonParser {
  readonly #text: string
  readonly #subject: string
  readonly #path: (string | number)[] = []
  readonly #repeated: DocumentProblem[] = []
  #at = 0
  #valueCount = 0

  constructor(text: string, subject: string) {
    this.#text = text
    this.#subject = subject
  }

  parse(): unknown {
    const value = this.#value()
    if (this.#peek() !== undefined) this.#fail()
    if (this.#repeated.length > 0) throw new InvalidDocumentError(this.#subject, this.#repeated)
    return value
  }

  #value(): unknown {
    if (++this.#valueCount > MAX_VALUES) this.#exceeds(`has more than ${MAX_VALUES} values`)
    switch (this.#peek()) {
      case '{':
        return this.#object()
      case '[':
        return this.#array()
      case '"':
        return this.#string()
      case 't':
        return this.#literal('true', true)
      case 'f':
        return this.#literal('false', false)
      case 'n':
        return this.#literal('null', null)
      case undefined:
        return this.#fail()
      default:
        return this.#number()
    }
  }

  #object(): JsonObject {
    const object: Record<string, unknown> = Object.create(null)
    this.#sequence('}', () => {
      if (this.#peek() !== '"') this.#fail()
      const key = this.#string()
      if (this.#peek() !== ':') this.#fail()
      this.#at++
      this.#path.push(key)
      if (key in object && this.#repeated.length < MAX_PROBLEMS) {
        this.#repeated.push({ path: this.#where(), message: 'occurs more than once' })
      }
      object[key] = this.#value()
      this.#path.pop()
    })
    return object
  }

  #array(): readonly unknown[] {
    const values: unknown[] = []
    this.#sequence(']', () => {
      this.#path.push(values.length)
      values.push(this.#value())
      this.#path.pop()
    })
    return values
  }

  #sequence(close: string, readMember: () => void): void {
    if (this.#path.length >= MAX_DEPTH) this.#exceeds(`is nested more than ${MAX_DEPTH} deep`)
    this.#at++
    if (this.#peek() === close) {
      this.#at++
      return
    }
    for (;;) {
      readMember()
      const next = this.#peek()
      if (next !== close && next !== ',') this.#fail()
      this.#at++
      if (next === close) return
    }
  }

  #string(): string {
    const start = this.#at
    let hasEscapes = false
    for (let code = 0; code !== 0x22; ) {
      code = this.#text.charCodeAt(++this.#at)
      if (!(code >= 0x20)) this.#fail()
      if (code !== 0x5c) continue
      hasEscapes = true
      this.#at++
    }
    const quoted = this.#text.slice(start, ++this.#at)
    if (!hasEscapes) return quoted.slice(1, -1)
    try {
      return String(JSON.parse(quoted))
    } catch {
      return this.#fail(start, 'malformed escape in the string')
    }
  }

  #number(): number {
    const pattern = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
    pattern.lastIndex = this.#at
    const [digits] = pattern.exec(this.#text) ?? []
    if (digits === undefined) return this.#fail()
    this.#at += digits.length
    return Number(digits)
  }

  #literal<Value>(word: string, value: Value): Value {
    if (!this.#text.startsWith(word, this.#at)) this.#fail()
    this.#at += word.length
    return value
  }

  /** The next character that is no white space, not yet taken. */
  #peek(): string | undefined {
    while (' \n\r\t'.includes(this.#text[this.#at] ?? '!')) this.#at++
    return this.#text[this.#at]
  }

  #fail(at: number = this.#at, problem: string = unexpected(this.#text[at])): never {
    const before = this.#text.slice(0, at).split('\n')
    const message = `${problem} at line ${before.length}, column ${(before.at(-1) ?? '').length + 1}`
    throw new InvalidDocumentError(this.#subject, [{ path: this.#where(), message }])
  }

  #exceeds(problem: string): never {
    throw new TareError('LIMIT_EXCEEDED', `${this.#subject} ${problem}, at ${this.#where()}`)
  }

  #where(): string {
    return this.#path.reduce<string>(jsonPath, '$')
  }
}

function unexpected(char: string | undefined): string {
  return char === undefined ? 'unexpected end' : `unexpected ${JSON.stringify(char)}`
}
