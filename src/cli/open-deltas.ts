import type { DeltaSet, DiffahArchive } from '../delta/index.ts'
import { hasErrorCode } from '../errors/index.ts'
import type { VerifiedSignature } from '../sign/index.ts'
import type { ImageSource, ManifestContent, OpenContext, TransportReference } from '../transport/index.ts'
import { checkIsDelta } from './delta-input.ts'
import type { Verification } from './verification-policy.ts'

/** An archive of deltas that was opened; nothing of it is parsed before it is read. */
export type OpenedArchive =
  | { readonly format: 'tare'; readonly reference: TransportReference; readonly source: ImageSource }
  | { readonly format: 'diffah'; readonly path: string; readonly archive: DiffahArchive }

/** A delta or bundle, and who signed it where that was asked. */
export interface OpenedDeltas {
  readonly set: DeltaSet
  readonly signature?: VerifiedSignature | undefined
}

/** What a subject turned out to be. */
export type OpenedSubject =
  | { readonly kind: 'image'; readonly source: ImageSource; readonly signature?: VerifiedSignature | undefined }
  | ({ readonly kind: 'delta' } & OpenedDeltas)

/**
 * Opens a delta or a bundle and reads its plans; what it lies in is held by `resources`.
 *
 * @param verification - whose signature is wanted; it is checked before anything of the delta is parsed
 * @throws {SignatureError} where the signature is missing or not accepted
 * @throws {TareError} `NOT_A_DELTA`, and as `openSource` does
 */
export async function openDeltas(
  text: string,
  context: OpenContext,
  resources: AsyncDisposableStack,
  verification?: Verification,
): Promise<OpenedDeltas> {
  const archive = await openArchive(text, context, resources)
  const verified = await verifyArchive(archive, verification, context)
  return { set: await readArchive(archive, verified?.content, context), signature: verified?.signature }
}

/**
 * Opens what may be an image or a delta; a bare path has to be a delta. It is held by `resources`.
 *
 * @param verification - as for {@link openDeltas}
 * @throws {TareError} `FILE_NOT_FOUND`, `INVALID_ARCHIVE` for a bare path where no file lies, with the image that may be
 * meant; `NOT_A_DELTA` for one where something else lies
 */
export async function openSubject(
  subject: string,
  context: OpenContext,
  resources: AsyncDisposableStack,
  verification?: Verification,
): Promise<OpenedSubject> {
  const { hasTransportPrefix } = await import('../transport/index.ts')
  const mustBeDelta = !hasTransportPrefix(subject)
  if (mustBeDelta) await checkIsDelta(subject, context)
  const archive = await openArchive(subject, context, resources)
  const verified = await verifyArchive(archive, verification, context)
  const signature = verified?.signature
  try {
    return { kind: 'delta', set: await readArchive(archive, verified?.content, context), signature }
  } catch (error) {
    if (mustBeDelta || archive.format === 'diffah' || !hasErrorCode(error, 'NOT_A_DELTA')) throw error
    return { kind: 'image', source: archive.source, signature }
  }
}

/** Opens a delta of any format, or an image; what it lies in is held by `resources`. */
export async function openArchive(
  text: string,
  context: OpenContext,
  resources: AsyncDisposableStack,
): Promise<OpenedArchive> {
  const { archiveSourceIn, hasTransportPrefix, openSource, parseReferenceOnDisk, TarArchive } = await import(
    '../transport/index.ts'
  )
  const reference = hasTransportPrefix(text)
    ? await parseReferenceOnDisk(text)
    : ({ transport: 'oci-archive', path: text } as const)
  if (reference.transport !== 'oci-archive' || reference.pick !== undefined) {
    return { format: 'tare', reference, source: resources.use(await openSource(reference, context)) }
  }
  // Opened once, whatever it turns out to be: standard input can't be read again.
  const { path } = reference
  const files = resources.use(await TarArchive.open(path, { ...context, otherwise: `oci:${path}` }))
  const { diffahArchiveIn } = await import('../delta/index.ts')
  const archive = await diffahArchiveIn(path, files)
  if (archive !== undefined) return { format: 'diffah', path, archive }
  return { format: 'tare', reference, source: archiveSourceIn(reference, files) }
}

/** What was verified, to be read and nothing else: a tag may move, and a file be replaced, in the meantime. */
interface VerifiedArchive {
  readonly signature: VerifiedSignature
  readonly content?: ManifestContent | undefined
}

async function verifyArchive(
  archive: OpenedArchive,
  verification: Verification | undefined,
  { signal, logger }: OpenContext,
): Promise<VerifiedArchive | undefined> {
  if (verification === undefined) return undefined
  const { policy, signatureFile } = verification
  const { verifyDiffahArchive, verifySource } = await import('../sign/index.ts')
  if (archive.format === 'diffah') {
    const places = signatureFile === undefined ? {} : { signatureFile }
    return { signature: await verifyDiffahArchive(archive.path, archive.archive.sidecarBytes, policy, places) }
  }
  const path = 'path' in archive.reference ? archive.reference.path : undefined
  return verifySource(archive.source, policy, { signatureFile, path, signal, logger })
}

async function readArchive(
  archive: OpenedArchive,
  content: ManifestContent | undefined,
  context: OpenContext,
): Promise<DeltaSet> {
  if (archive.format === 'diffah') return archive.archive.read(context)
  const { readDeltas } = await import('../delta/index.ts')
  return readDeltas(archive.source, context, content)
}
