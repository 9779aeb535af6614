import { InvalidDocumentError, TareError } from '../errors/index.ts'
import {
  type Descriptor,
  type DiffId,
  type Digest,
  type DocumentNode,
  isDigest,
  parseJson,
  readDescriptor,
  readDocument,
} from '../oci/index.ts'

/**
 * Annotations of `index.json` by which an archive tells that it is incremental. Tools that do not know them see an
 * ordinary OCI archive.
 *
 * @see docs/formats/incremental.md
 */
export const INCREMENTAL_ANNOTATION = {
  /** On an entry: the images whose layers are left out. */
  BASE: 'vnd.tare.incremental.base',
  /** On an entry: the index of what refers to the image. */
  REFERRERS: 'vnd.tare.incremental.referrers',
  /** On `index.json` itself: how layers are made again that base has in another compression. */
  RECIPES: 'vnd.tare.incremental.recipes',
} as const

/** A base image as an archive records it. */
export interface RecordedBase {
  /** A registry's full reference, of a path the last part alone; empty where there is none. */
  readonly name: string
  readonly digest: Digest
}

/** The value of the annotation that records base images: `NAME@DIGEST`, separated by blanks. */
export function formatBases(bases: readonly RecordedBase[]): string {
  return bases.map(({ name, digest }) => (name === '' ? digest : `${name}@${digest}`)).join(' ')
}

/** Reads what {@link formatBases} wrote. What is malformed is passed over: nothing depends on it. */
export function parseBases(text: string): readonly RecordedBase[] {
  return text.split(' ').flatMap((part) => {
    const at = part.lastIndexOf('@')
    const digest = part.slice(at + 1)
    return isDigest(digest) ? [{ name: part.slice(0, Math.max(at, 0)), digest }] : []
  })
}

/** What an image is called in an archive: a registry's full reference, of a path the last part alone; no digest. */
export function recordedName(reference: string): string {
  const registry = /^(?:docker:\/\/|inventory:)(.*)$/.exec(reference)?.[1]
  const name = registry ?? reference.replace(/^[a-z-]+:/, '').replace(/^.*\//, '')
  return name.replace(/@sha(?:256|512):[0-9a-f]+$/, '').replace(/[^!-~]/g, '_')
}

/** How a layer that the archive leaves out is made of one that base has in another compression. */
export interface LayerRecipe {
  /** The layer of the final image. */
  readonly digest: Digest
  readonly size: number
  readonly diffId: DiffId
  /** Base layers with the same diffID; one will do. */
  readonly sources: readonly Descriptor[]
  /** How the plain tar is compressed; left out where the layer is the plain tar. */
  readonly recipe?: RecipeContent | undefined
}

/** A recipe, or where it lies in the archive. */
export type RecipeContent =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | { readonly kind: 'blob'; readonly digest: Digest; readonly size: number }

/** Recipes up to this size stand in the document. */
export const MAX_INLINE_RECIPE_BYTES = 1024
/** No larger document of recipes is read. */
export const MAX_RECIPES_BYTES: number = 64 * 1024 * 1024
const MAX_RECIPES = 100_000
const MAX_SOURCES = 1000

/** The exact bytes of an archive's document of recipes. */
export function formatRecipes(recipes: readonly LayerRecipe[]): Uint8Array {
  const ordered = recipes.map(({ digest, size, diffId, sources, recipe }) => ({
    digest,
    size,
    diffId,
    sources: sources.map((source) => ({ mediaType: source.mediaType, digest: source.digest, size: source.size })),
    recipe:
      recipe === undefined
        ? undefined
        : recipe.kind === 'inline'
          ? { data: Buffer.from(recipe.bytes).toString('base64') }
          : { digest: recipe.digest, size: recipe.size },
  }))
  return new TextEncoder().encode(JSON.stringify({ schemaVersion: 1, recipes: ordered }))
}

/**
 * Parses and checks a document of recipes.
 *
 * @throws {InvalidDocumentError} with every problem; {@link TareError} `UNSUPPORTED_FORMAT`, `LIMIT_EXCEEDED`
 */
export function parseRecipes(bytes: Uint8Array, subject: string): readonly LayerRecipe[] {
  return readDocument(parseJson(bytes, subject, MAX_RECIPES_BYTES), subject, (root) => {
    checkVersion(root, subject)
    return root.at('recipes').list(MAX_RECIPES, (node) => {
      const recipe = node.at('recipe').optional((content) => readRecipe(content, subject))
      return {
        digest: node.at('digest').digest(),
        size: node.at('size').size(),
        diffId: node.at('diffId').digest(),
        sources: node.at('sources').list(MAX_SOURCES, readDescriptor),
        ...(recipe === undefined ? {} : { recipe }),
      }
    })
  })
}

function readRecipe(node: DocumentNode, subject: string): RecipeContent {
  const keys = node.keys().toSorted().join(' ')
  if (keys === 'data') return { kind: 'inline', bytes: Buffer.from(node.at('data').string(), 'base64') }
  if (keys === 'digest size') return { kind: 'blob', digest: node.at('digest').digest(), size: node.at('size').size() }
  throw unsupported(subject, `a recipe with ${keys === '' ? 'nothing' : keys}`)
}

/** Holds `schemaVersion` against 1. @throws {TareError} `UNSUPPORTED_FORMAT` for a newer one */
export function checkVersion(root: DocumentNode, subject: string): void {
  const version = root.at('schemaVersion').size()
  if (version > 1) throw unsupported(subject, `schema version ${version}`)
  root.at('schemaVersion').exactly(1)
}

function unsupported(subject: string, what: string): TareError {
  return new TareError('UNSUPPORTED_FORMAT', `${subject} uses ${what}, which this Tare does not know`, {
    hint: 'Use the version of Tare that made it, or a newer one',
  })
}

/** A digest in an annotation; undefined where the annotation is absent. @throws {InvalidDocumentError} */
export function annotatedDigest(
  annotations: Readonly<Record<string, string>> | undefined,
  name: string,
  where: string,
): Digest | undefined {
  const text = annotations?.[name]
  if (text === undefined) return undefined
  if (isDigest(text)) return text
  throw new InvalidDocumentError(`index.json of ${where}`, [
    { path: `annotation ${name}`, message: 'must be a digest' },
  ])
}
