import { TareError } from '../errors/index.ts'
import { type Digest, type DocumentNode, encodeGoJson, isDigest, parseJson, readDocument } from '../oci/index.ts'
import { type Artifact, type ArtifactBlob, artifactOf } from './artifact.ts'

/** Names of the documents of a stored list, as containers' tools give them. */
export const LIST_DOCUMENTS = {
  manifest: 'manifest',
  instances: 'instances.json',
  artifacts: 'artifacts.json',
  /** Ours: features that the list's own format has no place for. */
  features: 'features.json',
} as const

/** What one list may hold of anything. */
const MAX_ENTRIES = 100_000
const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024

/** The key of `instances.json` under which the list's own ID stands once it has one. */
const OWN_ID_KEY = ''

/** Writes where members are. @param id - of the list; undefined before its first save */
export function encodeInstances(locations: ReadonlyMap<Digest, string>, id: string | undefined): Uint8Array {
  const entries: [string, string][] = [...locations]
  if (id !== undefined) entries.push([OWN_ID_KEY, id])
  return encodeGoJson(new Map(entries))
}

/** Reads where members are. @throws {InvalidDocumentError} with every problem */
export function parseInstances(bytes: Uint8Array, subject: string): ReadonlyMap<Digest, string> {
  return readDocument(parseJson(bytes, subject, MAX_DOCUMENT_BYTES), subject, (root) => {
    const locations = new Map<Digest, string>()
    root.object([])
    for (const [key, location] of Object.entries(root.strings())) {
      if (isDigest(key)) locations.set(key, location)
      else if (key !== OWN_ID_KEY) root.at(key).report('has a key that is no digest')
    }
    return locations
  })
}

/** Writes features by member; undefined where there are none. */
export function encodeFeatures(features: ReadonlyMap<Digest, readonly string[]>): Uint8Array | undefined {
  return features.size === 0 ? undefined : encodeGoJson(new Map(features))
}

/** Reads features by member. @throws {InvalidDocumentError} with every problem */
export function parseFeatures(bytes: Uint8Array, subject: string): ReadonlyMap<Digest, readonly string[]> {
  return readDocument(parseJson(bytes, subject, MAX_DOCUMENT_BYTES), subject, (root) =>
    digestEntries(root.object([]), (node) => node.list(MAX_ENTRIES, (feature) => feature.string())),
  )
}

/** Writes artifacts made of files as containers' tools do, in six maps; undefined where there are none. */
export function encodeArtifacts(artifacts: ReadonlyMap<Digest, Artifact>): Uint8Array | undefined {
  if (artifacts.size === 0) return undefined
  const manifests = new Map<string, string>()
  const files = new Map<string, readonly string[]>()
  const configs = new Map<string, string>()
  const layers = new Map<string, readonly string[]>()
  const detached = new Map<string, string>()
  const blobs = new Map<string, string>()
  for (const [digest, artifact] of artifacts) {
    manifests.set(digest, new TextDecoder().decode(artifact.manifest.bytes))
    files.set(digest, artifact.files)
    const { config, layers: ofManifest } = artifact.document
    configs.set(digest, config.digest)
    layers.set(digest, [...new Set(ofManifest.map((layer) => layer.digest))])
    for (const [blobDigest, blob] of artifact.blobs) {
      if (blob.kind === 'file') detached.set(blobDigest, blob.path)
      else blobs.set(blobDigest, Buffer.from(blob.bytes).toString('base64'))
    }
  }
  return encodeGoJson({ manifests, files, config: configs, layers, detached, blobs })
}

/**
 * Reads artifacts made of files.
 *
 * @throws {InvalidDocumentError} with every problem
 */
export function parseArtifacts(bytes: Uint8Array, subject: string): ReadonlyMap<Digest, Artifact> {
  return readDocument(parseJson(bytes, subject, MAX_DOCUMENT_BYTES), subject, (root) => {
    root.object(['manifests', 'files', 'config', 'layers', 'detached', 'blobs'])
    const text = (node: DocumentNode): string => node.string()
    const files = optionalEntries(root.at('files'), (node) => node.list(MAX_ENTRIES, text))
    const detached = optionalEntries(root.at('detached'), text)
    const inline = optionalEntries(root.at('blobs'), (node) => node.text() ?? '')
    const find = (digest: Digest): ArtifactBlob | undefined => {
      const path = detached.get(digest)
      if (path !== undefined) return { kind: 'file', path }
      const base64 = inline.get(digest)
      return base64 === undefined ? undefined : { kind: 'bytes', bytes: Buffer.from(base64, 'base64') }
    }
    return new Map(
      [...optionalEntries(root.at('manifests'), text)].map(([digest, manifest]) => [
        digest,
        artifactOf(digest, new TextEncoder().encode(manifest), files.get(digest) ?? [], find),
      ]),
    )
  })
}

function optionalEntries<View>(node: DocumentNode, read: (node: DocumentNode) => View): ReadonlyMap<Digest, View> {
  return node.optional((present) => digestEntries(present.object([]), read)) ?? new Map()
}

function digestEntries<View>(node: DocumentNode, read: (node: DocumentNode) => View): ReadonlyMap<Digest, View> {
  const entries = new Map<Digest, View>()
  for (const key of node.keys()) {
    if (isDigest(key)) entries.set(key, read(node.at(key)))
    else node.at(key).report('has a key that is no digest')
  }
  if (entries.size > MAX_ENTRIES) throw new TareError('LIMIT_EXCEEDED', `a list has more than ${MAX_ENTRIES} entries`)
  return entries
}
