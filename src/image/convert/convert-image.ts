import type { ImageRecord, StoreNamespace } from '../../store/index.ts'
import type { OperationOptions } from '../../stream/index.ts'
import { TareError } from '../../errors/index.ts'
import { imageConverter, type ImageConverterOptions } from './image-converter.ts'
import type { ContentConverter } from './layer-converters.ts'

/** Options of {@link convertImage}. */
export interface ConvertOptions extends OperationOptions, ImageConverterOptions {
  /** Converts the image's root instead of all that the other options ask for. */
  readonly convert?: ContentConverter | undefined
}

/**
 * Converts an image of a store into another, or in place. The record appears, or moves, at once, when everything else is
 * there; it has the labels of the source. A destination that exists is replaced.
 *
 * @throws {TareError} `NOT_FOUND` for the source, `BLOB_NOT_FOUND` for what it lacks; and as converters do
 */
export async function convertImage(
  namespace: StoreNamespace,
  destination: string,
  source: string,
  options: ConvertOptions = {},
): Promise<ImageRecord> {
  await using leased = await namespace.leased(options)
  const { content, images } = leased.namespace
  const before = await images.get(source, options)
  const convert = options.convert ?? imageConverter(options)
  const target = (await convert(content, before.target, options.signal)) ?? before.target
  const [record] = await images.putAll([{ name: destination, target, labels: before.labels }], {
    signal: options.signal,
    replaceLabels: true,
  })
  if (record === undefined) throw new TareError('INTERNAL', `image ${destination} was put and is not there`)
  return record
}
