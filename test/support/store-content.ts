import type { ContentProvider, ContentStore, Descriptor, Digest, Labels } from '../../src/oci/index.ts'
import { hasErrorCode } from '../../src/errors/index.ts'
import { digestOf, readAllBytes } from '../../src/stream/index.ts'
import { Store, type OpenStoreOptions } from '../../src/store/index.ts'
import { type TemporaryDirectory, temporaryDirectory } from './temporary-directory.ts'

/** A store in a directory of its own, which goes with it. */
export interface TemporaryStore extends AsyncDisposable {
  readonly store: Store
  readonly directory: TemporaryDirectory
}

export async function temporaryStore(options: OpenStoreOptions = {}): Promise<TemporaryStore> {
  const directory = await temporaryDirectory()
  const store = await Store.open(directory.join('store'), options)
  return {
    store,
    directory,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]()
      await directory[Symbol.asyncDispose]()
    },
  }
}

/** Puts bytes into a content store. @returns their descriptor */
export async function putContent(
  content: ContentStore,
  bytes: Uint8Array | string,
  options: { readonly mediaType?: string; readonly labels?: Labels } = {},
): Promise<Descriptor> {
  const chunk = Buffer.from(bytes)
  const descriptor = {
    mediaType: options.mediaType ?? 'application/octet-stream',
    digest: digestOf(chunk),
    size: chunk.length,
  }
  try {
    await using writer = await content.openWriter(`test-${descriptor.digest}`, { expected: descriptor })
    if (writer.status().offsetBytes === 0) await writer.write(chunk)
    await writer.commit({ labels: options.labels })
  } catch (error) {
    if (!hasErrorCode(error, 'ALREADY_EXISTS')) throw error
  }
  return descriptor
}

/** All bytes of a blob, as text. */
export async function contentText(provider: ContentProvider, digest: Digest): Promise<string> {
  await using reader = await provider.openReader({ digest })
  return Buffer.from(await readAllBytes(reader.read(), 1_000_000, 'blob')).toString()
}

/** Digests of all blobs. */
export async function digestsIn(content: ContentStore): Promise<readonly Digest[]> {
  const digests: Digest[] = []
  for await (const { digest } of content.list()) digests.push(digest)
  return digests
}
