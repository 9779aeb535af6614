import { TareError } from '../errors/index.ts'
import type { Descriptor } from '../oci/index.ts'
import { type ByteSource, type OperationOptions, readAllBytes, verified } from '../stream/index.ts'
import { type ImageSource, MAX_MANIFEST_BYTES } from '../transport/index.ts'
import type { Delta } from './delta.ts'

/**
 * What a delta alone can give of its target: manifests, indexes, configs, and layers that it holds whole. Enough to read
 * the target's tree without any baseline.
 */
export function deltaOnly(delta: Delta): ImageSource {
  const { plan, reference } = delta
  const blobs = new Map(plan.blobs.map((blob) => [blob.digest, blob]))
  const openBlob = async ({ digest }: Descriptor, options: OperationOptions = {}): Promise<ByteSource> => {
    const blob = blobs.get(digest)
    if (blob?.from.kind === 'archive') return delta.openHeld(blob, options)
    throw new TareError('BLOB_NOT_FOUND', `the delta of ${delta.name} does not hold ${digest}`)
  }
  const readManifest = async (descriptor: Descriptor, options: OperationOptions = {}): Promise<Uint8Array> => {
    const subject = `manifest ${descriptor.digest}`
    return readAllBytes(verified(await openBlob(descriptor, options), descriptor, subject), MAX_MANIFEST_BYTES, subject)
  }
  return {
    reference,
    layerForm: 'stored',
    resolve: async (options) => ({ descriptor: plan.target, bytes: await readManifest(plan.target, options) }),
    readManifest,
    openBlob,
    async [Symbol.asyncDispose]() {},
  }
}
