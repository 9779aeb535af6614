import { GC_CONTENT_LABEL, type Labels } from '../oci/index.ts'
import type { Transaction } from './database.ts'
import { expiryOf, FLAT_LABEL } from './leases.ts'
import { labelsOf, numberOf, optionalTextOf, parseLabels, type Row, textOf } from './rows.ts'

/** Label on a blob that keeps it, whatever its value. */
const ROOT_LABEL = 'containerd.io/gc.root'
/** Labels by which a blob ties itself to another, or to an image, without touching that. */
const CONTENT_BACK_LABEL = 'containerd.io/gc.bref.content'
const IMAGE_BACK_LABEL = 'containerd.io/gc.bref.image'
/** Whatever a collection looks at begins with it. */
const GC_PREFIX = 'containerd.io/gc.'

/** What a collection asks of one namespace while it follows references. */
export interface GraphSource {
  /** The labels of a blob; undefined where there is none. */
  blobLabels(digest: string): Labels | undefined
  /** What an image record points at, and its labels. */
  image(name: string): { readonly target: string; readonly labels: Labels } | undefined
}

/**
 * What is reachable in one namespace: marking with three colours. White is what neither set has, grey what waits in
 * {@link ReachableSet.follow}, black what is in the sets.
 */
export class ReachableSet {
  /** Blobs whose references have been followed. */
  readonly #followed = new Set<string>()
  /** Blobs that a flat lease keeps; their references are not followed. */
  readonly #flat = new Set<string>()
  readonly #images = new Set<string>()
  /** What ties itself to a blob or an image: digests, by the node they are tied to. */
  readonly #tied = new Map<string, Set<string>>()

  has(digest: string): boolean {
    return this.#followed.has(digest) || this.#flat.has(digest)
  }

  /** Notes what a blob ties itself to, and whether it is a root; gives whether it is. */
  note(digest: string, labels: Labels): boolean {
    for (const [key, value] of Object.entries(labels)) {
      if (isNamed(key, CONTENT_BACK_LABEL)) this.#tie(contentNode(value), digest)
      else if (isNamed(key, IMAGE_BACK_LABEL)) this.#tie(imageNode(value), digest)
    }
    return Object.hasOwn(labels, ROOT_LABEL)
  }

  keepFlat(digest: string): void {
    this.#flat.add(digest)
  }

  followImage(name: string, source: GraphSource): void {
    const image = source.image(name)
    if (image === undefined) return
    this.#images.add(name)
    this.follow([image.target, ...referencesOf(image.labels), ...(this.#tied.get(imageNode(name)) ?? [])], source)
  }

  /** Marks blobs and all they refer to. */
  follow(digests: Iterable<string>, source: GraphSource): void {
    const grey = [...digests]
    for (let digest = grey.pop(); digest !== undefined; digest = grey.pop()) {
      if (this.#followed.has(digest)) continue
      this.#followed.add(digest)
      grey.push(...this.#next(digest, source))
    }
  }

  /** Looks again at a blob that changed. */
  revisit(digest: string, source: GraphSource): void {
    const labels = source.blobLabels(digest)
    if (labels === undefined) return
    const isRoot = this.note(digest, labels)
    if (this.#followed.has(digest)) this.follow(this.#next(digest, source), source)
    else if (isRoot || this.#isTiedToReachable(labels)) this.follow([digest], source)
  }

  #next(digest: string, source: GraphSource): readonly string[] {
    const labels = source.blobLabels(digest)
    const forward = labels === undefined ? [] : referencesOf(labels)
    return [...forward, ...(this.#tied.get(contentNode(digest)) ?? [])]
  }

  #isTiedToReachable(labels: Labels): boolean {
    return Object.entries(labels).some(
      ([key, value]) =>
        (isNamed(key, CONTENT_BACK_LABEL) && this.#followed.has(value)) ||
        (isNamed(key, IMAGE_BACK_LABEL) && this.#images.has(value)),
    )
  }

  #tie(node: string, digest: string): void {
    const known = this.#tied.get(node)
    if (known === undefined) this.#tied.set(node, new Set([digest]))
    else known.add(digest)
  }
}

function contentNode(digest: string): string {
  return `content ${digest}`
}

function imageNode(name: string): string {
  return `image ${name}`
}

/** Whether a label key is a prefix, or a name behind it, set off by a dot or a slash. */
function isNamed(key: string, prefix: string): boolean {
  return key.startsWith(prefix) && (key.length === prefix.length || '/.'.includes(key[prefix.length] ?? ' '))
}

function referencesOf(labels: Labels): readonly string[] {
  return Object.entries(labels).flatMap(([key, value]) => (isNamed(key, GC_CONTENT_LABEL) ? [value] : []))
}

/** Labels as far as a collection needs them: most blobs have none that it looks at, and are not parsed. */
function relevantLabels(text: string): Labels {
  return text.includes(GC_PREFIX) ? parseLabels(text) : {}
}

/** Reads what it is asked for from the database, as it is now. An image whose time is up is none any more. */
export function liveSource(transaction: Transaction, namespace: string, now: number): GraphSource {
  return {
    blobLabels(digest) {
      const row = transaction.get('SELECT labels FROM blobs WHERE digest = ? AND namespace = ?', digest, namespace)
      return row === undefined ? undefined : relevantLabels(textOf(row, 'labels'))
    },
    image(name) {
      const row = transaction.get('SELECT digest, labels FROM images WHERE namespace = ? AND name = ?', namespace, name)
      if (row === undefined) return undefined
      const labels = labelsOf(row, 'labels')
      return isExpired(labels, now) ? undefined : { target: textOf(row, 'digest'), labels }
    },
  }
}

/** Follows what a lease keeps, unless it has ended. */
export function followLease(
  transaction: Transaction,
  namespace: string,
  lease: Row,
  now: number,
  reachable: ReachableSet,
  source: GraphSource,
): void {
  const labels = labelsOf(lease, 'labels')
  if (isExpired(labels, now)) return
  const digests = transaction
    .all(
      "SELECT id FROM lease_resources WHERE namespace = ? AND lease = ? AND type = 'content'",
      namespace,
      textOf(lease, 'id'),
    )
    .map((row) => textOf(row, 'id'))
  if (Object.hasOwn(labels, FLAT_LABEL)) for (const digest of digests) reachable.keepFlat(digest)
  else reachable.follow(digests, source)
}

/** Whether the time of a lease or an image is up. */
export function isExpired(labels: Labels, now: number): boolean {
  return (expiryOf(labels) ?? Number.POSITIVE_INFINITY) <= now
}

/** What is in a namespace, and what of it is reachable. */
export interface ScannedNamespace {
  readonly reachable: ReachableSet
  /** Blobs that are not, in the order of their digests. */
  readonly white: readonly { readonly digest: string; readonly sizeBytes: number }[]
}

/** Finds what is reachable in a namespace, from its images, lists, leases and roots. */
export function scanNamespace(transaction: Transaction, namespace: string, now: number): ScannedNamespace {
  // From memory: a hundred thousand look-ups would take as long as all the rest.
  const blobs = new Map<string, Labels>()
  const reachable = new ReachableSet()
  const live = liveSource(transaction, namespace, now)
  const source: GraphSource = { image: (name) => live.image(name), blobLabels: (digest) => blobs.get(digest) }
  const roots: string[] = []
  const sizes = new Map<string, number>()
  const labelled = transaction.all(
    `SELECT digest, size, labels FROM blobs WHERE namespace = ? AND instr(labels, '${GC_PREFIX}') > 0`,
    namespace,
  )
  for (const row of labelled) {
    const [digest, labels] = [textOf(row, 'digest'), parseLabels(textOf(row, 'labels'))]
    sizes.set(digest, numberOf(row, 'size'))
    blobs.set(digest, labels)
    if (reachable.note(digest, labels)) roots.push(digest)
  }
  for (const [digest, sizeBytes] of plainBlobs(transaction, namespace)) sizes.set(digest, sizeBytes)
  reachable.follow(roots, source)
  for (const row of transaction.all('SELECT name FROM images WHERE namespace = ?', namespace)) {
    reachable.followImage(textOf(row, 'name'), source)
  }
  const listed = transaction.all('SELECT DISTINCT digest FROM list_content WHERE namespace = ?', namespace)
  reachable.follow(
    listed.map((row) => textOf(row, 'digest')),
    source,
  )
  for (const row of transaction.all('SELECT id, labels FROM leases WHERE namespace = ?', namespace)) {
    followLease(transaction, namespace, row, now, reachable, source)
  }
  const white: { readonly digest: string; readonly sizeBytes: number }[] = []
  for (const [digest, sizeBytes] of sizes) if (!reachable.has(digest)) white.push({ digest, sizeBytes })
  // As they are stored, so that those that lie together go together.
  white.sort((a, b) => (a.digest < b.digest ? -1 : 1))
  return { reachable, white }
}

/** Blobs that SQLite puts into one text: rows of their own would take several times as long. */
const LISTED = 20_000

/** Blobs of a namespace without a label that a collection looks at, with their sizes. */
function* plainBlobs(transaction: Transaction, namespace: string): Iterable<readonly [digest: string, size: number]> {
  const sql = `SELECT group_concat(digest || ' ' || size, ',') AS list FROM (SELECT digest, size FROM blobs
    WHERE digest > ? AND namespace = ? AND instr(labels, '${GC_PREFIX}') = 0 ORDER BY digest LIMIT ${LISTED})`
  for (const blob of listed((after) => transaction.get(sql, after, namespace))) {
    const [digest = '', size] = blob.split(' ')
    yield [digest, Number(size)]
  }
}

/** Digests of the blobs of all namespaces. */
export function* digestsInStore(transaction: Transaction): Iterable<string> {
  const sql = `SELECT group_concat(digest, ',') AS list FROM (
    SELECT DISTINCT digest FROM blobs WHERE digest > ? ORDER BY digest LIMIT ${LISTED})`
  yield* listed((after) => transaction.get(sql, after))
}

/** What a query gives in parts, each after the digest that the one before ended with. */
function* listed(part: (after: string) => Row | undefined): Iterable<string> {
  for (let after = ''; ; ) {
    const list = optionalTextOf(part(after) ?? {}, 'list')
    if (list === undefined) return
    const items = list.split(',')
    yield* items
    after = items.at(-1)?.split(' ')[0] ?? ''
  }
}
