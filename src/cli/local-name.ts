import { TareError } from '../errors/index.ts'
import type { TransportReference } from '../transport/index.ts'
import { fullName } from './open-store.ts'

/**
 * What an image is called in the store: the name that was given, or that it has where it comes from.
 *
 * @throws {TareError} `INVALID_ARGUMENT` where it has none, `INVALID_REFERENCE`
 */
export async function localName(
  name: string | undefined,
  image: string,
  reference: TransportReference,
): Promise<string> {
  const found = name ?? (await ownName(image, reference))
  if (found !== undefined) return fullName(found)
  throw new TareError('INVALID_ARGUMENT', `${image} does not say what to call it in the store`, {
    hint: 'Give a name after it',
  })
}

async function ownName(image: string, reference: TransportReference): Promise<string | undefined> {
  switch (reference.transport) {
    case 'docker':
      return image.replace(/^docker:\/\//, '')
    case 'store':
    case 'containerd':
      return reference.name === '' ? undefined : reference.name
    case 'docker-daemon': {
      if (typeof reference.image === 'string') return undefined
      const { formatReference } = await import('../oci/index.ts')
      return formatReference(reference.image)
    }
    case 'oci':
    case 'oci-archive':
    case 'docker-archive':
    case 'dir':
      return undefined
  }
}
