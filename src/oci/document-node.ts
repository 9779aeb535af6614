import { type DocumentProblem, InvalidDocumentError, TareError } from '../errors/index.ts'
import { type Digest, isDigest } from './digest.ts'
import { isJsonObject, jsonPath } from './json.ts'
import { nearestName } from './nearest-name.ts'

/** Problems that are worth listing. */
const MAX_PROBLEMS = 100

/** What the nodes of one document share. */
interface DocumentContext {
  readonly subject: string
  readonly problems: DocumentProblem[]
}

/**
 * A value of a foreign document, with its path. Reading methods never throw for a fault: they note it and return a
 * stand-in, so that one pass finds every fault. {@link readDocument} keeps stand-ins from ever being seen.
 *
 * `null` counts as absent, as Go's encoders write it for empty lists and maps.
 */
export class DocumentNode {
  readonly #value: unknown
  readonly #path: string
  readonly #context: DocumentContext

  constructor(value: unknown, path: string, context: DocumentContext) {
    this.#value = value ?? undefined
    this.#path = path
    this.#context = context
  }

  /** Notes what is wrong here. */
  report(message: string): void {
    const { problems } = this.#context
    if (problems.length < MAX_PROBLEMS) problems.push({ path: this.#path, message })
  }

  /** A field of an object; absent if there is none. Where no object is, that is the only fault worth telling. */
  at(key: string): DocumentNode {
    if (isJsonObject(this.#value)) return new DocumentNode(this.#value[key], jsonPath(this.#path, key), this.#context)
    return new DocumentNode(undefined, this.#path, { ...this.#context, problems: [] })
  }

  /** A value that stands inside this one in another encoding, such as JSON in a string; its faults are told here. */
  within(value: unknown): DocumentNode {
    return new DocumentNode(value, this.#path, this.#context)
  }

  /** The names of an object's fields; none where no object is. */
  keys(): readonly string[] {
    return isJsonObject(this.#value) ? Object.keys(this.#value) : []
  }

  /** Whether an object has a field, be it `null`. */
  has(key: string): boolean {
    return isJsonObject(this.#value) && key in this.#value
  }

  /** What `read` gives, or undefined where the value is absent. */
  optional<View>(read: (node: DocumentNode) => View): View | undefined {
    return this.#value === undefined ? undefined : read(this)
  }

  /**
   * Expects an object. Fields that are not `known` are ignored, except where they differ from a known one in case
   * alone: Go's decoders take those for the same, so the document would mean different things to different readers.
   */
  object(known: readonly string[]): this {
    if (!isJsonObject(this.#value)) {
      this.report(this.#value === undefined ? 'is missing' : 'must be an object')
      return this
    }
    const exact = new Set(known)
    const folded = new Map(known.map((name) => [foldCase(name), name]))
    for (const key of Object.keys(this.#value)) {
      const meant = exact.has(key) ? undefined : folded.get(foldCase(key))
      if (meant !== undefined) this.at(key).report(`must be spelled ${meant}`)
    }
    return this
  }

  /** Expects an object that has no other fields than these; for documents that people write, where others are typos. */
  only(known: readonly string[]): this {
    if (!isJsonObject(this.#value)) return this.object(known)
    for (const key of Object.keys(this.#value)) {
      if (known.includes(key)) continue
      const meant = nearestName(key, known)
      this.at(key).report(`is not known${meant === undefined ? '' : `; did you mean ${meant}?`}`)
    }
    return this
  }

  string(): string {
    if (typeof this.#value === 'string') return this.#value
    this.report(this.#value === undefined ? 'is missing' : 'must be a string')
    return ''
  }

  /** A string that says something. */
  filled(): string {
    const text = this.string()
    if (this.#value === '') this.report('must not be empty')
    return text
  }

  /** An optional string; the empty one counts as absent. */
  text(): string | undefined {
    return this.optional((node) => node.string()) || undefined
  }

  /** Just this number. */
  exactly(expected: number): void {
    if (this.#value !== expected) this.report(this.#value === undefined ? 'is missing' : `must be ${expected}`)
  }

  boolean(): boolean {
    if (typeof this.#value !== 'boolean') this.report('must be true or false')
    return this.#value === true
  }

  /** A count of bytes, up to 2^53 - 1. */
  size(): number {
    const value = this.#value
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
    this.report(value === undefined ? 'is missing' : 'must be a whole number from 0 to 2^53 - 1')
    return 0
  }

  digest(): Digest {
    const text = this.string()
    if (isDigest(text)) return text
    // A stand-in for an absent digest; its absence is reported already.
    if (typeof this.#value === 'string') {
      this.report('must be sha256: and 64, or sha512: and 128, lower-case hex digits')
    }
    return 'sha256:'
  }

  /** A media type, also one with parameters; printable, because it ends up in HTTP headers. */
  mediaType(): string {
    const text = this.string()
    if (typeof this.#value === 'string' && !MEDIA_TYPE_PATTERN.test(text)) this.report('must be a media type')
    return text
  }

  /**
   * A list; absent counts as empty.
   *
   * @throws {TareError} `LIMIT_EXCEEDED` with more than `maxItems`
   */
  list<View>(maxItems: number, read: (node: DocumentNode, index: number) => View): readonly View[] {
    const values = this.#value ?? []
    if (!Array.isArray(values)) {
      this.report('must be an array')
      return []
    }
    this.#limit(values.length, maxItems)
    return values.map((value: unknown, index) =>
      read(new DocumentNode(value, jsonPath(this.#path, index), this.#context), index),
    )
  }

  /** A list with at least one entry. @throws {TareError} `LIMIT_EXCEEDED` with more than `maxItems` */
  filledList<View>(maxItems: number, read: (node: DocumentNode, index: number) => View): readonly View[] {
    const views = this.list(maxItems, read)
    if (this.#value === undefined) this.report('is missing')
    else if (Array.isArray(this.#value) && views.length === 0) this.report('must not be empty')
    return views
  }

  /** A list with at least one entry, or that entry by itself. @throws {TareError} as {@link DocumentNode.filledList} */
  oneOrMore<View>(maxItems: number, read: (node: DocumentNode, index: number) => View): readonly View[] {
    return Array.isArray(this.#value) ? this.filledList(maxItems, read) : [read(this, 0)]
  }

  /**
   * The fields of an object that has at least one, whatever their names, in order.
   *
   * @throws {TareError} `LIMIT_EXCEEDED` with more than `maxFields`
   */
  fields<View>(maxFields: number, read: (node: DocumentNode, name: string) => View): ReadonlyMap<string, View> {
    const names = this.object([]).keys()
    if (isJsonObject(this.#value) && names.length === 0) this.report('must not be empty')
    this.#limit(names.length, maxFields)
    return new Map(names.map((name) => [name, read(this.at(name), name)]))
  }

  /** An object whose values are all strings. */
  strings(): Readonly<Record<string, string>> {
    if (!isJsonObject(this.#value)) {
      this.report('must be an object')
      return {}
    }
    return Object.fromEntries(Object.keys(this.#value).map((key) => [key, this.at(key).string()]))
  }

  #limit(count: number, most: number): void {
    if (count <= most) return
    const { subject } = this.#context
    throw new TareError('LIMIT_EXCEEDED', `${subject}: ${this.#path} has ${count} entries; the limit is ${most}`)
  }
}

const MEDIA_TYPE_PATTERN = /^(?=.{3,255}$)[!-.0-~]+\/[!-~][ -~]*$/

/** Folds case as Go's `encoding/json` does, where also U+017F is an s and U+212A is a k. */
function foldCase(text: string): string {
  return text.toUpperCase().toLowerCase()
}

/**
 * Turns a JSON value into a view, or throws with every problem that `read` met.
 *
 * @throws {InvalidDocumentError}
 */
export function readDocument<View>(value: unknown, subject: string, read: (root: DocumentNode) => View): View {
  const context: DocumentContext = { subject, problems: [] }
  const view = read(new DocumentNode(value, '$', context))
  if (context.problems.length > 0) throw new InvalidDocumentError(subject, context.problems)
  return view
}

/** Leaves out the fields that are undefined, so that equal views are deeply equal and print well. */
export function withoutAbsent<View extends object>(view: View): View {
  // The cast holds: only fields that may be undefined are dropped.
  return Object.fromEntries(Object.entries(view).filter(([, value]) => value !== undefined)) as View
}
