import { hasErrorCode, TareError } from '../errors/index.ts'
import type { InspectOptions } from '../image/index.ts'
import { readAllBytes } from '../stream/index.ts'
import type { ImageSource, OpenContext } from '../transport/index.ts'
import { checkIsDelta } from './delta-input.ts'
import { openDelta } from './delta-tools.ts'
import { deltaText } from './render/delta-text.ts'
import { imageText } from './render/image-text.ts'
import type { VerbResult } from './run.ts'

/** What of a subject is wanted. */
export type InspectForm = 'raw' | 'config' | 'report'

/** Configs are small; whatever is larger is no config, and would only fill the terminal. */
const MAX_CONFIG_BYTES = 16 * 1024 * 1024

/**
 * Looks into an image or a delta.
 *
 * @throws {TareError} `FILE_NOT_FOUND`, `INVALID_ARCHIVE` for a bare path where no file lies, with the image that may be
 * meant
 */
export async function inspectSubject(
  subject: string,
  form: InspectForm,
  context: OpenContext,
  options: InspectOptions,
): Promise<VerbResult> {
  const { hasTransportPrefix } = await import('../transport/index.ts')
  await checkIsDelta(subject, context)
  await using source = await openDelta(subject, context)
  switch (form) {
    case 'raw': {
      const { readRawManifest } = await import('../image/index.ts')
      return { kind: 'bytes', bytes: await readRawManifest(source, options) }
    }
    case 'config':
      return { kind: 'bytes', bytes: await readConfig(source, options) }
    case 'report':
      // Awaited here: the source is closed when this function returns.
      return await report(source, !hasTransportPrefix(subject), options)
  }
}

/** A delta tells more when it is read as one, wherever it lies. */
async function report(source: ImageSource, mustBeDelta: boolean, options: InspectOptions): Promise<VerbResult> {
  const [{ inspectDelta }, { inspectImage }] = await Promise.all([
    import('../delta/index.ts'),
    import('../image/index.ts'),
  ])
  try {
    const summary = await inspectDelta(source, options)
    return { kind: 'answer', report: summary, text: deltaText(summary) }
  } catch (error) {
    if (mustBeDelta || !hasErrorCode(error, 'NOT_A_DELTA')) throw error
  }
  const image = await inspectImage(source, options)
  return { kind: 'answer', report: image, text: imageText(image) }
}

async function readConfig(source: ImageSource, options: InspectOptions): Promise<Uint8Array> {
  const [{ platformHint, readNarrowed }, { openVerifiedBlob }] = await Promise.all([
    import('../image/index.ts'),
    import('../transport/index.ts'),
  ])
  const { root } = (await readNarrowed(source, options)).tree
  if (root.kind === 'index') {
    throw new TareError('PLATFORM_REQUIRED', `${source.reference} is an index, which has no config of its own`, {
      hint: platformHint(root),
    })
  }
  const { config } = root.document
  return readAllBytes(openVerifiedBlob(source, config, 'source', options), MAX_CONFIG_BYTES, `config ${config.digest}`)
}
