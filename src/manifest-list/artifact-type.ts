import { isConfigType } from '../oci/index.ts'

/** Whether an entry is of something else than an image; some writers give an image's config type as its artifact type. */
export function isArtifactType(artifactType: string | undefined): boolean {
  return artifactType !== undefined && !isConfigType(artifactType)
}
