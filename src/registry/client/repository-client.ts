import { type RepositoryAction, repositoryScope, unionScopes } from '../../auth/index.ts'
import { hasErrorCode } from '../../errors/index.ts'
import { type HttpResponse, HttpStatusError } from '../../http/index.ts'
import {
  ACCEPTED_MANIFEST_TYPES,
  type Descriptor,
  type Digest,
  isDigest,
  isSchema1Type,
  MEDIA_TYPE,
  parseManifestDocument,
  schema1Payload,
} from '../../oci/index.ts'
import { type ByteSource, digestOf, type OperationOptions, verifyBytes } from '../../stream/index.ts'
import { openBlobDownload } from './blob-download.ts'
import { BlobUpload, type UploadBlobOptions } from './blob-upload.ts'
import { nextPage, parseJson, readNames } from './paging.ts'
import { listReferrers, type ListReferrersOptions, referrersTag } from './referrers.ts'
import type { ListOptions, RegistryClient, RegistryRequest } from './registry-client.ts'

type RequestOptions = Pick<OperationOptions, 'signal' | 'logger'>

/** A manifest or index with its exact bytes. */
export interface FetchedManifest {
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
}

/** What a registry says of a manifest without sending it. Nothing of it is proven. */
export interface ManifestHead {
  readonly mediaType: string | undefined
  readonly digest: Digest | undefined
  /** Bytes. */
  readonly size: number | undefined
}

/** What became of a manifest that was put. */
export interface PutManifestResult {
  /** The digest the registry says it stored the manifest under, if it says so. */
  readonly digest: Digest | undefined
  /** Whether the registry keeps the manifest's `subject` in its referrers list by itself. */
  readonly keepsReferrers: boolean
}

/** Repositories that a blob is tried to be mounted from. */
const MAX_MOUNT_TRIES = 3
const GENERIC_TYPES: ReadonlySet<string> = new Set(['', 'application/json', 'text/plain', 'application/octet-stream'])

/** One repository of a registry. Made by {@link RegistryClient.repository}. */
export class RepositoryClient {
  readonly registry: RegistryClient
  /** `namespace/name`. */
  readonly name: string
  readonly #actions: readonly RepositoryAction[]

  constructor(registry: RegistryClient, name: string, actions: readonly RepositoryAction[]) {
    this.registry = registry
    this.name = name
    this.#actions = actions
  }

  /**
   * Fetches a manifest or index, verified. **Buffers**, at most 8 MiB.
   *
   * @param reference - a tag, or a digest that the bytes must have
   * @throws {TareError} `NOT_FOUND`, `DIGEST_MISMATCH`, `LIMIT_EXCEEDED`, `REGISTRY_PROTOCOL` for a web page, …
   */
  async getManifest(reference: string, options: RequestOptions = {}): Promise<FetchedManifest> {
    const subject = this.#manifestSubject(reference)
    const headers = { accept: ACCEPTED_MANIFEST_TYPES.join(', ') }
    const request = this.#request({ method: 'GET', target: this.#manifestPath(reference), headers, ...options })
    const { response, bytes } = await this.registry.fetch(request, subject, 'NOT_FOUND')
    // The digest that a registry names beside a tag is a hint at best: some name one of other bytes.
    const mediaType = mediaTypeOf(response, bytes, subject)
    const hashed = isSchema1Type(mediaType) ? schema1Payload(bytes, subject) : bytes
    const digest = isDigest(reference) ? reference : digestOf(hashed)
    verifyBytes(hashed, { digest }, subject)
    return { descriptor: { mediaType, digest, size: bytes.length }, bytes }
  }

  /**
   * Asks about a manifest.
   *
   * @returns `undefined` when there is none
   * @throws {TareError} `AUTH_REQUIRED`, `NETWORK`, …
   */
  async headManifest(reference: string, options: RequestOptions = {}): Promise<ManifestHead | undefined> {
    const headers = { accept: ACCEPTED_MANIFEST_TYPES.join(', ') }
    const request = this.#request({ method: 'HEAD', target: this.#manifestPath(reference), headers, ...options })
    const response = await this.registry.request(request)
    if (response.status !== 200 && response.status !== 404) {
      throw await HttpStatusError.read(response, this.#manifestSubject(reference))
    }
    await response.discard()
    if (response.status === 404) return undefined
    return { mediaType: contentTypeOf(response), digest: digestHeader(response), size: response.contentLength }
  }

  /**
   * Stores a manifest byte for byte.
   *
   * @param reference - a tag, or the digest of the bytes
   * @throws {TareError} `REGISTRY_REFUSED`, `AUTH_REQUIRED`, …
   */
  async putManifest(
    reference: string,
    manifest: { readonly mediaType: string; readonly bytes: Uint8Array },
    options: RequestOptions = {},
  ): Promise<PutManifestResult> {
    const response = await this.registry.request(
      this.#request({
        method: 'PUT',
        target: this.#manifestPath(reference),
        headers: { 'content-type': manifest.mediaType },
        body: manifest.bytes,
        ...options,
      }),
    )
    if (response.status !== 201) throw await HttpStatusError.read(response, this.#manifestSubject(reference))
    await response.discard()
    return { digest: digestHeader(response), keepsReferrers: response.header('oci-subject') !== undefined }
  }

  /** Deletes a manifest and all tags of it. @throws {TareError} `NOT_FOUND`, `REGISTRY_REFUSED` where that is off, … */
  deleteManifest(digest: Digest, options: RequestOptions = {}): Promise<void> {
    return this.#delete(this.#manifestPath(digest), this.#manifestSubject(digest), 'NOT_FOUND', options)
  }

  /** Deletes a tag alone. @throws {TareError} `NOT_FOUND`, `REGISTRY_REFUSED` where the registry can't, … */
  deleteTag(tag: string, options: RequestOptions = {}): Promise<void> {
    return this.#delete(this.#manifestPath(tag), this.#manifestSubject(tag), 'NOT_FOUND', options)
  }

  /** Deletes a blob from the repository. @throws {TareError} `BLOB_NOT_FOUND`, `REGISTRY_REFUSED` where that is off, … */
  deleteBlob(digest: Digest, options: RequestOptions = {}): Promise<void> {
    return this.#delete(this.#blobPath(digest), `blob ${digest} in ${this.name}`, 'BLOB_NOT_FOUND', options)
  }

  /**
   * Whether the repository has a blob, of the stated size if it is known.
   *
   * @throws {TareError} `AUTH_REQUIRED`, `NETWORK`, …
   */
  async hasBlob(
    blob: { readonly digest: Digest; readonly size?: number },
    options: RequestOptions = {},
  ): Promise<boolean> {
    const request = this.#request({ method: 'HEAD', target: this.#blobPath(blob.digest), ...options })
    const response = await this.registry.request(request)
    if (response.status !== 200 && response.status !== 404) {
      throw await HttpStatusError.read(response, `blob ${blob.digest} in ${this.name}`)
    }
    await response.discard()
    if (response.status === 404) return false
    const { contentLength = blob.size } = response
    return blob.size === undefined || contentLength === blob.size
  }

  /**
   * Starts reading a blob. A cut connection is resumed where it stopped. The bytes are not verified.
   *
   * @throws {TareError} `BLOB_NOT_FOUND`, `AUTH_REQUIRED`, `NETWORK`, …
   */
  openBlob(
    descriptor: Descriptor,
    options: RequestOptions & { readonly offset?: number | undefined } = {},
  ): Promise<ByteSource> {
    const { signal, logger, offset } = options
    const target = this.#blobPath(descriptor.digest)
    return openBlobDownload(descriptor, {
      get: (headers) => this.registry.request(this.#request({ method: 'GET', target, headers, signal, logger })),
      retryPolicy: this.registry.http.retryPolicy,
      offset,
      signal,
    })
  }

  /**
   * Stores a blob: mounted from another repository of the registry if that works, else uploaded.
   *
   * @param open - starts the content from its beginning; called again when an upload has to start over. The content is
   *   verified before it is complete at the registry
   * @throws {TareError} `DIGEST_MISMATCH`, `SIZE_MISMATCH`, `REGISTRY_REFUSED`, `AUTH_REQUIRED`, `NETWORK`, …
   */
  async uploadBlob(
    descriptor: Descriptor,
    open: () => Promise<ByteSource>,
    options: UploadBlobOptions = {},
  ): Promise<'written' | 'mounted'> {
    const mount = await this.#mount(descriptor, options)
    if (mount === 'mounted') return mount
    const target = {
      registry: this.registry,
      repository: this.name,
      request: (request: Omit<RegistryRequest, 'scopes' | 'repository'>) =>
        this.registry.request(this.#request(request)),
    }
    await new BlobUpload(target, descriptor, open, options).run(mount)
    return 'written'
  }

  /**
   * The tags, page by page, in the registry's order.
   *
   * @throws {TareError} `NOT_FOUND`, `REGISTRY_PROTOCOL`, …
   */
  async *tags(options: ListOptions = {}): AsyncGenerator<string, void, undefined> {
    const { pageSize = 1000, ...operation } = options
    const subject = `tags of ${this.registry.host}/${this.name}`
    let target: string | URL | undefined = `${this.name}/tags/list?n=${pageSize}`
    for (let page = 1; target !== undefined; page++) {
      const request = this.#request({ method: 'GET', target, ...operation })
      const { response, bytes } = await this.registry.fetch(request, subject, 'NOT_FOUND')
      yield* readNames(bytes, 'tags', subject)
      target = nextPage(response, page)
    }
  }

  /**
   * Artifacts that name `digest` as their subject: by the referrers API, or by the tag that stands in for it.
   *
   * @throws {TareError} `AUTH_REQUIRED`, `INVALID_DOCUMENT`, …
   * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers
   */
  referrers(digest: Digest, options: ListReferrersOptions = {}): Promise<readonly Descriptor[]> {
    const fetch = (target: string | URL): Promise<{ response: HttpResponse; bytes: Uint8Array }> =>
      this.registry.fetch(
        this.#request({
          method: 'GET',
          target,
          headers: { accept: MEDIA_TYPE.OCI_INDEX },
          signal: options.signal,
          logger: options.logger,
        }),
        `referrers of ${digest}`,
        'NOT_FOUND',
      )
    return listReferrers(this, digest, fetch, options)
  }

  /**
   * Adds an artifact to the tag that stands in for the referrers API, as a client must after a put whose result says
   * that the registry does not keep the list. Two clients that do so at once may lose one of the entries; the
   * specification accepts that.
   *
   * @param subject - what the artifact refers to
   * @throws {TareError} as {@link RepositoryClient.getManifest} and {@link RepositoryClient.putManifest}
   * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-manifests-with-subject
   */
  async addReferrer(subject: Digest, referrer: Descriptor, options: RequestOptions = {}): Promise<void> {
    const tag = referrersTag(subject)
    let known: readonly Descriptor[] = []
    try {
      const { descriptor, bytes } = await this.getManifest(tag, options)
      const document = parseManifestDocument(bytes, { subject: `index ${tag}`, mediaType: descriptor.mediaType })
      if (document.kind === 'index') known = document.manifests
    } catch (error) {
      if (!hasErrorCode(error, 'NOT_FOUND')) throw error
    }
    if (known.some(({ digest }) => digest === referrer.digest)) return
    const index = { schemaVersion: 2, mediaType: MEDIA_TYPE.OCI_INDEX, manifests: [...known, referrer] }
    const bytes = Buffer.from(JSON.stringify(index))
    await this.putManifest(tag, { mediaType: MEDIA_TYPE.OCI_INDEX, bytes }, options)
  }

  async #mount(descriptor: Descriptor, options: UploadBlobOptions): Promise<HttpResponse | 'mounted' | undefined> {
    const { mountFrom = [], signal, logger } = options
    const candidates = [...new Set(mountFrom)].filter((from) => from !== this.name).slice(0, MAX_MOUNT_TRIES)
    for (const [index, from] of candidates.entries()) {
      const query = `mount=${encodeURIComponent(descriptor.digest)}&from=${encodeURIComponent(from)}`
      const request = this.#request({ method: 'POST', target: `${this.name}/blobs/uploads/?${query}`, signal, logger })
      const scopes = unionScopes(...request.scopes, repositoryScope(from, ['pull']))
      let response: HttpResponse
      try {
        response = await this.registry.request({ ...request, scopes })
      } catch (error) {
        // No token for the other repository: it is not ours to read, so the blob is sent instead.
        if (hasErrorCode(error, 'AUTH_REQUIRED')) continue
        throw error
      }
      if (response.status === 202 && index === candidates.length - 1) return response
      await response.discard()
      if (response.status === 201) return 'mounted'
      if (response.status === 202) await this.#giveUpSession(response, options)
    }
    return undefined
  }

  /** A mount that was not done opened a session; the registry drops it in time if it can't be told to. */
  async #giveUpSession(response: HttpResponse, { signal, logger }: RequestOptions): Promise<void> {
    const target = await this.registry.locate(response, `session in ${this.name}`)
    const answer = await this.registry.request(this.#request({ method: 'DELETE', target, signal, logger }))
    await answer.discard()
  }

  async #delete(
    target: string,
    subject: string,
    notFound: 'NOT_FOUND' | 'BLOB_NOT_FOUND',
    options: RequestOptions,
  ): Promise<void> {
    const request = this.#request({ method: 'DELETE', target, ...options })
    const scopes = unionScopes(...request.scopes, repositoryScope(this.name, ['delete']))
    const response = await this.registry.request({ ...request, scopes })
    if (response.status !== 202 && response.status !== 200 && response.status !== 204) {
      throw await HttpStatusError.read(response, subject, notFound)
    }
    await response.discard()
  }

  #request(request: Omit<RegistryRequest, 'scopes' | 'repository'>): RegistryRequest {
    return { ...request, repository: this.name, scopes: [repositoryScope(this.name, this.#actions)] }
  }

  #manifestPath(reference: string): string {
    return `${this.name}/manifests/${reference}`
  }

  #blobPath(digest: Digest): string {
    return `${this.name}/blobs/${digest}`
  }

  #manifestSubject(reference: string): string {
    return `manifest ${this.registry.host}/${this.name}${isDigest(reference) ? '@' : ':'}${reference}`
  }
}

function contentTypeOf(response: HttpResponse): string | undefined {
  return response.header('content-type')?.replace(/;.*$/s, '').trim().toLowerCase()
}

function digestHeader(response: HttpResponse): Digest | undefined {
  const digest = response.header('docker-content-digest')
  return isDigest(digest) ? digest : undefined
}

/** What the bytes call themselves; else what the registry calls them; else what their fields make them. */
function mediaTypeOf(response: HttpResponse, bytes: Uint8Array, subject: string): string {
  const document = parseJson(bytes, subject)
  if (typeof document['mediaType'] === 'string') return document['mediaType']
  const stated = contentTypeOf(response) ?? ''
  if (!GENERIC_TYPES.has(stated)) return stated
  if (document['schemaVersion'] === 1) return MEDIA_TYPE.DOCKER_SCHEMA1_SIGNED
  return Object.hasOwn(document, 'manifests') ? MEDIA_TYPE.OCI_INDEX : MEDIA_TYPE.OCI_MANIFEST
}
