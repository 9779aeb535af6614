import { isTareError } from '../errors/index.ts'
import type { ImageSurvey } from '../image/index.ts'
import type { ImageRecord, StoreNamespace } from '../store/index.ts'
import type { Run } from './run.ts'

/** Looks what an image is made of. One that is damaged is told, and does not keep the others from being looked at. */
export async function surveyOrWarn(
  { content }: StoreNamespace,
  { name, target }: ImageRecord,
  { signal, logger }: Run,
): Promise<ImageSurvey | undefined> {
  const { surveyImage } = await import('../image/index.ts')
  signal.throwIfAborted()
  try {
    return await surveyImage(content, target, { signal })
  } catch (error) {
    if (!isTareError(error) || error.category !== 'content') throw error
    logger.warn(`${name}: ${error.message}`)
    return undefined
  }
}
