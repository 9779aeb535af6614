/** Manifest lists and image indexes: made, edited, kept by name, pushed with their members. */
export {
  type ImageAddition,
  type ListAddition,
  locationOf,
  type OpenLocation,
  readImage,
  type ReadImageOptions,
  selectMembers,
} from './additions.ts'
export {
  type Artifact,
  type ArtifactAddition,
  type ArtifactBlob,
  type ArtifactOptions,
  ArtifactSource,
  readArtifact,
} from './artifact.ts'
export { type CompositeOptions, type CompositeParts, CompositeSource, type Selection } from './composite-source.ts'
export { type LayerCompression, ZSTD_ANNOTATION } from './compression-variants.ts'
export type { ListFormat } from './convert-member.ts'
export { editList, lockList } from './edit-list.ts'
export { LIST_DOCUMENTS } from './list-documents.ts'
export { inspectList } from './list-inspection.ts'
export { type ListContents, type ListLoss, type ListType } from './list-json.ts'
export { type ListFromBytesOptions, ListModel } from './list-model.ts'
export { destinationOfName, findList, normalizeListName } from './list-names.ts'
export { type ListReferenceOptions, type LoadedList, ManifestList, type SaveListOptions } from './manifest-list.ts'
export { type PlatformClash, platformClashes, warnOfClashes } from './platform-clashes.ts'
export {
  type FoundSignature,
  type PushedMember,
  type PushListOptions,
  type PushListReport,
  pushList,
  type PushSigner,
  type SignatureCarrier,
  type SourceFilter,
} from './push.ts'
export { type RetryPushOptions } from './retry.ts'
