/** Transports: from a reference to where an image is read or written. */
export { type OpenContext, openDestination, openSource, parseReferenceOnDisk } from './open.ts'
export type { DockerEngineOptions } from '../engine/index.ts'
export { openVerifiedBlob } from './open-verified.ts'
export type { ContainerdPlaceOptions } from './engine-options.ts'
export type { ContainerdReference, DockerDaemonReference } from './engine-reference.ts'
export type { RecordName } from './record-name.ts'
export {
  type DirectoryReference,
  type DockerArchiveReference,
  type DockerReference,
  formatTransportReference,
  hasTransportPrefix,
  type ImagePick,
  type LayoutReference,
  type ParseTransportOptions,
  parseTransportReference,
  type StoreReference,
  type TransportName,
  type TransportReference,
} from './reference-text.ts'
export {
  type BlobOpener,
  type CommitResult,
  type DestinationContents,
  type ImageDestination,
  type ImageSource,
  type LayerForm,
  MAX_MANIFEST_BYTES,
  type ManifestContent,
  type OpenBlobOptions,
  type PutBlobOptions,
  type PutOutcome,
  type RepositoryName,
} from './transport.ts'
