/** Byte sources: bounded, verified, abortable; files that appear whole or not at all. */
export {
  abortable,
  type ByteInput,
  type ByteSource,
  bytesSource,
  counted,
  exactly,
  readAllBytes,
  sliceSource,
  toByteSource,
} from './byte-source.ts'
export { type ByteFile, type ByteFileReader, DiskFile } from './byte-file.ts'
export { ByteParser, ByteWriter } from './byte-format.ts'
export { ByteReader } from './byte-reader.ts'
export {
  AtomicFile,
  type FileRange,
  type OutputFile,
  readFileRange,
  readHandleRange,
  syncDirectory,
  writeAt,
  writeFileAtomically,
} from './file.ts'
export { JoinedFile } from './joined-file.ts'
export { mapLimited, mapOrdered, Mutex } from './map-limited.ts'
export { type Logger, type OperationOptions, type ProgressEvent, SILENT_LOGGER } from './operation-options.ts'
export { removeParts, ResumableFile } from './resumable-file.ts'
export { SpoolDirectory, type SpoolFile } from './spool.ts'
export {
  isProcessGone,
  removeAbandoned,
  TEMPORARY_TOKEN_PATTERN,
  temporaryName,
  tokenOfTemporary,
} from './temporary-name.ts'
export { teeSource } from './tee.ts'
export { Digester, digesting, digestOf, type ExpectedContent, verified, verifyBytes } from './verified.ts'
