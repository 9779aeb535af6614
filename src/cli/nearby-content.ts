import { hasErrorCode, isTareError } from '../errors/index.ts'
import type { ContentProvider } from '../oci/index.ts'
import type { LocalPlace, OpenContext } from '../transport/index.ts'

/**
 * Blobs that are on this machine: of the store, else of containerd where that runs. It is not asked before the store
 * lacks something; where it can't be asked there is nothing of it.
 *
 * @param resources - get the connection
 */
export function nearbyContent(
  store: ContentProvider,
  context: OpenContext,
  resources: AsyncDisposableStack,
): ContentProvider {
  let containerd: Promise<LocalPlace | undefined> | undefined
  const connect = async (): Promise<LocalPlace | undefined> => {
    const { openLocalPlace } = await import('../transport/index.ts')
    try {
      return resources.use(await openLocalPlace('containerd', context))
    } catch (error) {
      context.signal?.throwIfAborted()
      if (!isTareError(error)) throw error
      context.logger?.debug(`no blobs are taken from there: ${error.message}`)
      return undefined
    }
  }
  return {
    async openReader(descriptor, options) {
      try {
        return await store.openReader(descriptor, options)
      } catch (error) {
        if (!hasErrorCode(error, 'BLOB_NOT_FOUND')) throw error
        const place = await (containerd ??= connect())
        if (place?.kind !== 'records') throw error
        return place.records.content.openReader(descriptor, options)
      }
    },
  }
}
