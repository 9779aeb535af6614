/** Transports: from a reference to where an image is read or written; and the files of archives. */
export { isArchivePresent, STANDARD_STREAM } from './archive-input.ts'
export { archiveOutput, type ArchiveOutputOptions } from './archive-output.ts'
export { checkReplaceable, makeDirectories } from './directory.ts'
export { type HeldLock, withFileLock } from './file-lock.ts'
export { layoutBlobPath } from './layout-source.ts'
export { type NamedFiles, readNamedFile } from './named-files.ts'
export { isSignatureEntry, MAX_INDEX_BYTES } from './layout-index.ts'
export { entryName, LayoutImages } from './layout-images.ts'
export { type ArchivePutOutcome, OciArchiveWriter } from './oci-archive-writer.ts'
export { type OpenContext, openDestination, openSource, parseReferenceOnDisk } from './open.ts'
export {
  type LayeredImage,
  type LocalPlace,
  type LocalPlaceKind,
  type LocalRecords,
  openLocalPlace,
} from './local-place.ts'
export { archiveSourceIn } from './oci-archive.ts'
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
  likelyPrefixOfText,
  type ParseTransportOptions,
  parseTransportReference,
  type StoreReference,
  type TransportName,
  type TransportReference,
} from './reference-text.ts'
export { TarArchive, type TarArchiveOptions } from './tar-archive.ts'
export { type TarRegion, TarWriter } from './tar-writer.ts'
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
  type OpenPlainLayerOptions,
  type PutBlobOptions,
  type PutOutcome,
  type RepositoryName,
} from './transport.ts'
