import { dirname } from 'node:path'
import type { Node, Pair } from 'yaml'
import { type DocumentProblem, hasErrorCode, InvalidDocumentError, TareError } from '../errors/index.ts'
import { jsonPath } from '../oci/index.ts'
import { readAllBytes, readFileRange } from '../stream/index.ts'
import { type FileFaultCode, FileFaultError, type LocatedProblem, type Place } from './file-fault.ts'

/** No larger file is read. */
const MAX_BYTES = 1024 * 1024
/** Objects and lists inside one another. */
const MAX_DEPTH = 64
/** Values in one document, those behind aliases counted each time. */
const MAX_VALUES = 100_000
/** Problems that are worth listing. */
const MAX_PROBLEMS = 100

/** A YAML or JSON file: its plain values, and where each of them stands. */
export class YamlDocument {
  readonly file: string
  /** Objects have no prototype, so that `__proto__` is a key like any other; null for an empty file. */
  readonly value: unknown
  readonly #code: FileFaultCode
  readonly #places: ReadonlyMap<string, Place>

  constructor(code: FileFaultCode, file: string, value: unknown, places: ReadonlyMap<string, Place>) {
    this.#code = code
    this.file = file
    this.value = value
    this.#places = places
  }

  /** The folder that relative paths in the file start from. */
  get folder(): string {
    return dirname(this.file)
  }

  /**
   * Where a value begins, with its key if it has one; for what is absent, where the object begins that lacks it.
   *
   * @param path - as in {@link DocumentProblem}
   */
  placeOf(path: string): Place {
    for (let nearest = path; ; nearest = nearest.replace(LAST_STEP, '')) {
      const place = this.#places.get(nearest)
      if (place !== undefined) return place
      if (!LAST_STEP.test(nearest)) return { line: 1, column: 1 }
    }
  }

  /** An error for problems at some paths. */
  fault(problems: readonly DocumentProblem[], hint?: string): FileFaultError {
    const located = problems.map((problem) => ({ ...problem, ...this.placeOf(problem.path) }))
    return new FileFaultError(this.#code, this.file, located, hint)
  }

  /**
   * Runs a parser over {@link YamlDocument.value} and tells its faults by their places.
   *
   * @throws {TareError} with the document's code
   */
  parse<View>(parser: (value: unknown) => View): View {
    try {
      return parser(this.value)
    } catch (error) {
      if (error instanceof InvalidDocumentError) throw this.fault(error.problems)
      if (!hasErrorCode(error, 'LIMIT_EXCEEDED')) throw error
      throw new TareError(this.#code, error.message, { cause: error })
    }
  }
}

const LAST_STEP = /(?:\.\w+|\[\d+\]|\["(?:[^"\\]|\\.)*"\])$/

/**
 * Reads a YAML file, or a JSON one, of at most 1 MiB.
 *
 * @param code - for faults of its content
 * @throws {TareError} `FILE_NOT_FOUND`, `FILE_ACCESS`; with `code`: a directory, not UTF-8, not YAML, a key twice in one
 * object, a tag, a directive, more than one document, aliases that swell, more than 64 levels
 */
export async function readYamlFile(path: string, code: FileFaultCode): Promise<YamlDocument> {
  try {
    return await parseYaml(await readAllBytes(readFileRange(path), MAX_BYTES, path), path, code)
  } catch (error) {
    if (hasErrorCode(error, 'LIMIT_EXCEEDED')) throw new TareError(code, error.message, { cause: error })
    if (isDirectoryFault(error)) throw new TareError(code, `${path} is a directory`, { cause: error })
    throw error
  }
}

function isDirectoryFault(error: unknown): boolean {
  return (
    error instanceof TareError && error.cause instanceof Error && 'code' in error.cause && error.cause.code === 'EISDIR'
  )
}

/** Like {@link readYamlFile}, for bytes that were read already. */
export async function parseYaml(bytes: Uint8Array, file: string, code: FileFaultCode): Promise<YamlDocument> {
  const yaml = await import('yaml')
  const lines = new yaml.LineCounter()
  const document = yaml.parseDocument(decodeUtf8(bytes, file, code), {
    version: '1.2',
    schema: 'core',
    merge: false,
    // It compares each key with each; the reader below finds repeated ones in one pass.
    uniqueKeys: false,
    prettyErrors: false,
    // With 'silent' further documents are dropped without a word.
    logLevel: 'error',
    lineCounter: lines,
  })
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  if (document.errors.length > 0) throw new FileFaultError(code, file, syntaxProblems(document.errors, placeAt))
  const reader = new NodeReader(yaml, file, code, placeAt)
  if (document.directives.yaml.explicit === true) reader.report('$', 0, 'directives are not understood here')
  const value = reader.read(document.contents, '$', 0, 0)
  if (reader.problems.length > 0) throw new FileFaultError(code, file, reader.problems)
  return new YamlDocument(code, file, value, reader.places)
}

function decodeUtf8(bytes: Uint8Array, file: string, code: FileFaultCode): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new FileFaultError(code, file, [{ path: '$', message: 'the file is not UTF-8', line: 1, column: 1 }])
  }
}

interface SyntaxFault {
  readonly code: string
  readonly message: string
  readonly pos: readonly [number, number]
}

/** The first fault of each line: one often looks like several. */
function syntaxProblems(faults: readonly SyntaxFault[], placeAt: (offset: number) => Place): readonly LocatedProblem[] {
  const byLine = new Map<number, LocatedProblem>()
  for (const fault of faults) {
    const place = placeAt(fault.pos[0])
    if (byLine.has(place.line)) continue
    const isTooDeep = fault.code === 'RESOURCE_EXHAUSTION'
    const message = isTooDeep ? 'nested too deeply' : fault.message.charAt(0).toLowerCase() + fault.message.slice(1)
    byLine.set(place.line, { path: '$', message, ...place })
    if (byLine.size >= MAX_PROBLEMS || isTooDeep) break
  }
  return [...byLine.values()]
}

/** Turns nodes into plain values, notes where they stand, and refuses what only complicates a file. */
class NodeReader {
  readonly problems: LocatedProblem[] = []
  readonly places: Map<string, Place> = new Map()
  readonly #yaml: typeof import('yaml')
  readonly #file: string
  readonly #code: FileFaultCode
  readonly #placeAt: (offset: number) => Place
  readonly #anchors = new Map<string, Node>()
  #valueCount = 0

  constructor(yaml: typeof import('yaml'), file: string, code: FileFaultCode, placeAt: (offset: number) => Place) {
    this.#yaml = yaml
    this.#file = file
    this.#code = code
    this.#placeAt = placeAt
  }

  report(path: string, offset: number, message: string): void {
    if (this.problems.length < MAX_PROBLEMS) this.problems.push({ path, message, ...this.#placeAt(offset) })
  }

  /**
   * @param depth - levels above
   * @param offset - where the value begins, with its key
   */
  read(node: Node | null, path: string, depth: number, offset: number): unknown {
    if (++this.#valueCount > MAX_VALUES) this.#exceeds(`has more than ${MAX_VALUES} values`)
    if (depth > MAX_DEPTH) this.#exceeds(`is nested more than ${MAX_DEPTH} deep`)
    if (!this.places.has(path)) this.places.set(path, this.#placeAt(offset))
    const { isAlias, isMap, isScalar, isSeq } = this.#yaml
    if (isAlias(node)) {
      const meant = this.#anchors.get(node.source)
      if (meant !== undefined) return this.read(meant, path, depth + 1, offset)
      this.report(path, offset, `refers to *${node.source}, which is not there`)
      return null
    }
    if (node?.tag !== undefined) this.report(path, offset, 'has a tag, which is not understood here')
    if (isScalar(node)) {
      this.#remember(node.anchor, node)
      return node.value
    }
    if (isSeq<Node | null>(node)) {
      this.#remember(node.anchor, node)
      return node.items.map((item, index) =>
        this.read(item, jsonPath(path, index), depth + 1, item?.range?.[0] ?? offset),
      )
    }
    if (!isMap<Node | null, Node | null>(node)) return null
    this.#remember(node.anchor, node)
    return this.#readObject(node.items, path, depth, offset)
  }

  #readObject(
    pairs: readonly Pair<Node | null, Node | null>[],
    path: string,
    depth: number,
    offset: number,
  ): Readonly<Record<string, unknown>> {
    const object: Record<string, unknown> = Object.create(null)
    for (const { key, value } of pairs) {
      const keyOffset = key?.range?.[0] ?? offset
      const name = this.#keyText(key)
      if (name === undefined) {
        this.report(path, keyOffset, 'has a key that is no text')
        continue
      }
      const valuePath = jsonPath(path, name)
      if (name in object) this.report(valuePath, keyOffset, 'occurs more than once')
      object[name] = this.read(value, valuePath, depth + 1, keyOffset)
    }
    return object
  }

  /** A key as it is written: `1.10` and `true` are names too. */
  #keyText(key: Node | null): string | undefined {
    if (!this.#yaml.isScalar(key)) return undefined
    if (typeof key.value === 'string') return key.value
    return key.source === undefined || key.source === '' ? undefined : key.source
  }

  /** An anchor holds for the aliases behind it, until there is another one of its name. */
  #remember(anchor: string | undefined, node: Node): void {
    if (anchor !== undefined) this.#anchors.set(anchor, node)
  }

  #exceeds(problem: string): never {
    throw new TareError(this.#code, `${this.#file} ${problem}`)
  }
}
