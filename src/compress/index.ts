/** Codecs for gzip and Zstandard, and Zstandard patches; the only folder that touches `node:zlib`. */
export { CorruptStreamError } from './corrupt-stream-error.ts'
export { type DecodeOptions, RATIO_FREE_BYTES } from './decode-options.ts'
export {
  type Compression,
  decoderFor,
  decompress,
  type Decompressed,
  detectCompression,
  DETECTION_BYTES,
} from './decompress.ts'
export { gunzip } from './gunzip.ts'
export { type GzipHeader, parseGzipHeader } from './gzip-header.ts'
export { type GzipMember, gzipMembers, type RangeOpener } from './gzip-members.ts'
export { MAX_DICTIONARY_BYTES, PatchDictionary } from './patch-dictionary.ts'
export { unzstd, type UnzstdOptions, zstdFrames } from './unzstd.ts'
export {
  decodeZstdPatch,
  encodeZstdPatch,
  patchEncodingMemoryBytes,
  patchMemoryBytes,
  type ZstdPatchOptions,
  type ZstdPatchTarget,
} from './zstd-patch.ts'
export type { ZstdFrame, ZstdFrameHeader } from './zstd-walker.ts'
export { zstd, type ZstdOptions } from './zstd.ts'
