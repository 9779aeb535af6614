import { TareError } from '../errors/index.ts'
import type { Descriptor } from '../oci/index.ts'
import { bytesSource, digestOf, writeFileAtomically } from '../stream/index.ts'
import type { ImageSource, OpenContext, TransportReference } from '../transport/index.ts'
import { checkIsDelta } from './delta-input.ts'
import { openArchive, type OpenedArchive } from './open-deltas.ts'
import {
  diffahKey,
  type PreparedSigner,
  signerReport,
  type SignerReport,
  signWith,
  writeSignatureBeside,
} from './prepare-signer.ts'
import { sourceDateEpoch } from './source-date-epoch.ts'
import type { Run } from './run.ts'

/** What was signed, and where the signature went. */
export interface SignReport {
  readonly subject: string
  /** Digest that the signature covers; for a diffah archive that of its canonical `diffah.json`. */
  readonly digest: string
  readonly signer:
    | SignerReport
    /** Of a bundle that was attached: whose it is was not looked at. */
    | { readonly kind: 'unverified' }
  /** A file, or an artifact in a registry or layout. */
  readonly signature: string
  readonly logIndex?: string | undefined
}

/** Where a signature goes instead of beside its subject. */
export interface SignatureTarget {
  /** A file for the bundle. */
  readonly output?: string | undefined
}

/**
 * Signs an image or a delta. The signature goes beside a file, into the registry or layout as a referrer; for a diffah
 * archive into `X.sig`.
 *
 * @param subject - a reference, or the bare path of a delta file
 * @throws {TareError} `FILE_NOT_FOUND`, `INVALID_ARCHIVE`, `INVALID_ARGUMENT`, …
 */
export async function signSubject(
  run: Run,
  subject: string,
  prepared: PreparedSigner,
  context: OpenContext,
  { output }: SignatureTarget,
): Promise<SignReport> {
  await using resources = new AsyncDisposableStack()
  const archive = await openFileOrImage(subject, context, resources)
  if (archive.format === 'diffah') return await signDiffah(archive, prepared, output)
  const { reference } = archive
  const descriptor = await resolveImage(archive.source, context)
  const signed = await signWith(prepared, descriptor.digest)
  const signature = await place(run, reference, descriptor, signed.bundle, context, output)
  return { subject, digest: descriptor.digest, signer: signerReport(signed), signature, logIndex: signed.logIndex }
}

/**
 * Puts a bundle that was made elsewhere beside its subject. It has to cover the subject's digest; whether its signature
 * holds is not looked at.
 *
 * @param bundleFile - path of the bundle
 * @throws {TareError} `SIGNATURE_INVALID` for a bundle of something else
 */
export async function attachBundle(
  run: Run,
  subject: string,
  bundleFile: string,
  context: OpenContext,
): Promise<SignReport> {
  await using resources = new AsyncDisposableStack()
  const { checkCovers, readBundleFile } = await import('../sign/index.ts')
  const bundle = await readBundleFile(bundleFile)
  const archive = await openFileOrImage(subject, context, resources)
  if (archive.format === 'diffah') {
    throw new TareError('INVALID_ARGUMENT', `${subject} is a diffah archive, which has no place for a bundle`, {
      hint: `Its signature is ${subject}.sig`,
    })
  }
  const { reference } = archive
  const descriptor = await resolveImage(archive.source, context)
  checkCovers(bundle, descriptor.digest, bundleFile)
  const signature = await place(run, reference, descriptor, bundle, context, undefined)
  return { subject, digest: descriptor.digest, signer: { kind: 'unverified' }, signature }
}

async function openFileOrImage(
  subject: string,
  context: OpenContext,
  resources: AsyncDisposableStack,
): Promise<OpenedArchive> {
  await checkIsDelta(subject, context)
  return openArchive(subject, context, resources)
}

/** What is signed: the manifest or index that the reference points at. It is hashed, and not looked into. */
async function resolveImage(source: ImageSource, context: OpenContext): Promise<Descriptor> {
  if (source.layerForm === 'plain') {
    throw new TareError('INVALID_ARGUMENT', `${source.reference} has no manifest that could be signed`, {
      hint: 'Sign the image where it has one: in a registry, a layout or an OCI archive',
    })
  }
  return (await source.resolve(context)).descriptor
}

async function signDiffah(
  { path, archive }: Extract<OpenedArchive, { format: 'diffah' }>,
  prepared: PreparedSigner,
  output: string | undefined,
): Promise<SignReport> {
  const key = diffahKey(prepared)
  if (output !== undefined) {
    throw new TareError('INVALID_ARGUMENT', `${path} is a diffah archive: its signature is ${path}.sig`, {
      hint: 'Leave --output out',
    })
  }
  const { diffahPayload, signDiffahArchive } = await import('../sign/index.ts')
  const signature = await signDiffahArchive(path, archive.sidecarBytes, key)
  const digest = digestOf(diffahPayload(archive.sidecarBytes))
  return { subject: path, digest, signer: { kind: 'key', keyId: key.publicKey.id }, signature }
}

async function place(
  run: Run,
  reference: TransportReference,
  descriptor: Descriptor,
  bundle: Uint8Array,
  context: OpenContext,
  output: string | undefined,
): Promise<string> {
  if (output !== undefined) {
    await writeFileAtomically(output, bytesSource(bundle))
    return output
  }
  if (reference.transport === 'docker' || reference.transport === 'oci') {
    const { attachSignature, signatureReferrer } = await import('../sign/index.ts')
    const createdSeconds = sourceDateEpoch(run.host.env)
    const attached = await attachSignature(
      reference,
      signatureReferrer(bundle, descriptor, { createdSeconds }),
      context,
    )
    return attached.reference
  }
  if ('path' in reference) return writeSignatureBeside(reference.path, bundle)
  throw new TareError('INVALID_ARGUMENT', `${reference.transport}: has no place for a signature`, {
    hint: 'Write it to a file with --output, or sign the image in its registry',
  })
}
