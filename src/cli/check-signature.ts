import type { VerifiedSignature } from '../sign/index.ts'
import type { ImageSource } from '../transport/index.ts'
import type { Run } from './run.ts'
import type { VerifyOptionValues } from './signature-options.ts'
import { verificationPolicy } from './verification-policy.ts'

/**
 * Verifies what a source points at, if the options ask for it: before anything else of it is read.
 *
 * @param text - what the user called it: a reference, or the bare path of a delta file
 * @returns undefined where no signature is asked for
 * @throws {TareError} what `verificationPolicy` and `verifySource` throw
 */
export async function checkSignature(
  run: Run,
  values: VerifyOptionValues,
  source: ImageSource,
  text: string,
): Promise<VerifiedSignature | undefined> {
  const policy = await verificationPolicy(run, values)
  if (policy === undefined) return undefined
  const { verifySource } = await import('../sign/index.ts')
  const { signal, logger } = run
  const places = { signatureFile: values.signature, path: await pathOf(text), signal, logger }
  return (await verifySource(source, policy, places)).signature
}

/** The file or directory that a reference reads; undefined for a registry. */
async function pathOf(text: string): Promise<string | undefined> {
  const { hasTransportPrefix, parseReferenceOnDisk } = await import('../transport/index.ts')
  if (!hasTransportPrefix(text)) return text
  const reference = await parseReferenceOnDisk(text)
  return reference.transport === 'docker' ? undefined : reference.path
}
