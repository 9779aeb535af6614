/** The OCI model as pure data: no I/O, no Node built-ins, works in a browser. */
export { type Annotations, bareDescriptor, type Descriptor } from './descriptor.ts'
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
export type { ImageIndex, Manifest } from './manifest.ts'
export * from './media-type.ts'
export {
  formatPlatform,
  isAttestationPlatform,
  matchPlatform,
  normalizePlatform,
  type Platform,
  parsePlatform,
  rankPlatforms,
  selectPlatform,
} from './platform.ts'
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
