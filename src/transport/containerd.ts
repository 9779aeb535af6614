import { ContainerdEngine } from '../engine/index.ts'
import { TareError } from '../errors/index.ts'
import { type ContainerdReference, DEFAULT_CONTAINERD_NAMESPACE, formatContainerd } from './engine-reference.ts'
import type { ContainerdTransportOptions } from './engine-options.ts'
import { RecordDestination, type RecordPlace, RecordSource } from './record-image.ts'
import type { ImageDestination, ImageSource } from './transport.ts'

/**
 * Opens `containerd:[NAMESPACE/]NAME[@DIGEST]` for reading: blobs as they were pulled, any part of them. With a digest
 * that content is read, whatever the name points at. Of an index of which containerd has one platform, that is read.
 *
 * @throws {TareError} `ENGINE_UNREACHABLE`, `ENGINE_PROTOCOL`
 */
export async function openContainerdSource(
  reference: ContainerdReference,
  options: ContainerdTransportOptions = {},
): Promise<ImageSource> {
  return new RecordSource(formatContainerd(reference), reference, await openPlace(reference, options))
}

/**
 * Opens `containerd:[NAMESPACE/]NAME` for writing. A lease keeps what is written until the commit makes the record, or
 * moves it. Nothing is unpacked: whoever runs the image does that.
 *
 * @throws {TareError} `ENGINE_UNREACHABLE`, `ENGINE_PROTOCOL`, `INVALID_REFERENCE`
 */
export async function openContainerdDestination(
  reference: ContainerdReference,
  options: ContainerdTransportOptions = {},
): Promise<ImageDestination> {
  const text = formatContainerd(reference)
  if (reference.name === '') {
    throw new TareError('INVALID_REFERENCE', `destination ${text} has no name`, { hint: 'Write containerd:NAME[:TAG]' })
  }
  return new RecordDestination(text, reference, await openPlace(reference, options))
}

async function openPlace(reference: ContainerdReference, options: ContainerdTransportOptions): Promise<RecordPlace> {
  const { containerd = {} } = options
  const engine = await ContainerdEngine.connect(containerd, options)
  const name = reference.namespace ?? containerd.namespace ?? DEFAULT_CONTAINERD_NAMESPACE
  return {
    namespace: engine.namespace(name),
    subject: `namespace ${name} of ${engine.subject}`,
    resources: engine,
  }
}
