import type { Descriptor, DiffId, Digest } from '../oci/index.ts'
import type { ByteSource, OperationOptions } from '../stream/index.ts'

/**
 * How a destination or source keeps layers: `stored` as the manifest describes them, compression and all; `plain` as
 * uncompressed tars addressed by diffID, with a manifest that is made up for them (docker archives, daemons).
 */
export type LayerForm = 'stored' | 'plain'

/** A manifest or index with its exact bytes. */
export interface ManifestContent {
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
}

/** The repository of a registry that a source or destination lies in; blobs are mounted between two of one registry. */
export interface RepositoryName {
  /** Host and port. */
  readonly registry: string
  readonly repository: string
}

/** Where to begin reading, besides the usual. */
export interface OpenBlobOptions extends OperationOptions {
  /** First byte wanted. */
  readonly offset?: number | undefined
}

/** What is known of a layer besides its descriptor. */
export interface OpenPlainLayerOptions extends OperationOptions {
  /** What its plain tar has to be. */
  readonly diffId?: DiffId | undefined
}

/**
 * An image to read. Sources hand out bytes as they come: use `openVerifiedBlob` unless the bytes are checked
 * elsewhere. Concurrent calls are allowed.
 */
export interface ImageSource extends AsyncDisposable {
  /** The reference as text, for messages; no secrets. */
  readonly reference: string
  readonly layerForm: LayerForm
  /** Set by registries only. */
  readonly repository?: RepositoryName | undefined
  /**
   * What the reference points at, verified.
   *
   * @throws {TareError} `NOT_FOUND`, `AMBIGUOUS_IMAGE`, `DIGEST_MISMATCH`, …
   */
  resolve(options?: OperationOptions): Promise<ManifestContent>
  /**
   * The bytes of a manifest or index by digest, verified and bounded by `MAX_MANIFEST_BYTES`.
   *
   * @throws {TareError} `BLOB_NOT_FOUND`, `DIGEST_MISMATCH`
   */
  readManifest(descriptor: Descriptor, options?: OperationOptions): Promise<Uint8Array>
  /**
   * Starts reading a config or layer. Resolves when the source has the blob; bytes are not verified.
   *
   * @throws {TareError} `BLOB_NOT_FOUND`
   */
  openBlob(descriptor: Descriptor, options?: OpenBlobOptions): Promise<ByteSource>
  /**
   * Whether the source holds a config or layer, as far as can be told without reading it. Absent where a manifest that
   * was read vouches for its blobs.
   */
  hasBlob?(descriptor: Descriptor, options?: OperationOptions): Promise<boolean>
  /**
   * The plain tar of a layer, where the source has it nearer at hand than the compressed blob. Bytes are not verified.
   */
  openPlainLayer?(descriptor: Descriptor, options?: OpenPlainLayerOptions): Promise<ByteSource>
  /**
   * Artifacts that name `digest` as their subject, such as signatures; only where referrers are kept. Nothing of it is
   * proven, and the list may hold artifacts that only seem to refer.
   *
   * @throws {TareError} `AUTH_REQUIRED`, `INVALID_DOCUMENT`, …
   */
  referrers?(digest: Digest, options?: OperationOptions): Promise<readonly Descriptor[]>
  /** What another tag of the same repository points at; undefined where there is none. Only where there are tags. */
  resolveTag?(tag: string, options?: OperationOptions): Promise<ManifestContent | undefined>
  /**
   * `false` where only digests are known, as of an inventory: manifests and configs may be made up, layers can't be
   * opened. Left out, the source holds what it names.
   */
  readonly holdsLayers?: boolean | undefined
}

/** Starts a read from the beginning; called again when a write has to start over. */
export type BlobOpener = () => Promise<ByteSource>

/** Extra knowledge that lets a destination avoid moving bytes. */
export interface PutBlobOptions extends OperationOptions {
  /** Repositories of the same registry that hold the blob, to mount it from. */
  readonly mountFrom?: readonly string[] | undefined
}

/** How a blob got to its destination. */
export type PutOutcome = 'written' | 'mounted' | 'present'

/**
 * Where an image is written. The order is: blobs in any order and in parallel, then manifests (members before their
 * index), then {@link ImageDestination.commit}. Nothing is visible under the reference before the commit; disposing
 * without it leaves at most unreferenced blobs in a place made to hold them (layout, registry) and nothing elsewhere.
 */
export interface ImageDestination extends AsyncDisposable {
  /** The reference as text, for messages; no secrets. */
  readonly reference: string
  readonly layerForm: LayerForm
  /** Set by registries only. */
  readonly repository?: RepositoryName | undefined
  /**
   * Refuses what could not be kept with its digest, before any work.
   *
   * @throws {TareError} `UNSUPPORTED_BY_DESTINATION`, `PLATFORM_REQUIRED`
   */
  checkManifestType(mediaType: string): void
  /**
   * Announces everything that will be put, in the order of the tree, before the first put. Archives lay out their
   * file by it, so that parallel writes make the same bytes.
   */
  prepare?(contents: DestinationContents, options?: OperationOptions): Promise<void>
  /** Whether the blob is there already, complete. */
  hasBlob(descriptor: Descriptor, options?: OperationOptions): Promise<boolean>
  /**
   * Writes a blob; the bytes are verified against the descriptor before they can be seen.
   *
   * @throws {TareError} `DIGEST_MISMATCH`, `SIZE_MISMATCH`, …; `open`'s own errors pass unchanged
   */
  putBlob(descriptor: Descriptor, open: BlobOpener, options?: PutBlobOptions): Promise<PutOutcome>
  /**
   * Writes an uncompressed layer tar, verified against its diffID. Only where `layerForm` is `plain`; there
   * `putBlob` takes the config alone.
   */
  putPlainLayer?(diffId: DiffId, open: BlobOpener, options?: OperationOptions): Promise<PutOutcome>
  /** Whether the manifest is there already with its exact bytes; `false` where that can't be told cheaply. */
  hasManifest(descriptor: Descriptor, options?: OperationOptions): Promise<boolean>
  /** Stores a manifest or index byte for byte. All it names has been put. */
  putManifest(manifest: ManifestContent, options?: OperationOptions): Promise<void>
  /**
   * Makes the image visible under the reference, at once and as a whole.
   *
   * @param root - one of the manifests that were put
   * @returns what the reference now points at: digest and the name it was given
   */
  commit(root: ManifestContent, options?: OperationOptions): Promise<CommitResult>
  /** Makes a manifest visible under another tag of the same repository too. Only where there are tags. */
  commitTag?(tag: string, manifest: ManifestContent, options?: OperationOptions): Promise<void>
  /** A repository of the same registry, reached in the same way, to read blobs of. Set by registries only. */
  neighbour?(repository: string): ImageSource
  /**
   * Opens what was committed, to be read back: by its name where it has one, so that the name is proven too. Undefined
   * where it can't be read any more, because it went to standard output, and where the commit has checked it itself.
   *
   * @param digest - what the commit gave
   */
  reopen(digest: Digest, options?: OperationOptions): Promise<ImageSource | undefined>
}

/** What is about to be written to a destination. */
export interface DestinationContents {
  /** Configs and layers; each digest once. */
  readonly blobs: readonly Descriptor[]
  /** Manifests and indexes, members before their index, the root last. */
  readonly manifests: readonly ManifestContent[]
  /** Layers by diffID in the order of the tree, where they are known; for destinations that keep them plain. */
  readonly diffIds?: readonly DiffId[] | undefined
}

/** What a commit made visible. */
export interface CommitResult {
  /**
   * Digest the reference resolves to; differs from the root's only where `layerForm` is `plain`. Of an engine the ID that
   * it gives the image: the digest of the config where layers are plain.
   */
  readonly digest: Digest
}

/** No manifest or index larger than this is read; registries commonly refuse more than 4 MiB. */
export const MAX_MANIFEST_BYTES: number = 8 * 1024 * 1024
