import type { Platform } from '../oci/index.ts'
import type { OpenContext } from '../transport/index.ts'
import { reportFields } from './render/report-fields.ts'
import type { Run, VerbResult } from './run.ts'

/** What of the subject is wanted. */
export interface InspectRequest {
  readonly form: 'raw' | 'config' | 'report'
  readonly platforms: readonly Platform[]
}

/** A prefix that stands before images; a bare path is a delta file. */
const IMAGE_PREFIX = /^[a-z][a-z0-9+-]+:/

/** Looks into an image or a delta file. */
export async function inspectSubject(
  subject: string,
  run: Run,
  context: OpenContext,
  { form, platforms }: InspectRequest,
): Promise<VerbResult> {
  const { signal, logger, onProgress, settings } = run
  const options = { platforms, workdir: settings.workdir, signal, logger, onProgress }
  if (form === 'report' && !IMAGE_PREFIX.test(subject)) {
    const { inspectDelta } = await import('../delta/index.ts')
    const report = await inspectDelta(subject, options)
    return { kind: 'answer', report, text: reportFields(report) }
  }
  const [{ inspectImage, readImageConfig, readRawManifest }, { openSource }] = await Promise.all([
    import('../image/index.ts'),
    import('../transport/index.ts'),
  ])
  await using source = await openSource(subject, context)
  switch (form) {
    case 'raw':
      return { kind: 'bytes', bytes: await readRawManifest(source, options) }
    case 'config':
      return { kind: 'bytes', bytes: await readImageConfig(source, options) }
    case 'report': {
      const report = await inspectImage(source, options)
      return { kind: 'answer', report, text: reportFields(report) }
    }
  }
}
