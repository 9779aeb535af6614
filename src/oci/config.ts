import { PLATFORM_FIELDS, readPlatformFields } from './descriptor.ts'
import type { DiffId } from './digest.ts'
import { type DocumentNode, readDocument, withoutAbsent } from './document-node.ts'
import { parseJson } from './json.ts'
import type { Platform } from './platform.ts'

/**
 * What Tare needs of an image config. A view: the bytes it was parsed from stay the truth.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md
 */
export interface ImageConfig extends Omit<Platform, 'features'> {
  /** RFC 3339, as it stands. */
  readonly created?: string | undefined
  readonly rootfs: {
    /** One per layer, the lowest first. */
    readonly diffIds: readonly DiffId[]
  }
  readonly history: readonly HistoryEntry[]
}

/** How a layer came to be. */
export interface HistoryEntry {
  /** RFC 3339, as it stands. */
  readonly created?: string | undefined
  readonly createdBy?: string | undefined
  readonly comment?: string | undefined
  /** The step changed no file, so there is no layer for it. */
  readonly isEmptyLayer: boolean
}

const MAX_BYTES = 16 * 1024 * 1024
const MAX_LAYERS = 10_000
const MAX_HISTORY = 100_000

/**
 * Parses an image config, OCI or Docker; not for configs of artifacts. Absent fields are tolerated: a system or
 * architecture that is not stated is empty.
 *
 * @param bytes - at most 16 MiB
 * @param subject - which config, for errors: `config sha256:…`
 * @throws {InvalidDocumentError} with every problem
 * @throws {TareError} `LIMIT_EXCEEDED` for more than 10,000 layers, and see `parseJson`
 */
export function parseImageConfig(bytes: Uint8Array, subject: string): ImageConfig {
  return readDocument(parseJson(bytes, subject, MAX_BYTES), subject, (root) => {
    root.object([...PLATFORM_FIELDS, 'created', 'rootfs', 'history'])
    const rootfs = root.at('rootfs').optional((node) => node.object(['diff_ids']).at('diff_ids'))
    return withoutAbsent({
      ...readPlatformFields(root),
      created: root.at('created').text(),
      rootfs: { diffIds: rootfs?.list(MAX_LAYERS, (diffId) => diffId.digest()) ?? [] },
      history: root.at('history').list(MAX_HISTORY, readHistoryEntry),
    })
  })
}

function readHistoryEntry(node: DocumentNode): HistoryEntry {
  node.object(['created', 'created_by', 'comment', 'empty_layer'])
  return withoutAbsent({
    created: node.at('created').text(),
    createdBy: node.at('created_by').text(),
    comment: node.at('comment').text(),
    isEmptyLayer: node.at('empty_layer').optional((empty) => empty.boolean()) ?? false,
  })
}

/** The platform that a config states; undefined where it names no system. */
export function platformOfConfig(config: ImageConfig): Platform | undefined {
  const { os, architecture, variant, 'os.version': version, 'os.features': features } = config
  if (os === '') return undefined
  return withoutAbsent({ os, architecture, variant, 'os.version': version, 'os.features': features })
}

/** Layers that the history tells of, to hold against the layers there are; undefined where there is no history. */
export function historyLayerCount(config: ImageConfig): number | undefined {
  if (config.history.length === 0) return undefined
  return config.history.filter((entry) => !entry.isEmptyLayer).length
}
