import { TareError } from '../errors/index.ts'
import {
  checkDestination,
  DEFAULT_CONCURRENCY,
  type ImageNode,
  type ImageTree,
  type IndexNode,
  imageTree,
  readImageTree,
} from '../image/index.ts'
import { bareDescriptor, type Descriptor, type Digest, MEDIA_TYPE } from '../oci/index.ts'
import { digestOf, mapLimited } from '../stream/index.ts'
import type { ImageDestination, ImageSource, ManifestContent } from '../transport/index.ts'
import { selectMembers } from './additions.ts'
import { hasImageLayers, layerCompressionOf, markedAs, planVariants, zstdLast } from './compression-variants.ts'
import { encodeList, type ListContents, type ListLoss, type ListType, lossesIn } from './list-json.ts'
import { parseList, requireListType } from './list-model.ts'
import type { CheckedPushOptions } from './push.ts'
import { LIST_TYPES, type MemberChange, type MemberRewriter, withContentOf } from './rewrite-member.ts'

/** A member on its way. */
export interface PlannedMember {
  /** In the list that is pushed from. */
  readonly digest: Digest
  /** As it lies at its place. */
  readonly original: ImageNode
  /** As it is pushed. */
  readonly node: ImageNode
  readonly outcome: 'kept' | 'changed' | 'variant'
}

/** Everything that a push writes, known before it writes anything. */
export interface PushPlan {
  readonly tree: ImageTree
  /** The list in other formats, for a registry that does not take the first. */
  readonly alternatives: readonly ManifestContent[]
  readonly index: 'kept' | 'rewritten' | 'dropped'
  readonly members: readonly PlannedMember[]
  /** Members that the pushed list names although they are not pushed. */
  readonly absent: readonly Digest[]
  readonly listedCount: number
  /** What the list loses in a format. */
  lossesIn(mediaType: string): readonly ListLoss[]
}

/** Reads the members that are selected, makes anew what has to change, and draws up the list that is to be pushed. */
export async function planPush(
  source: ImageSource,
  target: ImageDestination,
  rewriter: MemberRewriter,
  options: CheckedPushOptions,
): Promise<PushPlan> {
  const { selection } = options
  const { descriptor, bytes } = await source.resolve(options)
  const parsed = parseList(bytes, { subject: source.reference, mediaType: descriptor.mediaType })
  const contents = { ...parsed, members: parsed.members.map((member) => withFeatures(member, options)) }
  const selected = selectedDigests(contents, options, source.reference)
  const isSelected = (member: Descriptor): boolean => selected === undefined || selected.has(member.digest)
  const { root } = await readImageTree(source, { ...options, members: isSelected })
  if (root.kind === 'manifest') throw new TareError('NOT_A_LIST', `${source.reference} is not a list`)
  // Said before layers are made anew for a destination that can't have them.
  for (const node of selection.kind === 'system' ? root.members : [root]) checkDestination(imageTree(node), target)
  const members = await changeMembers(root.members, rewriter, options)
  if (selection.kind === 'system') return singlePlan(members)
  const variants = await makeVariants(members, rewriter, options)
  return listPlan(root, contents, [...members, ...variants], target, options)
}

function withFeatures(member: Descriptor, { features: known }: CheckedPushOptions): Descriptor {
  const features = known.get(member.digest)
  if (features === undefined) return member
  return { ...member, platform: { os: '', architecture: '', ...member.platform, features } }
}

/** Undefined for all. */
function selectedDigests(
  { members }: ListContents,
  { selection }: CheckedPushOptions,
  reference: string,
): ReadonlySet<Digest> | undefined {
  switch (selection.kind) {
    case 'all':
      return undefined
    case 'specific': {
      const unknown = selection.instances.find((digest) => members.every((member) => member.digest !== digest))
      if (unknown === undefined) return new Set(selection.instances)
      throw new TareError('INSTANCE_NOT_FOUND', `no member of ${reference} has the digest ${unknown}`)
    }
    case 'system':
      return new Set(selectMembers(members, [selection.platform], reference, false).map(({ digest }) => digest))
  }
}

async function changeMembers(
  originals: readonly ImageNode[],
  rewriter: MemberRewriter,
  options: CheckedPushOptions,
): Promise<readonly PlannedMember[]> {
  return mapLimited(
    originals,
    options.concurrency ?? DEFAULT_CONCURRENCY,
    async (original, _index, signal): Promise<PlannedMember> => {
      const node = await rewriter.rewrite(original, changeOf(original, options), { ...options, signal })
      const { digest } = original.descriptor
      return { digest, original, node, outcome: node === original ? 'kept' : 'changed' }
    },
    options,
  )
}

/** An image of Docker's types has to become OCI's before its layers can be zstd. */
function changeOf(node: ImageNode, { format, recompress }: CheckedPushOptions): MemberChange {
  const needsOci = recompress?.format === 'zstd' && hasImageLayers(node) && layerCompressionOf(node) !== 'zstd'
  return { format: format ?? (needsOci ? 'oci' : undefined), compression: recompress }
}

async function makeVariants(
  members: readonly PlannedMember[],
  rewriter: MemberRewriter,
  options: CheckedPushOptions,
): Promise<readonly PlannedMember[]> {
  const planned = planVariants(
    members.map(({ node }) => node),
    options.variants,
  )
  return mapLimited(
    planned,
    options.concurrency ?? DEFAULT_CONCURRENCY,
    async ({ of, compression }, _index, signal): Promise<PlannedMember> => {
      const format = options.format ?? (compression === 'zstd' ? 'oci' : undefined)
      const change = { format, compression: { format: compression } }
      const node = await rewriter.rewrite(of, change, { ...options, signal })
      const from = members.find((member) => member.node === of)?.digest ?? of.descriptor.digest
      return { digest: from, original: of, node, outcome: 'variant' }
    },
    options,
  )
}

/** One member that stands for itself; the platform belongs to the list's descriptor, so it goes without. */
function singlePlan(members: readonly PlannedMember[]): PushPlan {
  const [member] = members
  if (member === undefined) throw new RangeError('singlePlan() of nothing')
  const root: ImageNode = { ...member.node, descriptor: bareDescriptor(member.node.descriptor) }
  return {
    tree: imageTree(root),
    alternatives: [],
    index: 'dropped',
    members,
    absent: [],
    listedCount: 0,
    lossesIn: () => [],
  }
}

function listPlan(
  root: IndexNode,
  contents: ListContents,
  members: readonly PlannedMember[],
  target: ImageDestination,
  options: CheckedPushOptions,
): PushPlan {
  const pushed = new Map(
    members.flatMap((member) => (member.outcome === 'variant' ? [] : [[member.digest, member.node]])),
  )
  const leaves = new Set(root.leaves.map(({ digest }) => digest))
  const isPushed = ({ digest }: Descriptor): boolean => pushed.has(digest) || leaves.has(digest)
  const listed = options.partial === 'rewrite' ? contents.members.filter(isPushed) : contents.members
  const entries = withVariants(
    listed.map((entry) => withContentOf(entry, pushed.get(entry.digest))),
    members,
    options,
  )
  const wanted: ListContents = { ...contents, members: entries, isNull: false }
  const type = listType(root, wanted, options)
  const isSame = type === root.document.mediaType && !contents.isNull && isSameMembers(entries, contents.members)
  const list = isSame ? root : contentOf(wanted, type)
  const node: IndexNode = {
    kind: 'index',
    descriptor: list.descriptor,
    bytes: list.bytes,
    document: { ...root.document, mediaType: type, manifests: entries },
    members: members.map((member) => member.node),
    leaves: root.leaves,
  }
  const absent = listed.filter((entry) => !isPushed(entry)).map(({ digest }) => digest)
  const mayConvert = options.format === undefined && target.repository !== undefined && absent.length === 0
  return {
    tree: imageTree(node),
    alternatives: mayConvert ? [contentOf(wanted, otherType(type))] : [],
    index: isSame ? 'kept' : 'rewritten',
    members,
    absent,
    listedCount: entries.length,
    lossesIn: (mediaType) => lossesIn(wanted, requireListType(mediaType)),
  }
}

/** Copies behind their originals, those that need zstd marked and last. Without a change of compression nothing moves. */
function withVariants(
  entries: readonly Descriptor[],
  members: readonly PlannedMember[],
  { variants, recompress }: CheckedPushOptions,
): readonly Descriptor[] {
  if (variants.length === 0 && recompress === undefined) return entries
  const compressions = new Map(
    members.map(({ node }) => [node.descriptor.digest, hasImageLayers(node) ? layerCompressionOf(node) : undefined]),
  )
  const added = members.flatMap(({ node, outcome }) => (outcome === 'variant' ? [node.descriptor] : []))
  const marked = [...entries, ...added].map((entry) => {
    const compression = compressions.get(entry.digest)
    return compression === undefined ? entry : markedAs(entry, compression)
  })
  return zstdLast(marked)
}

/** As it was, unless one was asked for or what marks a variant could not be said in it. */
function listType(
  root: IndexNode,
  wanted: ListContents,
  { format, variants, recompress }: CheckedPushOptions,
): ListType {
  if (format !== undefined) return LIST_TYPES[format]
  const isMarked = variants.length > 0 || recompress !== undefined
  if (isMarked && lossesIn(wanted, MEDIA_TYPE.DOCKER_LIST).length > 0) return MEDIA_TYPE.OCI_INDEX
  return requireListType(root.document.mediaType)
}

function otherType(type: ListType): ListType {
  return type === MEDIA_TYPE.OCI_INDEX ? MEDIA_TYPE.DOCKER_LIST : MEDIA_TYPE.OCI_INDEX
}

function isSameMembers(entries: readonly Descriptor[], originals: readonly Descriptor[]): boolean {
  return entries.length === originals.length && entries.every((entry, at) => entry === originals[at])
}

function contentOf(contents: ListContents, type: ListType): ManifestContent {
  const bytes = encodeList(contents, type)
  return { descriptor: { mediaType: type, digest: digestOf(bytes), size: bytes.length }, bytes }
}
