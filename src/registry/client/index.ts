/** A client of container registries. */
export type { UploadBlobOptions } from './blob-upload.ts'
export type { ListReferrersOptions } from './referrers.ts'
export { type ListOptions, RegistryClient, type RegistryClientOptions } from './registry-client.ts'
export {
  type FetchedManifest,
  type ManifestHead,
  type PutManifestResult,
  RepositoryClient,
} from './repository-client.ts'
