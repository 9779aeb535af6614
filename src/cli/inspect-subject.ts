import { TareError } from '../errors/index.ts'
import type { InspectOptions } from '../image/index.ts'
import { readAllBytes } from '../stream/index.ts'
import type { ImageSource, OpenContext } from '../transport/index.ts'
import { checkIsDelta } from './delta-input.ts'
import { openArchive, openSubject } from './open-deltas.ts'
import { deltaText } from './render/inspect-text.ts'
import { imageText } from './render/image-text.ts'
import type { VerbResult } from './run.ts'

/** What of a subject is wanted. */
export type InspectForm = 'raw' | 'config' | 'report'

/** Configs are small; whatever is larger is no config, and would only fill the terminal. */
const MAX_CONFIG_BYTES = 16 * 1024 * 1024

/** Looks into an image or a delta. @throws {TareError} as {@link openSubject} */
export async function inspectSubject(
  subject: string,
  form: InspectForm,
  context: OpenContext,
  options: InspectOptions,
): Promise<VerbResult> {
  await using resources = new AsyncDisposableStack()
  if (form !== 'report') {
    await checkIsDelta(subject, context)
    const archive = await openArchive(subject, context, resources)
    if (archive.format === 'tare') return { kind: 'bytes', bytes: await bytesOf(archive.source, form, options) }
    if (form === 'raw') return { kind: 'bytes', bytes: archive.archive.sidecarBytes }
    throw new TareError('INVALID_ARGUMENT', `${subject} is an archive of diffah, which has no config of its own`)
  }
  const opened = await openSubject(subject, context, resources)
  if (opened.kind === 'incremental') {
    const [{ inspectIncremental }, { archiveText }] = await Promise.all([
      import('../incremental/index.ts'),
      import('./render/incremental-text.ts'),
    ])
    const report = await inspectIncremental(opened.archive, options)
    return { kind: 'answer', report, text: archiveText(report) }
  }
  if (opened.kind === 'delta') {
    const { inspectDelta } = await import('../delta/index.ts')
    const summary = await inspectDelta(opened.set, options)
    return { kind: 'answer', report: summary, text: deltaText(summary) }
  }
  const { inspectImage } = await import('../image/index.ts')
  const image = await inspectImage(opened.source, options)
  return { kind: 'answer', report: image, text: imageText(image) }
}

async function bytesOf(source: ImageSource, form: 'raw' | 'config', options: InspectOptions): Promise<Uint8Array> {
  if (form === 'config') return readConfig(source, options)
  const { readRawManifest } = await import('../image/index.ts')
  return readRawManifest(source, options)
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
