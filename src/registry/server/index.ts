/** A container registry to run in one's own process. */
export {
  type Access,
  type Authorization,
  type Authorize,
  basicAuthorization,
  bearerAuthorization,
  type Challenge,
  type RegistryRequest,
} from './authorization.ts'
export { FileRegistryStorage } from './file-storage.ts'
export { MemoryRegistryStorage, type MemoryRegistryStorageOptions } from './memory-storage.ts'
export { type RegistryOptions, type RequestHook, type RunningRegistry, startRegistry } from './registry-server.ts'
export type { Route } from './route.ts'
export type { RegistryStorage, StoredManifest } from './storage.ts'
