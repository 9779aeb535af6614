import { CopyError, TareError } from '../errors/index.ts'
import { type ImageTree, isSchema1, readImageTree } from '../image/index.ts'
import {
  type Descriptor,
  type Digest,
  digestAlgorithm,
  digestHex,
  MEDIA_TYPE,
  parseManifestDocument,
  REF_NAME_ANNOTATION,
} from '../oci/index.ts'
import type { OperationOptions } from '../stream/index.ts'
import type { ImageSource, ManifestContent } from '../transport/index.ts'

/** Which artifacts that refer to an image travel with it. */
export type ReferrerChoice = 'all' | 'signatures' | 'none'

/** An artifact that refers to an image, whole. */
export interface Referrer {
  /** As a list of referrers states it: with artifact type and annotations. */
  readonly descriptor: Descriptor
  readonly tree: ImageTree
  /** The tag that makes it findable, where it has no subject: `sha256-….sig`. */
  readonly tag?: string | undefined
}

/** Artifact types of signatures: cosign's, sigstore bundles, notation's. */
const SIGNATURE_TYPES: readonly RegExp[] = [
  /^application\/vnd\.dev\.cosign\.artifact\.sig\./,
  /^application\/vnd\.dev\.sigstore\.bundle\b/,
  /^application\/vnd\.cncf\.notary\.signature$/,
]
/** What cosign appends to the digest of what it signs, attests, or lists the contents of. */
const TAG_SUFFIXES: Readonly<Record<Exclude<ReferrerChoice, 'none'>, readonly string[]>> = {
  signatures: ['sig'],
  all: ['sig', 'att', 'sbom'],
}
/** Signatures of signatures of signatures; whatever goes deeper goes in circles. */
const MAX_DEPTH = 4
const MAX_REFERRERS = 10_000

/**
 * Finds what refers to the documents of an image in its registry: by the referrers API, or the tag that stands in for
 * it, and by cosign's tags; and what refers to that in turn.
 *
 * @throws {CopyError} with the side `source`; {@link TareError} `LIMIT_EXCEEDED`
 */
export async function findReferrers(
  source: ImageSource,
  documents: readonly ManifestContent[],
  choice: ReferrerChoice,
  options: OperationOptions,
): Promise<readonly Referrer[]> {
  if (choice === 'none') return []
  if (source.referrers === undefined) {
    options.logger?.warn(`${source.reference} keeps no list of what refers to its images; none travel`)
    return []
  }
  const finder = new ReferrerFinder(source, choice, options)
  try {
    for (const { descriptor } of documents) await finder.find(descriptor.digest, 0)
  } catch (error) {
    throw CopyError.at('source', source.reference, error)
  }
  return finder.found
}

class ReferrerFinder {
  readonly #source: ImageSource
  readonly #choice: Exclude<ReferrerChoice, 'none'>
  readonly #options: OperationOptions
  readonly #found = new Map<string, Referrer>()

  constructor(source: ImageSource, choice: Exclude<ReferrerChoice, 'none'>, options: OperationOptions) {
    this.#source = source
    this.#choice = choice
    this.#options = options
  }

  get found(): readonly Referrer[] {
    return [...this.#found.values()]
  }

  async find(subject: Digest, depth: number): Promise<void> {
    if (depth > MAX_DEPTH) return
    this.#options.signal?.throwIfAborted()
    for (const listed of (await this.#source.referrers?.(subject, this.#options)) ?? []) {
      if (!this.#isWanted(listed)) continue
      const bytes = await this.#source.readManifest(listed, this.#options)
      await this.#add(
        listed.digest,
        { descriptor: listed, tree: await this.#tree({ descriptor: listed, bytes }) },
        depth,
      )
    }
    for (const suffix of TAG_SUFFIXES[this.#choice]) {
      const tag = `${digestAlgorithm(subject)}-${digestHex(subject)}.${suffix}`
      const content = await this.#source.resolveTag?.(tag, this.#options)
      if (content === undefined || isSchema1(content)) continue
      await this.#add(tag, { descriptor: content.descriptor, tree: await this.#tree(content), tag }, depth)
    }
  }

  #isWanted({ artifactType = '' }: Descriptor): boolean {
    return this.#choice === 'all' || SIGNATURE_TYPES.some((type) => type.test(artifactType))
  }

  #tree(root: ManifestContent): Promise<ImageTree> {
    return readImageTree(this.#source, { ...this.#options, root, configs: 'skip' })
  }

  async #add(key: string, referrer: Referrer, depth: number): Promise<void> {
    if (this.#found.has(key)) return
    if (this.#found.size >= MAX_REFERRERS) {
      throw new TareError('LIMIT_EXCEEDED', `${this.#source.reference} has more than ${MAX_REFERRERS} referrers`)
    }
    this.#found.set(key, referrer)
    await this.find(referrer.descriptor.digest, depth + 1)
  }
}

/** The index by which an archive lists what refers to an image; those found by a tag carry it as their name. */
export function formatReferrers(referrers: readonly Referrer[]): Uint8Array {
  const manifests = referrers.map(({ descriptor, tag }) => ({
    mediaType: descriptor.mediaType,
    digest: descriptor.digest,
    size: descriptor.size,
    artifactType: descriptor.artifactType,
    annotations: { ...descriptor.annotations, [REF_NAME_ANNOTATION]: tag },
  }))
  return new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.OCI_INDEX, manifests }))
}

/** A referrer as an archive lists it. */
export interface ListedReferrer {
  readonly descriptor: Descriptor
  readonly tag?: string | undefined
}

/** Cosign's tags, and no other: an archive must not be able to move a tag of its choice. */
const TAG_PATTERN = /^sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{128})\.(?:sig|att|sbom)$/

/**
 * Reads the index that lists what refers to an image.
 *
 * @throws {InvalidDocumentError}; {@link TareError} `INVALID_ARCHIVE`
 */
export function parseReferrers(bytes: Uint8Array, subject: string): readonly ListedReferrer[] {
  const document = parseManifestDocument(bytes, { subject, mediaType: MEDIA_TYPE.OCI_INDEX })
  if (document.kind !== 'index') throw new TareError('INVALID_ARCHIVE', `${subject} is not an index`)
  return document.manifests.map((descriptor) => {
    const tag = descriptor.annotations?.[REF_NAME_ANNOTATION]
    if (tag === undefined) return { descriptor }
    if (!TAG_PATTERN.test(tag)) {
      throw new TareError('INVALID_ARCHIVE', `${subject} names the tag ${JSON.stringify(tag.slice(0, 160))}`, {
        hint: 'What refers to an image is tagged by its digest: sha256-….sig, .att or .sbom',
      })
    }
    return { descriptor, tag }
  })
}
