import { MEDIA_TYPE } from '../../oci/index.ts'

/** What a list is, in two words: `OCI index`, `Docker list`; other media types as they are. */
export function shortMediaType(mediaType: string): string {
  if (mediaType === MEDIA_TYPE.OCI_INDEX) return 'OCI index'
  return mediaType === MEDIA_TYPE.DOCKER_LIST ? 'Docker list' : mediaType
}
