import { existsSync } from 'node:fs'
import {
  type BaselineSpec,
  type BundleSpec,
  type OutputSpec,
  parseBaselineSpec,
  parseBundleSpec,
  parseOutputSpec,
  type SpecOptions,
} from '../delta/index.ts'
import { InvalidDocumentError, TareError } from '../errors/index.ts'
import { isJsonObject } from '../oci/index.ts'
import { hasTransportPrefix } from '../transport/index.ts'
import { readYamlFile, type YamlDocument } from './yaml-document.ts'

/** Where paths with colons end is settled by what is there. */
const ON_DISK: SpecOptions = { exists: existsSync }

/**
 * Reads a bundle spec, YAML or JSON; relative paths start from its folder.
 *
 * @throws {TareError} `INVALID_SPEC` with the place of every fault; `FILE_NOT_FOUND`, `FILE_ACCESS`
 */
export async function readBundleSpec(path: string): Promise<BundleSpec> {
  const document = await readYamlFile(path, 'INVALID_SPEC')
  try {
    return parseFile(document, parseBundleSpec)
  } catch (error) {
    if (!(error instanceof TareError) || !path.endsWith('.json') || !hasBareImages(document.value)) throw error
    throw new TareError('INVALID_SPEC', error.message, { cause: error, hint: migrationHint(path) })
  }
}

/** Reads a baseline spec; as {@link readBundleSpec}. */
export async function readBaselineSpec(path: string): Promise<BaselineSpec> {
  return parseFile(await readYamlFile(path, 'INVALID_SPEC'), parseBaselineSpec)
}

/** Reads an output spec; as {@link readBundleSpec}. */
export async function readOutputSpec(path: string): Promise<OutputSpec> {
  return parseFile(await readYamlFile(path, 'INVALID_SPEC'), parseOutputSpec)
}

type SpecParser<Spec> = (value: unknown, subject: string, options: SpecOptions) => Spec

function parseFile<Spec>(document: YamlDocument, parser: SpecParser<Spec>): Spec {
  return document.parse((value) => parser(value, document.file, { ...ON_DISK, folder: document.folder }))
}

/** Whether some image is a bare path, as they were in diffah's first specs. */
function hasBareImages(value: unknown): boolean {
  const pairs = isJsonObject(value) ? value['pairs'] : undefined
  if (!Array.isArray(pairs)) return false
  const texts = pairs.flatMap((pair: unknown) => (isJsonObject(pair) ? [pair['baseline'], pair['target']] : []))
  return texts.flat().some((text: unknown) => typeof text === 'string' && !hasTransportPrefix(text))
}

function migrationHint(path: string): string {
  const edit = String.raw`s/("(baseline|target)" *: *")([^":]+")/\1docker-archive:\3/`
  return `Put the transport before each path; where all are docker archives: sed -E '${edit}' ${path}`
}

/**
 * A bundle spec from `--pair NAME=BASELINE[,BASELINE…],TARGET`, repeated.
 *
 * @throws {TareError} `INVALID_ARGUMENT`
 */
export function bundleSpecOf(flags: readonly string[]): BundleSpec {
  const form = 'NAME=BASELINE,TARGET'
  const pairs = flags.map((flag) => {
    const { name, rest } = splitName('--pair', flag, form)
    const images = splitImages(rest)
    if (images.length < 2) throw invalidFlag('--pair', `${name} does not give a baseline and a target`, form)
    return { name, baseline: images.slice(0, -1), target: images.at(-1) }
  })
  return parseFlags(
    '--pair',
    () => parseBundleSpec({ pairs }, '--pair', ON_DISK),
    form,
    (path) => path.replace(/^\$\.pairs\[(\d+)\]\.?/, (_, index: string) => `${pairs[Number(index)]?.name ?? ''}: `),
  )
}

/**
 * A baseline spec from `--baseline NAME=IMAGE`, repeated; several of one name are several baselines.
 *
 * @throws {TareError} `INVALID_ARGUMENT`
 */
export function baselineSpecOf(flags: readonly string[]): BaselineSpec {
  const named = new Map<string, string[]>()
  for (const flag of flags) {
    const { name, rest } = splitName('--baseline', flag, NAMED_FORM)
    named.set(name, [...(named.get(name) ?? []), rest])
  }
  const value = { baselines: asObject(named) }
  return parseFlags('--baseline', () => parseBaselineSpec(value, '--baseline', ON_DISK), NAMED_FORM, withoutField)
}

/**
 * An output spec from `--output NAME=IMAGE`, repeated.
 *
 * @throws {TareError} `INVALID_ARGUMENT`
 */
export function outputSpecOf(flags: readonly string[]): OutputSpec {
  const named = new Map<string, string>()
  for (const flag of flags) {
    const { name, rest } = splitName('--output', flag, NAMED_FORM)
    if (named.has(name)) throw invalidFlag('--output', `${name} is given twice`, NAMED_FORM)
    named.set(name, rest)
  }
  const value = { outputs: asObject(named) }
  return parseFlags('--output', () => parseOutputSpec(value, '--output', ON_DISK), NAMED_FORM, withoutField)
}

const NAMED_FORM = 'NAME=IMAGE'

function withoutField(path: string): string {
  return `${path.replace(/^\$\.\w+\.?/, '')} `
}

/** Without a prototype, so that `__proto__` is a name like any other. */
function asObject<Value>(entries: ReadonlyMap<string, Value>): Readonly<Record<string, Value>> {
  const object: Record<string, Value> = Object.create(null)
  for (const [name, value] of entries) object[name] = value
  return object
}

function splitName(flag: string, text: string, form: string): { readonly name: string; readonly rest: string } {
  const equals = text.indexOf('=')
  if (equals < 1) throw invalidFlag(flag, `${JSON.stringify(text.slice(0, 200))} gives no name`, form)
  return { name: text.slice(0, equals), rest: text.slice(equals + 1) }
}

/** Splits at the commas that have an image behind them: a path may hold commas itself. */
function splitImages(text: string): readonly string[] {
  const images: string[] = []
  let start = 0
  for (let comma = text.indexOf(','); comma !== -1; comma = text.indexOf(',', comma + 1)) {
    if (!hasTransportPrefix(text.slice(comma + 1))) continue
    images.push(text.slice(start, comma))
    start = comma + 1
  }
  return [...images, text.slice(start)]
}

function parseFlags<Spec>(flag: string, parse: () => Spec, form: string, subjectOf: (path: string) => string): Spec {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof InvalidDocumentError)) throw error
    const lines = error.problems.map(({ path, message }) => `${subjectOf(path)} ${message}`.replace(/ +/g, ' '))
    throw invalidFlag(flag, lines.join('; '), form)
  }
}

function invalidFlag(flag: string, problem: string, form: string): TareError {
  return new TareError('INVALID_ARGUMENT', `${flag} ${problem}`, {
    hint: `Write ${flag} ${form}, each image with its transport, such as oci-archive:app.tar`,
  })
}
