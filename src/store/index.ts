/** The local store: content, image records, lists, leases, collection. */
export type { CheckStoreOptions, StoreCheck, StoreProblem } from './check-store.ts'
export type { CollectionReport, ContentSharing } from './context.ts'
export { type FieldReader, type Filter, labelField, parseFilters, quoteForFilter } from './filter/index.ts'
export type {
  DeleteImageOptions,
  ImageRecord,
  ImageStore,
  ImageStoreOptions,
  NewImage,
  PutImageOptions,
} from './images.ts'
export {
  type DeleteLeaseOptions,
  EXPIRE_LABEL,
  FLAT_LABEL,
  type Lease,
  type LeaseManager,
  type LeaseOptions,
  type LeaseResource,
  type NewLease,
} from './leases.ts'
export {
  type ListItems,
  type ListRecord,
  type ListState,
  type ListStore,
  type ListStoreOptions,
  MemoryListStore,
  type NewList,
} from './lists/index.ts'
export type { Namespace, Namespaces } from './namespaces.ts'
export { UNCOMPRESSED_LABEL } from './schema.ts'
export {
  type CollectOptions,
  DEFAULT_NAMESPACE,
  type LeasedNamespace,
  type OpenStoreOptions,
  Store,
  StoreNamespace,
} from './store.ts'
export { openWriterPatiently, writeBlob, type WriteBlobOptions, type WrittenBlob } from './write-blob.ts'
