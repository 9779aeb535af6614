import {
  type Descriptor,
  encodeGoJson,
  encodeOciManifest,
  type GoJson,
  type Manifest,
  MEDIA_TYPE,
} from '../oci/index.ts'

/**
 * Writes a manifest byte for byte as containers' tools do, in the format of its media type. What Docker's manifests have
 * no place for (annotations, a subject, an artifact type) is left out of them.
 */
export function encodeManifest(manifest: Manifest): Uint8Array {
  const { mediaType, config, layers } = manifest
  if (mediaType === MEDIA_TYPE.DOCKER_MANIFEST) {
    return encodeGoJson({
      schemaVersion: 2,
      mediaType,
      config: dockerDescriptor(config),
      layers: layers.map(dockerDescriptor),
    })
  }
  return encodeOciManifest(manifest)
}

function dockerDescriptor({ mediaType, size, digest, urls = [] }: Descriptor): GoJson {
  return { mediaType, size, digest, urls: urls.length === 0 ? undefined : urls }
}
