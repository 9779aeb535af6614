import { CopyError, InvalidDocumentError, TareError } from '../../errors/index.ts'
import { MAX_CONFIG_BYTES } from '../../image/index.ts'
import {
  bareDescriptor,
  type Descriptor,
  type DiffId,
  type Digest,
  isConfigType,
  type Manifest,
  parseImageConfig,
  parseManifestDocument,
} from '../../oci/index.ts'
import {
  abortable,
  type ByteSource,
  digestOf,
  exactly,
  type OperationOptions,
  readAllBytes,
  verified,
} from '../../stream/index.ts'
import {
  layoutBlobPath,
  MAX_MANIFEST_BYTES,
  type NamedFiles,
  readNamedFile,
  TarArchive,
  type TarArchiveOptions,
} from '../../transport/index.ts'
import type { Delta, DeltaSet } from '../delta.ts'
import {
  type BlobOrigin,
  DEFAULT_IMAGE_NAME,
  type DeltaPlan,
  type NeededLayer,
  type PlannedBlob,
  type PlannedRole,
} from '../plan.ts'
import { MAX_SIDECAR_BYTES, parseSidecar, type Sidecar, SIDECAR_NAME, type SidecarImage } from './sidecar.ts'

/**
 * Opens an archive of diffah: a tar, wrapped in zstd or gzip or not. Of what is in it, the sidecar's bytes are read and
 * nothing is parsed, so that a signature over them can be checked first.
 *
 * @throws {TareError} `NOT_A_DELTA` without a sidecar, `INVALID_ARCHIVE` with two, `LIMIT_EXCEEDED`, `FILE_NOT_FOUND`,
 *   `CORRUPT_TAR`, `CORRUPT_ZSTD`, `UNSAFE_PATH`, …
 */
export async function openDiffahArchive(path: string, options: TarArchiveOptions = {}): Promise<DiffahArchive> {
  await using resources = new AsyncDisposableStack()
  const files = resources.use(await TarArchive.open(path, { ...options, otherwise: `oci:${path}` }))
  const archive = await diffahArchiveIn(path, files)
  if (archive === undefined) {
    throw new TareError('NOT_A_DELTA', `${path} is not an archive of diffah: it has no ${SIDECAR_NAME}`, {
      hint: 'Check the path; a delta of Tare has an index.json',
    })
  }
  resources.move()
  return archive
}

/**
 * The archive of diffah that some files make up, as {@link openDiffahArchive} gives it; undefined where they have no
 * sidecar.
 *
 * @param path - where they lie, for messages
 * @param files - disposed with the archive
 */
export async function diffahArchiveIn(path: string, files: NamedFiles): Promise<DiffahArchive | undefined> {
  const bytes = await readNamedFile(files, SIDECAR_NAME, MAX_SIDECAR_BYTES, path)
  return bytes === undefined ? undefined : new DiffahArchive(path, files, bytes)
}

/** An archive of diffah that was opened, and not yet looked into. */
export class DiffahArchive implements AsyncDisposable {
  readonly reference: string
  /** `diffah.json` as it stands. What a signature covers is its canonical form. */
  readonly sidecarBytes: Uint8Array
  readonly #files: NamedFiles

  /** @param files - of the archive; disposed with this object */
  constructor(reference: string, files: NamedFiles, sidecarBytes: Uint8Array) {
    this.reference = reference
    this.#files = files
    this.sidecarBytes = sidecarBytes
  }

  /**
   * Parses the sidecar and makes a plan for each image, from its manifest and config, which are hashed before they are
   * used. The set is of use as long as the archive is open.
   *
   * @throws {InvalidDocumentError} with every problem of a document; {@link TareError} `BLOB_NOT_FOUND` with everything
   *   that is missing, `SIZE_MISMATCH`, `OBSOLETE_FORMAT`, `UNSUPPORTED_FORMAT`; {@link CopyError}
   */
  async read(options: OperationOptions = {}): Promise<DeltaSet> {
    const sidecar = parseSidecar(this.sidecarBytes, this.reference, options)
    const descriptor: Descriptor = {
      mediaType: 'application/json',
      digest: digestOf(this.sidecarBytes),
      size: this.sidecarBytes.length,
    }
    await checkEntries(sidecar, this.#files, this.reference)
    const reader = new ImageReader(sidecar, this.#files, this.reference)
    const plans: DeltaPlan[] = []
    for (const image of sidecar.images) plans.push(await reader.plan(image, options))
    const unused = reader.unused(plans)
    const deltas = sidecar.images.flatMap(({ name }, position): Delta | [] => {
      const plan = plans[position]
      if (plan === undefined) return []
      return {
        name,
        reference: this.reference,
        descriptor,
        plan,
        recipes: new Map(),
        unused: position === 0 ? unused : [],
        openHeld: (blob, { signal }) => reader.open(blob, signal),
        openPatch: (blob, { signal }) => reader.openPatch(blob, signal),
      }
    })
    const isBundle = deltas.length > 1 || deltas[0]?.name !== DEFAULT_IMAGE_NAME
    // Go's zero time stands for none.
    const createdAt = sidecar.createdAt.startsWith('0001-01-01T00:00:00') ? undefined : sidecar.createdAt
    const { platform } = sidecar
    return { format: 'diffah', reference: this.reference, descriptor, createdAt, platform, isBundle, deltas }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#files[Symbol.asyncDispose]()
  }
}

/** Everything the sidecar tells of is in the archive, and as large as it says. */
async function checkEntries(sidecar: Sidecar, files: NamedFiles, archive: string): Promise<void> {
  const missing: Digest[] = []
  const problems: { path: string; message: string }[] = []
  for (const [digest, { archiveSize }] of sidecar.blobs) {
    const storedBytes = await files.sizeOf(layoutBlobPath(digest))
    if (storedBytes === undefined) missing.push(digest)
    else if (storedBytes !== archiveSize) {
      problems.push({
        path: `$.blobs["${digest}"].archive_size`,
        message: `is ${archiveSize}, but there are ${storedBytes}`,
      })
    }
  }
  if (missing.length > 0) {
    throw new TareError('BLOB_NOT_FOUND', `${archive} lacks blobs its ${SIDECAR_NAME} names: ${missing.join(', ')}`, {
      hint: 'The archive is incomplete; copy it again',
    })
  }
  if (problems.length > 0) throw new InvalidDocumentError(`${SIDECAR_NAME} of ${archive}`, problems)
}

/** Makes plans of what an archive holds. */
class ImageReader {
  readonly #sidecar: Sidecar
  readonly #files: NamedFiles
  readonly #archive: string

  constructor(sidecar: Sidecar, files: NamedFiles, archive: string) {
    this.#sidecar = sidecar
    this.#files = files
    this.#archive = archive
  }

  /** A blob that is stored as it is. */
  async *open({ digest, size }: Pick<Descriptor, 'digest' | 'size'>, signal: AbortSignal | undefined): ByteSource {
    try {
      yield* verified(abortable(this.#files.open(layoutBlobPath(digest)), signal), { digest, size }, 'blob')
    } catch (error) {
      throw CopyError.at('delta', digest, error)
    }
  }

  /** The patch of a blob. It has no digest of its own: what it makes is verified. */
  async *openPatch({ digest, from }: PlannedBlob, signal: AbortSignal | undefined): ByteSource {
    if (from.kind !== 'blob-patch') throw new TareError('INTERNAL', `${digest} is not made by a patch`)
    try {
      yield* exactly(abortable(this.#files.open(layoutBlobPath(digest)), signal), from.patch.size, 'patch')
    } catch (error) {
      throw CopyError.at('delta', digest, error)
    }
  }

  async plan(image: SidecarImage, { signal }: OperationOptions): Promise<DeltaPlan> {
    const { target, baseline, name } = image
    const root: Descriptor = { mediaType: target.mediaType, digest: target.manifestDigest, size: target.manifestSize }
    const manifest = await this.#manifest(root, name, signal)
    this.#checkSizes(manifest, name)
    const diffIds = await this.#diffIds(manifest, signal)
    const blobs = new Map<Digest, PlannedBlob>([
      [root.digest, { role: 'manifest', ...root, from: { kind: 'archive' } }],
      [manifest.config.digest, this.#blob('config', manifest.config, undefined)],
    ])
    for (const [position, layer] of manifest.layers.entries()) {
      if (!blobs.has(layer.digest)) blobs.set(layer.digest, this.#blob('layer', layer, diffIds?.[position]))
    }
    return {
      schemaVersion: 1,
      tool: toolText(this.#sidecar),
      target: root,
      // Of the baseline's manifest the sidecar does not tell the size.
      baselines: [
        {
          name: baseline.sourceHint ?? name,
          descriptor: { mediaType: baseline.mediaType, digest: baseline.manifestDigest, size: 0 },
        },
      ],
      needs: neededLayers([...blobs.values()]),
      blobs: [...blobs.values()],
    }
  }

  /** Blobs that no image takes. */
  unused(plans: readonly DeltaPlan[]): readonly Descriptor[] {
    const taken = new Set(plans.flatMap((plan) => plan.blobs.map((blob) => blob.digest)))
    return [...this.#sidecar.blobs]
      .filter(([digest]) => !taken.has(digest))
      .map(([digest, { mediaType, archiveSize }]) => ({ mediaType, digest, size: archiveSize }))
  }

  async #manifest(root: Descriptor, name: string, signal: AbortSignal | undefined): Promise<Manifest> {
    const subject = `manifest ${root.digest} of ${name} in ${this.#archive}`
    const bytes = await readAllBytes(this.open(root, signal), MAX_MANIFEST_BYTES, subject)
    const document = parseManifestDocument(bytes, { subject, mediaType: root.mediaType })
    if (document.kind === 'manifest') return document
    throw new InvalidDocumentError(subject, [
      { path: '$', message: 'is an index; diffah archives hold manifests only' },
    ])
  }

  /** The sidecar and the manifest agree on how large the blobs are. */
  #checkSizes(manifest: Manifest, name: string): void {
    const problems = [manifest.config, ...manifest.layers].flatMap(({ digest, size }) => {
      const held = this.#sidecar.blobs.get(digest)
      if (held === undefined || held.size === size) return []
      const message = `is ${held.size}, but the manifest of ${name} says ${size}`
      return [{ path: `$.blobs["${digest}"].size`, message }]
    })
    if (problems.length > 0) throw new InvalidDocumentError(`${SIDECAR_NAME} of ${this.#archive}`, problems)
  }

  /** What the layers unpack to; unknown where the config is not in the archive, or is not an image's. */
  async #diffIds(
    { config, layers }: Manifest,
    signal: AbortSignal | undefined,
  ): Promise<readonly DiffId[] | undefined> {
    if (!isConfigType(config.mediaType) || this.#sidecar.blobs.get(config.digest)?.encoding !== 'full') return undefined
    const subject = `config ${config.digest} in ${this.#archive}`
    const bytes = await readAllBytes(this.open(config, signal), MAX_CONFIG_BYTES, subject)
    const { diffIds } = parseImageConfig(bytes, subject).rootfs
    return diffIds.length === layers.length ? diffIds : undefined
  }

  #blob(role: PlannedRole, descriptor: Descriptor, diffId: DiffId | undefined): PlannedBlob {
    return { role, ...bareDescriptor(descriptor), diffId, from: this.#origin(descriptor.digest, diffId) }
  }

  #origin(digest: Digest, diffId: DiffId | undefined): BlobOrigin {
    const held = this.#sidecar.blobs.get(digest)
    // A layer that is plain may be compressed in the baseline at hand, for all that matters.
    if (held === undefined) return { kind: diffId === digest ? 'baseline-tar' : 'baseline' }
    if (held.encoding === 'full') return { kind: 'archive' }
    return { kind: 'blob-patch', patch: { size: held.archiveSize }, source: held.patchFrom }
  }
}

/** Patch sources have no size: the sidecar does not tell it. */
function neededLayers(blobs: readonly PlannedBlob[]): readonly NeededLayer[] {
  const needed = new Map<Digest, NeededLayer>()
  for (const { digest, diffId, size, from } of blobs) {
    if (from.kind === 'baseline' || from.kind === 'baseline-tar') needed.set(digest, { digest, diffId, size })
    if (from.kind === 'blob-patch' && !needed.has(from.source))
      needed.set(from.source, { digest: from.source, size: 0 })
  }
  return [...needed.values()]
}

/** Ends up on terminals. */
function toolText({ tool, toolVersion }: Sidecar): string {
  const text = `${tool} ${toolVersion}`.replace(/[^ -~]/g, '?').trim()
  return text === '' ? 'unknown' : text.slice(0, 100)
}
