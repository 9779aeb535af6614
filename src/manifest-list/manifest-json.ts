import { type Descriptor, encodeGoJson, type GoJson, type Manifest, MEDIA_TYPE } from '../oci/index.ts'
import { annotationMap, ociDescriptor } from './list-json.ts'

/**
 * Writes a manifest byte for byte as containers' tools do, in the format of its media type. What Docker's manifests have
 * no place for (annotations, a subject, an artifact type) is left out of them.
 */
export function encodeManifest(manifest: Manifest): Uint8Array {
  const { mediaType, artifactType, config, layers, subject, annotations } = manifest
  if (mediaType === MEDIA_TYPE.DOCKER_MANIFEST) {
    return encodeGoJson({
      schemaVersion: 2,
      mediaType,
      config: dockerDescriptor(config),
      layers: layers.map(dockerDescriptor),
    })
  }
  return encodeGoJson({
    schemaVersion: 2,
    mediaType,
    artifactType,
    config: ociDescriptor(config),
    layers: layers.map(ociDescriptor),
    subject: subject === undefined ? undefined : ociDescriptor(subject),
    annotations: annotationMap(annotations),
  })
}

function dockerDescriptor({ mediaType, size, digest, urls = [] }: Descriptor): GoJson {
  return { mediaType, size, digest, urls: urls.length === 0 ? undefined : urls }
}
