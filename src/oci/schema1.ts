import { InvalidDocumentError } from '../errors/index.ts'
import type { Digest } from './digest.ts'
import { type DocumentNode, readDocument, withoutAbsent } from './document-node.ts'
import { isJsonObject, type JsonObject, parseJson } from './json.ts'
import { MEDIA_TYPE } from './media-type.ts'

/** A layer of a schema 1 image, with the step that made it. */
export interface Schema1Layer {
  readonly digest: Digest
  /** The step changed no file; its layer is an empty tar that later schemas leave out. */
  readonly isThrowAway: boolean
  /** RFC 3339, as it stands. */
  readonly created?: string | undefined
  readonly author?: string | undefined
  readonly comment?: string | undefined
  /** The command that made the layer, its words joined by blanks. */
  readonly createdBy: string
}

/**
 * A Docker schema 1 manifest: no config, no sizes, no media types; the image's settings stand in its topmost layer.
 *
 * @see https://distribution.github.io/distribution/spec/deprecated-schema-v1/
 */
export interface Schema1Manifest {
  readonly kind: 'schema1'
  readonly mediaType: string
  readonly name: string
  readonly tag: string
  readonly architecture: string
  /** The lowest first; a layer that follows itself is listed once. */
  readonly layers: readonly Schema1Layer[]
  /** What the topmost layer says of the whole image: its settings, and nothing of it checked. */
  readonly image: JsonObject
}

const MAX_BYTES = 8 * 1024 * 1024
const MAX_LAYERS = 10_000
const LAYER_ID = /^[0-9a-f]{64}$/

/**
 * Parses a schema 1 manifest, signed or not. Signatures are not checked: they were never more than a checksum.
 *
 * @param subject - which document, for errors
 * @throws {InvalidDocumentError} with every problem, broken parent links among them
 * @throws {TareError} `LIMIT_EXCEEDED` for more than 10,000 layers, and see `parseJson`
 */
export function parseSchema1Manifest(bytes: Uint8Array, subject: string): Schema1Manifest {
  const value = parseJson(bytes, subject, MAX_BYTES)
  const mediaType =
    isJsonObject(value) && 'signatures' in value ? MEDIA_TYPE.DOCKER_SCHEMA1_SIGNED : MEDIA_TYPE.DOCKER_SCHEMA1
  return readDocument(value, subject, (root) => {
    root.object(['schemaVersion', 'name', 'tag', 'architecture', 'fsLayers', 'history', 'signatures'])
    root.at('schemaVersion').exactly(1)
    for (const key of ['manifests', 'config', 'layers']) {
      if (root.has(key)) root.at(key).report('has no place in a schema 1 manifest')
    }
    const digests = root.at('fsLayers').list(MAX_LAYERS, (layer) => layer.at('blobSum').digest())
    const steps = root.at('history').list(MAX_LAYERS, (entry) => readStep(entry.at('v1Compatibility'), subject))
    if (digests.length === 0) root.at('fsLayers').report('lists no layer')
    else if (digests.length !== steps.length) {
      root.at('history').report(`has ${steps.length} entries for ${digests.length} layers`)
    }
    checkParents(root.at('history'), steps)
    const listed = steps.map(({ layer }, at) => ({ ...layer, digest: digests[at] ?? layer.digest }))
    return {
      kind: 'schema1',
      mediaType,
      name: root.at('name').text() ?? '',
      tag: root.at('tag').text() ?? '',
      architecture: root.at('architecture').text() ?? '',
      layers: listed.filter((_, at) => at + 1 === steps.length || steps[at]?.id !== steps[at + 1]?.id).toReversed(),
      image: steps[0]?.compatibility ?? {},
    }
  })
}

interface Step {
  readonly id: string
  readonly parent: string
  readonly layer: Schema1Layer
  readonly compatibility: JsonObject
}

function readStep(node: DocumentNode, subject: string): Step {
  const compatibility = parseCompatibility(node, subject)
  const step = node.within(compatibility)
  step.object(['id', 'parent', 'created', 'author', 'comment', 'throwaway', 'container_config'])
  const id = step.at('id').string()
  if (!LAYER_ID.test(id)) step.at('id').report('must be 64 lower-case hex digits')
  const words = step
    .at('container_config')
    .optional((config) => config.at('Cmd').list(MAX_LAYERS, (word) => word.string()))
  return {
    id,
    parent: step.at('parent').text() ?? '',
    compatibility,
    layer: withoutAbsent({
      digest: 'sha256:',
      isThrowAway: step.at('throwaway').optional((throwAway) => throwAway.boolean()) ?? false,
      created: step.at('created').text(),
      author: step.at('author').text(),
      comment: step.at('comment').text(),
      createdBy: (words ?? []).join(' '),
    }),
  }
}

/** The JSON in a string that every history entry is. */
function parseCompatibility(node: DocumentNode, subject: string): JsonObject {
  const text = node.string()
  if (text === '') return {}
  try {
    const value = parseJson(new TextEncoder().encode(text), `${subject}, v1Compatibility`, MAX_BYTES)
    if (isJsonObject(value)) return value
    node.report('must hold an object')
  } catch (error) {
    if (!(error instanceof InvalidDocumentError)) throw error
    node.report('must hold JSON')
  }
  return {}
}

/** The entries are a chain from the topmost layer down; one may stand twice in a row, and nowhere else again. */
function checkParents(node: DocumentNode, steps: readonly Step[]): void {
  const seen = new Set<string>()
  for (const [at, { id, parent }] of steps.entries()) {
    const below = steps[at + 1]
    if (steps[at - 1]?.id !== id && seen.has(id)) node.report(`has ${id.slice(0, 64)} at several places`)
    seen.add(id)
    if (below === undefined ? parent !== '' : below.id !== id && parent !== below.id) {
      node.report(`is not a chain: the parent of ${id.slice(0, 64)} is not the next layer`)
      return
    }
  }
}

/**
 * The bytes that the digest of a schema 1 manifest is made of: of a signed one what was signed, which is the document
 * without its signatures.
 *
 * @throws {InvalidDocumentError} when the signatures contradict each other or the document
 */
export function schema1Payload(bytes: Uint8Array, subject: string): Uint8Array {
  const value = parseJson(bytes, subject, MAX_BYTES)
  if (!isJsonObject(value) || !('signatures' in value)) return bytes
  const envelopes = readDocument(value, subject, (root) =>
    root.at('signatures').list(MAX_LAYERS, (signature) => readProtected(signature.at('protected'), subject, bytes)),
  )
  const [first] = envelopes
  if (first === undefined || envelopes.some(({ length, tail }) => length !== first.length || tail !== first.tail)) {
    throw new InvalidDocumentError(subject, [{ path: '$.signatures', message: 'do not agree on what they sign' }])
  }
  const tail = decodeBase64Url(first.tail) ?? new Uint8Array(0)
  const payload = new Uint8Array(first.length + tail.length)
  payload.set(bytes.subarray(0, first.length))
  payload.set(tail, first.length)
  return payload
}

/** How a signature says which part of the document it covers, and how that ends. */
function readProtected(
  node: DocumentNode,
  subject: string,
  document: Uint8Array,
): { readonly length: number; readonly tail: string } {
  const header = decodeBase64Url(node.string())
  if (header === undefined) {
    node.report('must be base64')
    return { length: 0, tail: '' }
  }
  const value = parseJson(header, `${subject}, protected header`, MAX_BYTES)
  const inner = node.within(isJsonObject(value) ? value : {})
  const length = inner.at('formatLength').size()
  const tail = inner.at('formatTail').string()
  if (length > document.length) inner.at('formatLength').report('is more than the document has')
  if (decodeBase64Url(tail) === undefined) inner.at('formatTail').report('must be base64')
  return { length: Math.min(length, document.length), tail }
}

function decodeBase64Url(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0))
  } catch {
    return undefined
  }
}

/** Whether JSON bytes are a schema 1 manifest by their own account. */
export function isSchema1Document(value: unknown): boolean {
  if (!isJsonObject(value)) return false
  const { schemaVersion, mediaType } = value
  return (
    schemaVersion === 1 ||
    'fsLayers' in value ||
    mediaType === MEDIA_TYPE.DOCKER_SCHEMA1 ||
    mediaType === MEDIA_TYPE.DOCKER_SCHEMA1_SIGNED
  )
}
