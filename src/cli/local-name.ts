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
  if (name !== undefined) return fullName(name)
  switch (reference.transport) {
    case 'docker':
      return fullName(image.replace(/^docker:\/\//, ''))
    case 'store':
    case 'containerd':
      if (reference.name !== '') return fullName(reference.name)
      break
    case 'docker-daemon':
      if (typeof reference.image !== 'string') {
        const { formatReference } = await import('../oci/index.ts')
        return fullName(formatReference(reference.image))
      }
  }
  throw new TareError('INVALID_ARGUMENT', `${image} does not say what to call it in the store`, {
    hint: 'Give a name after it',
  })
}
