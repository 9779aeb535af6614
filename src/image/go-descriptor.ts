import type { Descriptor, Platform } from '../oci/index.ts'
import { formatJson, formatJsonMap, joinMembers } from './json-text.ts'

/** The text of a descriptor, as containerd writes it. */
export function formatDescriptor(descriptor: Descriptor): string {
  const { mediaType, digest, size, urls, annotations, data, platform, artifactType } = descriptor
  return joinMembers([
    ['mediaType', mediaType === '' ? undefined : formatJson(mediaType)],
    ['digest', formatJson(digest)],
    ['size', formatJson(size)],
    ['urls', (urls ?? []).length === 0 ? undefined : formatJson(urls)],
    ['annotations', Object.keys(annotations ?? {}).length === 0 ? undefined : formatJsonMap(annotations ?? {})],
    ['data', data === undefined || data === '' ? undefined : formatJson(data)],
    ['platform', platform === undefined ? undefined : formatGoPlatform(platform)],
    ['artifactType', artifactType === undefined ? undefined : formatJson(artifactType)],
  ])
}

/** The text of a platform, as containerd writes it; Docker's `features` go last. */
function formatGoPlatform(platform: Platform): string {
  const { os, architecture, variant, 'os.version': version, 'os.features': osFeatures, features } = platform
  const optional = (value: string | readonly string[] | undefined): string | undefined =>
    value === undefined || value.length === 0 ? undefined : formatJson(value)
  return joinMembers([
    ['architecture', formatJson(architecture)],
    ['os', formatJson(os)],
    ['os.version', optional(version)],
    ['os.features', optional(osFeatures)],
    ['variant', optional(variant)],
    ['features', optional(features)],
  ])
}
