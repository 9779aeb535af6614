import type { Annotations, Descriptor } from './descriptor.ts'
import { encodeGoJson, type GoJson } from './go-json.ts'
import type { ImageIndex, Manifest } from './manifest.ts'
import { MEDIA_TYPE } from './media-type.ts'
import type { Platform } from './platform.ts'

/** What {@link encodeOciManifest} writes; one without a media type does not state any. */
export type OciManifestFields = Pick<Manifest, 'config' | 'layers' | 'artifactType' | 'subject' | 'annotations'> & {
  readonly mediaType?: string | undefined
}

/** What {@link encodeOciIndex} writes; `null` stands in place of an empty list of members. */
export type OciIndexFields = Pick<ImageIndex, 'artifactType' | 'subject' | 'annotations'> & {
  readonly manifests: readonly Descriptor[] | null
}

/**
 * Writes an OCI manifest byte for byte as containers' tools do: fields in the order of Go's types, nothing empty that may
 * be left out.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/specs-go/v1/manifest.go
 */
export function encodeOciManifest(manifest: OciManifestFields): Uint8Array {
  const { mediaType, artifactType, config, layers, subject, annotations } = manifest
  return encodeGoJson({
    schemaVersion: 2,
    mediaType,
    artifactType: artifactType || undefined,
    config: goDescriptor(config),
    layers: layers.map(goDescriptor),
    subject: subject === undefined ? undefined : goDescriptor(subject),
    annotations: goAnnotations(annotations),
  })
}

/**
 * Writes an OCI index as {@link encodeOciManifest} writes a manifest.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.1/specs-go/v1/index.go
 */
export function encodeOciIndex({ artifactType, manifests, subject, annotations }: OciIndexFields): Uint8Array {
  return encodeGoJson({
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.OCI_INDEX,
    artifactType: artifactType || undefined,
    manifests: manifests === null ? null : manifests.map(goDescriptor),
    subject: subject === undefined ? undefined : goDescriptor(subject),
    annotations: goAnnotations(annotations),
  })
}

function goDescriptor(descriptor: Descriptor): GoJson {
  const { mediaType, digest, size, urls, annotations, data, platform, artifactType } = descriptor
  return {
    mediaType,
    digest,
    size,
    urls: nonEmpty(urls),
    annotations: goAnnotations(annotations),
    data: data || undefined,
    platform: platform === undefined ? undefined : goPlatform(platform),
    artifactType: artifactType || undefined,
  }
}

/** A platform as Go's OCI type is written; Docker's `features` are unknown to that. */
export function goPlatform(platform: Platform): { readonly [name: string]: GoJson | undefined } {
  return {
    architecture: platform.architecture,
    os: platform.os,
    'os.version': platform['os.version'] || undefined,
    'os.features': nonEmpty(platform['os.features']),
    variant: platform.variant || undefined,
  }
}

/** Annotations as Go writes them, sorted by their keys; undefined where there are none. */
export function goAnnotations(annotations: Annotations | undefined): GoJson | undefined {
  const entries = Object.entries(annotations ?? {})
  return entries.length === 0 ? undefined : new Map(entries)
}

function nonEmpty(texts: readonly string[] | undefined): readonly string[] | undefined {
  return texts === undefined || texts.length === 0 ? undefined : texts
}
