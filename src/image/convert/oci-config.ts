import {
  type Digest,
  type DocumentNode,
  encodeGoJson,
  type GoJson,
  parseJson,
  readDocument,
  type Schema1Manifest,
} from '../../oci/index.ts'
import { MAX_CONFIG_BYTES } from '../tree.ts'
import { goTime } from './go-time.ts'

/** The time that Go writes where none is known and one has to be. */
const ZERO_TIME = '0001-01-01T00:00:00Z'
const MAX_LIST = 100_000

/**
 * Writes a Docker image config as an OCI one, byte for byte as containers/image does: what the OCI image specification
 * does not know is dropped, the rest comes in the order of its Go structs.
 *
 * @param bytes - at most 16 MiB
 * @param subject - which config, for errors
 * @throws {InvalidDocumentError} with every problem
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md
 */
export function ociConfigOfDocker(bytes: Uint8Array, subject: string): Uint8Array {
  return readDocument(parseJson(bytes, subject, MAX_CONFIG_BYTES), subject, (root) => {
    const rootfs = root.at('rootfs')
    const diffIds = rootfs.at('diff_ids').optional((list) => list.list(MAX_LIST, (diffId) => diffId.digest()))
    const history = root.at('history').list(MAX_LIST, (entry) => ({
      created: entry.at('created').optional(readTime),
      created_by: entry.at('created_by').text(),
      author: entry.at('author').text(),
      comment: entry.at('comment').text(),
      empty_layer: readTrue(entry.at('empty_layer')),
    }))
    return encodeGoJson(configValue(root, { type: rootfs.at('type').text() ?? '', diff_ids: diffIds ?? null }, history))
  })
}

/**
 * The OCI config of a schema 1 image, byte for byte as containers/image makes it.
 *
 * @param diffIds - of the layers that are no throw-aways, the lowest first
 * @throws {InvalidDocumentError} with every problem
 */
export function ociConfigOfSchema1(manifest: Schema1Manifest, diffIds: readonly Digest[], subject: string): Uint8Array {
  return readDocument(manifest.image, `${subject}, v1Compatibility`, (root) => {
    const history = manifest.layers.map((layer) => ({
      created: layer.created === undefined ? ZERO_TIME : readTime(root.within(layer.created)),
      created_by: layer.createdBy === '' ? undefined : layer.createdBy,
      author: layer.author,
      comment: layer.comment,
      empty_layer: layer.isThrowAway || undefined,
    }))
    return encodeGoJson(configValue(root, { type: 'layers', diff_ids: diffIds.length === 0 ? null : diffIds }, history))
  })
}

function configValue(root: DocumentNode, rootfs: GoJson, history: readonly GoJson[]): GoJson {
  return {
    created: root.at('created').optional(readTime),
    author: root.at('author').text(),
    architecture: root.at('architecture').text() ?? '',
    os: root.at('os').text() ?? '',
    'os.version': root.at('os.version').text(),
    'os.features': readTexts(root.at('os.features')),
    variant: root.at('variant').text(),
    config: readSettings(root.at('config')),
    rootfs,
    history: history.length === 0 ? undefined : history,
  }
}

/** What a container is run with; there is always an object. */
function readSettings(config: DocumentNode): GoJson | undefined {
  return {
    User: config.at('User').text(),
    ExposedPorts: readSet(config.at('ExposedPorts')),
    Env: readTexts(config.at('Env')),
    Entrypoint: readTexts(config.at('Entrypoint')),
    Cmd: readTexts(config.at('Cmd')),
    Volumes: readSet(config.at('Volumes')),
    WorkingDir: config.at('WorkingDir').text(),
    Labels: readLabels(config.at('Labels')),
    StopSignal: config.at('StopSignal').text(),
    ArgsEscaped: readTrue(config.at('ArgsEscaped')),
  }
}

function readTime(node: DocumentNode): string {
  const text = node.string()
  const time = goTime(text)
  if (time === undefined && text !== '') node.report('must be an RFC 3339 time')
  return time ?? ''
}

function readTrue(node: DocumentNode): true | undefined {
  return node.optional((value) => value.boolean()) === true ? true : undefined
}

function readTexts(node: DocumentNode): readonly string[] | undefined {
  const texts = node.optional((list) => list.list(MAX_LIST, (text) => text.string()))
  return texts === undefined || texts.length === 0 ? undefined : texts
}

/** Names whose values are empty objects. */
function readSet(node: DocumentNode): GoJson | undefined {
  const names = node.optional((set) => set.keys()) ?? []
  return names.length === 0 ? undefined : new Map(names.map((name) => [name, {}]))
}

function readLabels(node: DocumentNode): GoJson | undefined {
  const labels = node.optional((map) => map.strings()) ?? {}
  const entries = Object.entries(labels)
  return entries.length === 0 ? undefined : new Map(entries)
}
