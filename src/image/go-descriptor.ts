import { type Descriptor, formatGoJson, goAnnotations, type GoJson, goPlatform } from '../oci/index.ts'

/** The text of a descriptor, as containerd writes it: Docker's `features` go last in a platform. */
export function formatDescriptor(descriptor: Descriptor): string {
  const { mediaType, digest, size, urls, annotations, data, platform, artifactType } = descriptor
  return formatGoJson({
    mediaType: mediaType || undefined,
    digest,
    size,
    urls: nonEmpty(urls),
    annotations: goAnnotations(annotations),
    data: data || undefined,
    platform: platform === undefined ? undefined : { ...goPlatform(platform), features: nonEmpty(platform.features) },
    artifactType,
  })
}

function nonEmpty(texts: readonly string[] | undefined): GoJson | undefined {
  return texts === undefined || texts.length === 0 ? undefined : texts
}
