import type { DeltaSet, DiffahArchive } from '../delta/index.ts'
import { hasErrorCode, isTareError } from '../errors/index.ts'
import type { IncrementalArchive } from '../incremental/index.ts'
import type { VerifiedSignature } from '../sign/index.ts'
import type {
  ImageSource,
  LayoutReference,
  ManifestContent,
  NamedFiles,
  OpenContext,
  TransportReference,
} from '../transport/index.ts'
import { checkIsDelta } from './delta-input.ts'
import type { Verification } from './verification-policy.ts'

/** A file that holds a layout. */
export interface ArchiveFiles {
  readonly reference: LayoutReference
  readonly files: NamedFiles
}

/** An archive of deltas that was opened; nothing of it is parsed before it is read. */
export type OpenedArchive =
  | {
      readonly format: 'tare'
      readonly reference: TransportReference
      readonly source: ImageSource
      /** Of an archive as a whole, no image of it being picked. */
      readonly whole?: ArchiveFiles | undefined
    }
  | { readonly format: 'diffah'; readonly path: string; readonly archive: DiffahArchive }

/** A delta or bundle, and who signed it where that was asked. */
export interface OpenedDeltas {
  readonly set: DeltaSet
  readonly signature?: VerifiedSignature | undefined
}

/** What images are made of. */
export type OpenedAppliable =
  | ({ readonly kind: 'delta' } & OpenedDeltas)
  | { readonly kind: 'incremental'; readonly archive: IncrementalArchive; readonly signature?: undefined }

/** What a subject turned out to be. */
export type OpenedSubject =
  | { readonly kind: 'image'; readonly source: ImageSource; readonly signature?: VerifiedSignature | undefined }
  | OpenedAppliable

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
 * Opens what may be an image, a delta or an archive that leaves layers out; a bare path is none of the first. It is held
 * by `resources`.
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
  try {
    return await readOpened(archive, verified, context)
  } catch (error) {
    if (mustBeDelta || archive.format === 'diffah' || !hasErrorCode(error, 'NOT_A_DELTA')) throw error
    return { kind: 'image', source: archive.source, signature: verified?.signature }
  }
}

/**
 * Opens what `tare apply` can make images of: a delta, a bundle or an archive that leaves layers out. It is held by
 * `resources`.
 *
 * @param verification - as for {@link openDeltas}
 * @throws {TareError} as {@link openDeltas}
 */
export async function openAppliable(
  text: string,
  context: OpenContext,
  resources: AsyncDisposableStack,
  verification?: Verification,
): Promise<OpenedAppliable> {
  const archive = await openArchive(text, context, resources)
  return readOpened(archive, await verifyArchive(archive, verification, context), context)
}

async function readOpened(
  archive: OpenedArchive,
  verified: VerifiedArchive | undefined,
  context: OpenContext,
): Promise<OpenedAppliable> {
  const incremental = verified === undefined ? await incrementalIn(archive, context) : undefined
  if (incremental !== undefined) return { kind: 'incremental', archive: incremental }
  return { kind: 'delta', set: await readArchive(archive, verified?.content, context), signature: verified?.signature }
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
  return { format: 'tare', reference, source: archiveSourceIn(reference, files), whole: { reference, files } }
}

/** The archive as one of images whose layers need not be there, if it says that it is one. */
async function incrementalIn(opened: OpenedArchive, context: OpenContext): Promise<IncrementalArchive | undefined> {
  if (opened.format === 'diffah' || opened.whole === undefined) return undefined
  const { reference, files } = opened.whole
  const [{ IncrementalArchive: Archive, isIncrementalIndex }, { LayoutImages }] = await Promise.all([
    import('../incremental/index.ts'),
    import('../transport/index.ts'),
  ])
  try {
    if (!isIncrementalIndex((await LayoutImages.in(reference, files)).index)) return undefined
  } catch (error) {
    // Whoever reads it as what it is tells what is wrong with it.
    if (!isTareError(error)) throw error
    return undefined
  }
  return Archive.open(reference, { ...context, files })
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

/** The deltas in an archive. @throws {TareError} `NOT_A_DELTA`, … */
export async function readArchive(
  archive: OpenedArchive,
  content: ManifestContent | undefined,
  context: OpenContext,
): Promise<DeltaSet> {
  if (archive.format === 'diffah') return archive.archive.read(context)
  const { readDeltas } = await import('../delta/index.ts')
  return readDeltas(archive.source, context, content)
}
