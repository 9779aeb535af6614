import { isAbsolute } from 'node:path'
import { isTareError } from '../errors/index.ts'
import { type DocumentNode, type Platform, parsePlatform, readDocument } from '../oci/index.ts'
import { formatTransportReference, parseTransportReference, type TransportReference } from '../transport/index.ts'
import { IMAGE_NAME_PATTERN } from './plan.ts'

/** One image of a bundle: what the receiver has, and what it shall get. */
export interface BundlePair {
  /** Unique within the bundle; case counts. */
  readonly name: string
  /** At least one. */
  readonly baselines: readonly TransportReference[]
  readonly target: TransportReference
  /** Members of an index to take; none takes the image whole. */
  readonly platforms: readonly Platform[]
}

/** What `bundle` makes a delta of: `{"pairs": [{"name", "baseline", "target", "platform"?}]}`. */
export interface BundleSpec {
  /** At least one. */
  readonly pairs: readonly BundlePair[]
}

/** Where the receiver has its baselines: `{"baselines": {name: image or list of images}}`. */
export interface BaselineSpec {
  /** By name, in order; at least one, each with at least one image. */
  readonly baselines: ReadonlyMap<string, readonly TransportReference[]>
}

/** Where images go: `{"outputs": {name: image}}`. */
export interface OutputSpec {
  /** By name, in order; at least one. */
  readonly outputs: ReadonlyMap<string, TransportReference>
}

/** How the images of a spec are read. */
export interface SpecOptions {
  /** What relative paths start from: the folder of the spec's file. Left out, they stay as they are. */
  readonly folder?: string | undefined
  /** Whether a path exists; settles where a path with colons ends, as for `parseTransportReference`. */
  readonly exists?: ((path: string) => boolean) | undefined
}

const NAME_RULE = 'of letters, digits, _, . and -, the first one a letter or digit'
/** Pairs, names, or images of one name. */
const MAX_ENTRIES = 10_000

/**
 * Reads a bundle spec. diffah's are valid as they are.
 *
 * @param value - plain values, as `JSON.parse` or a YAML reader makes them
 * @param subject - which document, for errors
 * @throws {InvalidDocumentError} with every problem
 */
export function parseBundleSpec(value: unknown, subject: string, options: SpecOptions = {}): BundleSpec {
  return readDocument(value, subject, (root) => {
    root.only(['pairs', '$schema'])
    const names = new Map<string, number>()
    const pairs = root.at('pairs').filledList(MAX_ENTRIES, (node, index) => {
      const pair = readPair(node, options)
      const earlier = names.get(pair.name)
      if (earlier === undefined) names.set(pair.name, index)
      else if (pair.name !== '') node.at('name').report(`is the name of pairs[${earlier}] too`)
      return pair
    })
    return { pairs }
  })
}

function readPair(node: DocumentNode, options: SpecOptions): BundlePair {
  node.only(['name', 'baseline', 'target', 'platform'])
  const name = node.at('name').filled()
  if (name !== '' && !IMAGE_NAME_PATTERN.test(name)) node.at('name').report(`must be a name ${NAME_RULE}`)
  return {
    name,
    baselines: readImages(node.at('baseline'), options),
    target: readImage(node.at('target'), options),
    platforms: node.at('platform').optional((platform) => platform.oneOrMore(MAX_ENTRIES, readPlatform)) ?? [],
  }
}

/**
 * Reads a baseline spec. diffah's are valid as they are, but for relative paths, which it takes from the current
 * directory.
 *
 * @param value - plain values
 * @param subject - which document, for errors
 * @throws {InvalidDocumentError} with every problem
 */
export function parseBaselineSpec(value: unknown, subject: string, options: SpecOptions = {}): BaselineSpec {
  return readDocument(value, subject, (root) => ({
    baselines: readNamed(root, 'baselines', (node) => readImages(node, options)),
  }))
}

/**
 * Reads an output spec. diffah's are valid as they are, but for relative paths, which it takes from the current
 * directory.
 *
 * @param value - plain values
 * @param subject - which document, for errors
 * @throws {InvalidDocumentError} with every problem
 */
export function parseOutputSpec(value: unknown, subject: string, options: SpecOptions = {}): OutputSpec {
  return readDocument(value, subject, (root) => {
    const places = new Set<string>()
    const outputs = readNamed(root, 'outputs', (node) => {
      const image = readImage(node, options)
      const place = formatTransportReference(image)
      if (places.has(place)) node.report('is where another image goes too')
      if (image !== NO_IMAGE) places.add(place)
      return image
    })
    return { outputs }
  })
}

function readNamed<View>(
  root: DocumentNode,
  field: string,
  read: (node: DocumentNode) => View,
): ReadonlyMap<string, View> {
  root.only([field, '$schema'])
  return root.at(field).fields(MAX_ENTRIES, (node, name) => {
    if (!IMAGE_NAME_PATTERN.test(name)) node.report(`must have a name ${NAME_RULE}`)
    return read(node)
  })
}

/** Stands in for an image whose text was no good, which is noted. */
const NO_IMAGE: TransportReference = { transport: 'dir', path: '' }

function readImages(node: DocumentNode, options: SpecOptions): readonly TransportReference[] {
  return node.oneOrMore(MAX_ENTRIES, (image) => readImage(image, options))
}

function readPlatform(node: DocumentNode): Platform {
  return attempt(node, 'platform', parsePlatform) ?? { os: '', architecture: '' }
}

function readImage(node: DocumentNode, { folder, exists }: SpecOptions): TransportReference {
  const fromFolder = (path: string): string =>
    folder === undefined || isAbsolute(path) ? path : `${folder}/${path.replace(/^(?:\.\/+)+(?=.)/, '')}`
  const looksUp = exists === undefined ? undefined : (path: string): boolean => exists(fromFolder(path))
  const reference = attempt(node, 'image', (text) => parseTransportReference(text, { exists: looksUp }))
  if (reference === undefined) return NO_IMAGE
  return 'path' in reference ? { ...reference, path: fromFolder(reference.path) } : reference
}

/** What `parse` makes of a text; nothing, and a note of what is wrong, where it can't. */
function attempt<View>(node: DocumentNode, what: string, parse: (text: string) => View): View | undefined {
  const text = node.filled()
  if (text === '') return undefined
  try {
    return parse(text)
  } catch (error) {
    if (!isTareError(error)) throw error
    const advice = error.hint === undefined ? '' : `; ${error.hint.charAt(0).toLowerCase()}${error.hint.slice(1)}`
    node.report(`is no ${what}: ${error.message}${advice}`)
    return undefined
  }
}
