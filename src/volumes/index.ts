/** Files that lie in several volumes, each with a checksum: written as such, and read as one. */
export { openVolumes } from './open-volumes.ts'
export { splitVolumePath, volumePath } from './volume-names.ts'
export { findVolumes, type Volume, type VolumeSet } from './volume-set.ts'
export { VolumeWriter } from './volume-writer.ts'
