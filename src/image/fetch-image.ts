import { TareError } from '../errors/index.ts'
import { type Descriptor, isAttestationPlatform, type PlatformMatcher } from '../oci/index.ts'
import type { OperationOptions } from '../stream/index.ts'
import type { ImageDestination, ImageSource } from '../transport/index.ts'
import { checkDestination, type CopyReport, writeTree } from './copy.ts'
import { type ImageNode, imageTree, readImageTree } from './tree.ts'

/** Options of {@link fetchImage}. */
export interface FetchOptions extends OperationOptions {
  /** Members of an index to take; those without a platform are taken too. @default all */
  readonly platform?: PlatformMatcher | undefined
  /** Whether members that are not taken lend their manifests and configs all the same. @default 'matching' */
  readonly metadata?: 'matching' | 'all' | undefined
  /** `none` takes manifests and configs alone. @default 'all' */
  readonly layers?: 'all' | 'none' | undefined
  /** Blobs moved at a time. @default 6 */
  readonly concurrency?: number | undefined
}

/**
 * Brings an image to a place that may have a part of it alone: `store:`, `containerd:`. The name there points at what
 * it points at in its source, an index as a whole; what is not wanted of it is left out.
 *
 * @throws {CopyError} with the code of its cause and the side that failed
 * @throws {TareError} `NO_MATCHING_PLATFORM`, `UNSUPPORTED_BY_DESTINATION`
 */
export async function fetchImage(
  source: ImageSource,
  destination: ImageDestination,
  options: FetchOptions = {},
): Promise<CopyReport> {
  const { platform: wanted, metadata = 'matching', layers = 'all', ...operation } = options
  const isWanted = ({ platform }: Pick<Descriptor, 'platform'>): boolean =>
    wanted === undefined || platform === undefined || wanted.matches(platform)
  const members = metadata === 'all' ? undefined : isWanted
  const { root } = await readImageTree(source, { ...operation, members })
  if (root.kind === 'index' && !imageTree(root).documents.some((node) => node !== root && isImage(node, isWanted))) {
    throw new TareError('NO_MATCHING_PLATFORM', `${source.reference} has no member for this platform`, {
      hint: 'See which there are with tare inspect',
    })
  }
  const tree = imageTree(pruned(root, (node) => layers === 'all' && isWanted(node.descriptor)))
  checkDestination(tree, destination)
  const report = await writeTree(tree, destination, {
    ...operation,
    openBlob: (blob, signal) => source.openBlob(blob.descriptor, { signal }),
  })
  const index = { kind: root.kind === 'index' ? ('whole' as const) : ('single' as const) }
  return { source: source.reference, destination: destination.reference, index, ...report }
}

function isImage({ kind, descriptor }: ImageNode, isWanted: (descriptor: Descriptor) => boolean): boolean {
  const { platform } = descriptor
  const isAttestation = platform !== undefined && isAttestationPlatform(platform)
  return kind === 'manifest' && !isAttestation && isWanted(descriptor)
}

/** The same documents; of manifests that are not to be whole the config alone. */
function pruned(node: ImageNode, isWhole: (manifest: ImageNode) => boolean): ImageNode {
  if (node.kind === 'index') return { ...node, members: node.members.map((member) => pruned(member, isWhole)) }
  return isWhole(node) ? node : { ...node, document: { ...node.document, layers: [] } }
}
