import type { Descriptor } from './descriptor.ts'
import type { Digest } from './digest.ts'

/** Free text by key that somebody put on an image record, a blob or a lease. */
export type Labels = Readonly<Record<string, string>>

/** Part of a blob. */
export interface ContentRange {
  /** First byte; 0 when left out. */
  readonly offset?: number | undefined
  /** Bytes, at most; to the end when left out. */
  readonly length?: number | undefined
}

/** What every call understands that may wait. */
export interface ContentOptions {
  readonly signal?: AbortSignal | undefined
}

/** A blob that is open for reading, anywhere in it. */
export interface ContentReader extends AsyncDisposable {
  readonly sizeBytes: number
  /** The bytes of a range; a range beyond the end is cut. Not verified. */
  read(range?: ContentRange): AsyncIterable<Uint8Array>
}

/** Where blobs are read, by digest. A store, an engine, a registry, a directory: whatever has them. */
export interface ContentProvider {
  /** @throws {TareError} `BLOB_NOT_FOUND`; `INVALID_DIGEST` for what is no digest */
  openReader(content: Pick<Descriptor, 'digest'>, options?: ContentOptions): Promise<ContentReader>
}

/** What is known of a blob without reading it. */
export interface ContentInfo {
  readonly digest: Digest
  readonly sizeBytes: number
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly labels: Labels
}

/** Looks after blobs: what there are, their labels, their end. */
export interface ContentManager {
  /** @throws {TareError} `BLOB_NOT_FOUND`, `INVALID_DIGEST` */
  info(digest: Digest, options?: ContentOptions): Promise<ContentInfo>
  /**
   * Changes labels; an empty value takes its key away.
   *
   * @param fieldPaths - `labels.KEY` changes one key; `labels`, or none at all, puts these labels in place of all
   * @returns the blob as it is now
   * @throws {TareError} `BLOB_NOT_FOUND`; `INVALID_ARGUMENT` for another path, or a label that is too long
   */
  updateLabels(
    digest: Digest,
    labels: Labels,
    fieldPaths?: readonly string[],
    options?: ContentOptions,
  ): Promise<ContentInfo>
  /**
   * Blobs that any of the filters picks, in the order of their digests; all where there is none.
   *
   * @throws {TareError} `INVALID_ARGUMENT` for a malformed filter
   */
  list(filters?: readonly string[], options?: ContentOptions): AsyncIterable<ContentInfo>
  /** @throws {TareError} `BLOB_NOT_FOUND` */
  delete(digest: Digest, options?: ContentOptions): Promise<void>
}

/** How far a write is. */
export interface IngestStatus {
  /** The name it can be taken up again by. */
  readonly ref: string
  /** Bytes that are there. */
  readonly offsetBytes: number
  /** Bytes there will be; 0 where that is not known. */
  readonly totalBytes: number
  readonly expected?: Digest | undefined
  readonly startedAt: Date
  readonly updatedAt: Date
}

/** What a write is about. */
export interface WriterOptions extends ContentOptions {
  /** Digest and size there should be at the end, as far as they are known. */
  readonly expected?: { readonly digest?: Digest | undefined; readonly size?: number | undefined } | undefined
}

/** What {@link ContentWriter.commit} holds the bytes against. */
export interface CommitOptions extends ContentOptions {
  /** Bytes there have to be; unchecked when left out. */
  readonly sizeBytes?: number | undefined
  /** Digest there has to be; unchecked when left out. */
  readonly digest?: Digest | undefined
  /** Labels that the blob gets. */
  readonly labels?: Labels | undefined
}

/**
 * Writes one blob. What was written stays when the writer is closed without a commit, for whoever takes it up by its
 * ref; nothing of it can be read before the commit.
 */
export interface ContentWriter extends AsyncDisposable {
  readonly ref: string
  status(): IngestStatus
  /** The digest of all bytes so far. */
  digest(): Digest
  /** Appends. @throws {TareError} `FAILED_PRECONDITION` when closed, `DISK_FULL`, … */
  write(chunk: Uint8Array): Promise<void>
  /** Forgets what was written; only 0 is possible. @throws {TareError} `INVALID_ARGUMENT` for another size */
  truncate(sizeBytes: number): Promise<void>
  /**
   * Verifies, makes durable, and makes visible. Closes the writer in any case.
   *
   * @throws {TareError} `DIGEST_MISMATCH`, `SIZE_MISMATCH`: the bytes stay, to be gone on with or aborted;
   * `ALREADY_EXISTS`: there is such a blob, which is as good; `FAILED_PRECONDITION` when closed
   */
  commit(options?: CommitOptions): Promise<ContentInfo>
  /** Ends writing and keeps what there is. May be called again. */
  close(): Promise<void>
}

/** Where blobs are written. */
export interface ContentIngester {
  /**
   * Begins a write, or takes one up that was left.
   *
   * @param ref - the name of the write: one writer at a time has it, among all processes
   * @throws {TareError} `INVALID_ARGUMENT` without a ref; `ALREADY_EXISTS` when the expected blob is there; `UNAVAILABLE`
   * when another writer has the ref
   */
  openWriter(ref: string, options?: WriterOptions): Promise<ContentWriter>
  /** @throws {TareError} `NOT_FOUND` */
  status(ref: string, options?: ContentOptions): Promise<IngestStatus>
  /** Writes that were begun, by ref; filters know the field `ref`. @throws {TareError} `INVALID_ARGUMENT` */
  listStatuses(filters?: readonly string[], options?: ContentOptions): Promise<readonly IngestStatus[]>
  /** Throws away what was written. @throws {TareError} `NOT_FOUND`, `UNAVAILABLE` while somebody writes */
  abort(ref: string, options?: ContentOptions): Promise<void>
}

/** All that can be done with blobs in one place. */
export interface ContentStore extends ContentProvider, ContentManager, ContentIngester {}
