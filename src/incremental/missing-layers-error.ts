import { TareError } from '../errors/index.ts'
import type { Digest } from '../oci/index.ts'

/** A layer that an archive leaves out and the target has nowhere. */
export interface MissingLayer {
  readonly digest: Digest
  readonly mediaType: string
  readonly sizeBytes: number
  /** Where it was looked for: a repository, or another destination. */
  readonly destination: string
  /** Names, or digests, of the images it belongs to, each with the platform of the manifest that names the layer. */
  readonly images: readonly { readonly image: string; readonly platform?: string | undefined }[]
}

/**
 * Layers that an incremental archive leaves out are not where it is pushed; all of them are told at once, and nothing was
 * made visible. Code `TARGET_LACKS_BLOB`.
 */
export class MissingLayersError extends TareError {
  override readonly name = 'MissingLayersError'
  readonly missing: readonly MissingLayer[]

  /** @param archive - the archive's reference */
  constructor(archive: string, missing: readonly MissingLayer[], hint: string) {
    const places = [...new Set(missing.map((layer) => layer.destination))]
    const layers = missing.map(({ digest, images }) => `${digest} (${images.map(imageText).join(', ')})`)
    super(
      'TARGET_LACKS_BLOB',
      `${places.join(', ')} ${places.length === 1 ? 'lacks' : 'lack'} ${missing.length === 1 ? 'a layer' : `${missing.length} layers`} that ${archive} leaves out: ${layers.join(', ')}`,
      { hint },
    )
    this.missing = missing
  }
}

function imageText({ image, platform }: MissingLayer['images'][number]): string {
  return platform === undefined ? image : `${image} ${platform}`
}
