import { TareError } from '../errors/index.ts'
import { DEFAULT_NAMESPACE, Store } from '../store/index.ts'
import type { OperationOptions } from '../stream/index.ts'
import { RecordDestination, type RecordPlace, RecordSource } from './record-image.ts'
import { formatTransportReference, type StoreReference } from './reference-text.ts'
import type { ImageDestination, ImageSource } from './transport.ts'

/** Where a `store:` reference is looked up. */
export interface StoreTransportOptions extends OperationOptions {
  /** The directory of the store. */
  readonly storeDirectory?: string | undefined
  /** @default 'default' */
  readonly storeNamespace?: string | undefined
}

function requireDirectory(reference: string, { storeDirectory }: StoreTransportOptions): string {
  if (storeDirectory !== undefined) return storeDirectory
  throw new TareError('INVALID_ARGUMENT', `${reference}: no directory is set for the store`, {
    hint: 'Give one with --store, or as storeDirectory',
  })
}

/**
 * Opens `store:NAME[@DIGEST]` for reading. With a digest that content is read, whatever the name points at.
 *
 * @throws {TareError} `FILE_NOT_FOUND` where there is no store; `UNSUPPORTED_FORMAT`, `STORE_DAMAGED`
 */
export async function openStoreSource(
  reference: StoreReference,
  options: StoreTransportOptions = {},
): Promise<ImageSource> {
  const text = formatTransportReference(reference)
  return new RecordSource(text, reference, await openPlace(text, options, { create: false }))
}

/**
 * Opens `store:NAME[@DIGEST]` for writing; the store is made where there is none. A lease keeps what is written from
 * being collected until the commit, which makes the record, or moves it, at once. A digest in the reference has to be
 * that of the image.
 *
 * @throws {TareError} `UNSUPPORTED_FORMAT`, `STORE_DAMAGED`, `FILE_ACCESS`, `DISK_FULL`
 */
export async function openStoreDestination(
  reference: StoreReference,
  options: StoreTransportOptions = {},
): Promise<ImageDestination> {
  const text = formatTransportReference(reference)
  if (reference.name === '') {
    throw new TareError('INVALID_REFERENCE', `destination ${text} has no name`, { hint: 'Write store:NAME[:TAG]' })
  }
  return new RecordDestination(text, reference, await openPlace(text, options, { create: true }))
}

async function openPlace(
  reference: string,
  options: StoreTransportOptions,
  { create }: { readonly create: boolean },
): Promise<RecordPlace> {
  const { storeNamespace = DEFAULT_NAMESPACE, signal } = options
  await using resources = new AsyncDisposableStack()
  const store = resources.use(await Store.open(requireDirectory(reference, options), { create, signal }))
  const namespace = store.namespace(storeNamespace)
  return { namespace, subject: 'the store', resources: resources.move() }
}
