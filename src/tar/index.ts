/** Tar archives, exact to the byte: reading, writing, finding members on disk. */
export { CorruptTarError } from './corrupt-tar-error.ts'
export {
  indexTarFile,
  type IndexTarOptions,
  resolveTarMember,
  type TarFileIndex,
  type TarMember,
} from './index-tar-file.ts'
export {
  readTar,
  type ReadTarOptions,
  tarBytes,
  type TarEntryItem,
  type TarItem,
  type TarTrailerItem,
} from './read-tar.ts'
export { isSafeEntryPath, safeEntryPath } from './safe-path.ts'
export { BLOCK_BYTES, paddingLength, type TarEntry, type TarEntryType } from './tar-entry.ts'
export { TAR_TRAILER, tarHeader, type TarHeaderFields, tarPadding } from './tar-header.ts'
