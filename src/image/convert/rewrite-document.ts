import { type Descriptor, type DiffId, type Digest, formatGoJson, isJsonObject } from '../../oci/index.ts'
import { formatDescriptor } from '../go-descriptor.ts'
import { compactJson, joinMembers, type JsonMembers, sortedMembers, splitItems, splitMembers } from '../json-text.ts'

/** A change to one descriptor in a document: another descriptor, or none at all. */
export type DescriptorChange = Descriptor | 'removed' | undefined

/** What of a manifest or index is to be other. */
export interface DocumentChanges {
  readonly mediaType?: string | undefined
  readonly config?: DescriptorChange
  /** By position. */
  readonly layers?: readonly DescriptorChange[] | undefined
  readonly manifests?: readonly DescriptorChange[] | undefined
  /** Docker's documents have no annotations. @default false */
  readonly dropAnnotations?: boolean | undefined
}

const DOCUMENT_ORDER = ['schemaVersion', 'mediaType', 'config', 'layers', 'manifests', 'subject', 'annotations']
const DESCRIPTOR_ORDER = ['mediaType', 'digest', 'size', 'urls', 'annotations', 'data', 'platform', 'artifactType']
const PLATFORM_ORDER = ['architecture', 'os', 'os.version', 'os.features', 'variant']

/**
 * Writes a manifest or index anew with some changes, as containerd would. What neither knows is carried along, at the
 * end.
 *
 * @param text - a document that was parsed before
 */
export function rewriteDocument(text: string, changes: DocumentChanges): string {
  const members = new Map(splitMembers(text) ?? [])
  if (changes.mediaType !== undefined) members.set('mediaType', formatGoJson(changes.mediaType))
  if (changes.dropAnnotations === true)
    for (const name of ['annotations', 'subject', 'artifactType']) members.delete(name)
  return ordered(members, DOCUMENT_ORDER, (name, value) => {
    switch (name) {
      case 'config':
        return rewriteDescriptor(value, changes.config)
      case 'layers':
        return rewriteList(value, changes.layers)
      case 'manifests':
        return rewriteList(value, changes.manifests)
      case 'subject':
        return rewriteDescriptor(value, undefined)
      case 'annotations':
        return rewriteMap(value)
      default:
        return value === 'null' ? undefined : compactJson(value)
    }
  })
}

function rewriteList(text: string, changes: readonly DescriptorChange[] | undefined): string {
  const kept = (splitItems(text) ?? []).flatMap((item, position) => rewriteDescriptor(item, changes?.[position]) ?? [])
  return `[${kept.join(',')}]`
}

/** A descriptor in containerd's order; one that changed keeps what it has beyond the fields that are known. */
function rewriteDescriptor(text: string, change: DescriptorChange): string | undefined {
  if (change === 'removed' || text === 'null') return undefined
  const before = splitMembers(text) ?? new Map<string, string>()
  if (change === undefined) return ordered(before, DESCRIPTOR_ORDER, descriptorMember)
  const after = splitMembers(formatDescriptor(change)) ?? new Map<string, string>()
  const unknown = [...before].filter(([name]) => !DESCRIPTOR_ORDER.includes(name))
  // A platform is never converted, and may hold what the view of it leaves out.
  const platform = before.get('platform')
  const kept = change.platform === undefined || platform === undefined ? [] : [['platform', platform] as const]
  return ordered(new Map([...after, ...kept, ...unknown]), DESCRIPTOR_ORDER, descriptorMember)
}

function descriptorMember(name: string, value: string): string | undefined {
  switch (name) {
    case 'annotations':
      return rewriteMap(value)
    case 'platform':
      return value === 'null' ? undefined : ordered(splitMembers(value) ?? new Map(), PLATFORM_ORDER, plainMember)
    default:
      return plainMember(name, value)
  }
}

function plainMember(name: string, value: string): string | undefined {
  if (['null', '""', '[]', '{}'].includes(compactJson(value))) {
    return name === 'architecture' || name === 'os' ? '""' : undefined
  }
  return value.startsWith('"') ? formatGoJson(String(JSON.parse(value))) : compactJson(value)
}

function rewriteMap(text: string): string | undefined {
  const value: unknown = JSON.parse(text)
  if (!isJsonObject(value) || Object.keys(value).length === 0) return undefined
  return formatGoJson(new Map(Object.entries(value).map(([key, inner]) => [key, String(inner)])))
}

function ordered(
  members: JsonMembers,
  order: readonly string[],
  write: (name: string, value: string) => string | undefined,
): string {
  const known = order.filter((name) => members.has(name))
  const names = [...known, ...[...members.keys()].filter((name) => !order.includes(name))]
  return joinMembers(names.map((name) => [name, write(name, members.get(name) ?? 'null')]))
}

/**
 * Writes an image config anew with other diffIDs, as containerd would: keys sorted, everything else as it is, but for
 * `Image` in `config` and `container_config`, an old name of the image that is wrong now.
 *
 * @param text - a config that was parsed before
 * @returns undefined where no diffID changes
 */
export function rewriteConfig(text: string, changed: ReadonlyMap<DiffId, Digest>): string | undefined {
  const members = new Map(splitMembers(text) ?? [])
  const rootfs = splitMembers(members.get('rootfs') ?? 'null')
  const before = splitItems(rootfs?.get('diff_ids') ?? 'null') ?? []
  const diffIds = before.map((item) => String(JSON.parse(item)))
  const after = diffIds.map((diffId): string => changed.get(diffId as DiffId) ?? diffId)
  if (rootfs?.get('type') !== '"layers"' || after.every((diffId, position) => diffId === diffIds[position])) {
    return undefined
  }
  members.set(
    'rootfs',
    joinMembers([
      ['type', '"layers"'],
      ['diff_ids', formatGoJson(after)],
    ]),
  )
  for (const name of ['config', 'container_config']) {
    const inner = splitMembers(members.get(name) ?? 'null')
    if (inner === undefined) continue
    const kept = new Map(inner)
    kept.delete('Image')
    members.set(name, joinMembers(sortedMembers(kept).map(([key, value]) => [key, compactJson(value)])))
  }
  return joinMembers(sortedMembers(members).map(([key, value]) => [key, compactJson(value)]))
}
