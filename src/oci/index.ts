/** The OCI model as pure data: no I/O, no Node built-ins, works in a browser. */
export { attestedDigest, isAttestation } from './attestation.ts'
export { type HistoryEntry, historyLayerCount, type ImageConfig, parseImageConfig, platformOfConfig } from './config.ts'
export { type Annotations, bareDescriptor, type Descriptor, parseDescriptor, readDescriptor } from './descriptor.ts'
export type {
  CommitOptions,
  ContentInfo,
  ContentIngester,
  ContentManager,
  ContentOptions,
  ContentProvider,
  ContentRange,
  ContentReader,
  ContentStore,
  ContentWriter,
  IngestStatus,
  Labels,
  WriterOptions,
} from './content.ts'
export {
  type DiffId,
  type Digest,
  type DigestAlgorithm,
  digestAlgorithm,
  digestHex,
  isDigest,
  parseDigest,
  shortDigest,
} from './digest.ts'
export { DocumentNode, readDocument, withoutAbsent } from './document-node.ts'
export {
  encodeOciIndex,
  encodeOciManifest,
  goAnnotations,
  goPlatform,
  type OciIndexFields,
  type OciManifestFields,
} from './go-documents.ts'
export {
  compareGoKeys,
  encodeGoJson,
  escapeGoJson,
  formatGoJson,
  type GoJson,
  type GoJsonOptions,
} from './go-json.ts'
export {
  type ChildLabelMap,
  childGcLabels,
  childGcLabelsWithoutLayers,
  ConcurrencyLimiter,
  type DescriptorHandler,
  dispatch,
  type DispatchOptions,
  filterPlatforms,
  GC_CONTENT_LABEL,
  handleInOrder,
  labelsForChildren,
  limitManifests,
  setChildrenLabels,
  setChildrenMappedLabels,
  SkipDescriptor,
  StopHandling,
  walk,
  walkNotEmpty,
  type WalkOptions,
} from './handlers.ts'
export { isJsonObject, type JsonObject, jsonPath, parseJson } from './json.ts'
export {
  childDescriptors,
  type ImageIndex,
  type Manifest,
  type ManifestDocument,
  manifestMediaType,
  type ParseManifestOptions,
  parseManifestDocument,
} from './manifest.ts'
export {
  ACCEPTED_MANIFEST_TYPES,
  diffCompression,
  IMAGE_NAME_ANNOTATION,
  isConfigType,
  isDockerType,
  isEncryptedLayerType,
  isForeignLayerType,
  isIndexType,
  isKnownConfigType,
  isLayerType,
  isManifestType,
  isSchema1Type,
  isUncompressedLayerType,
  MEDIA_TYPE,
  REF_NAME_ANNOTATION,
  type StatedCompression,
  statedCompression,
} from './media-type.ts'
export { nearestName } from './nearest-name.ts'
export {
  formatPlatform,
  isAttestationPlatform,
  isSamePlatform,
  matchPlatform,
  normalizePlatform,
  type Platform,
  parsePlatform,
  rankPlatforms,
  selectPlatform,
} from './platform.ts'
export {
  ALL_PLATFORMS,
  anyPlatform,
  onlyPlatform,
  onlyPlatformStrict,
  orderedPlatforms,
  parsePlatformSpecifier,
  type PlatformMatcher,
  platformOfHost,
  sortByPlatform,
} from './platform-matcher.ts'
export {
  DEFAULT_REGISTRY,
  DEFAULT_TAG,
  familiarReference,
  formatReference,
  isTag,
  type ParseReferenceOptions,
  parseReference,
  type Reference,
  withDefaultTag,
} from './reference.ts'
export {
  isSchema1Document,
  parseSchema1Manifest,
  type Schema1Layer,
  type Schema1Manifest,
  schema1Payload,
} from './schema1.ts'
