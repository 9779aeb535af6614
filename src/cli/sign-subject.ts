import { hasErrorCode, TareError } from '../errors/index.ts'
import type { Descriptor } from '../oci/index.ts'
import type { SignedDigest } from '../sign/index.ts'
import { bytesSource, writeFileAtomically } from '../stream/index.ts'
import type { OpenContext, TransportReference } from '../transport/index.ts'
import { checkIsFile } from './bare-path.ts'
import { readDiffahDocument } from './diffah-document.ts'
import { type PreparedSigner, writeSignatureBeside } from './prepare-signer.ts'
import { sourceDateEpoch } from './source-date-epoch.ts'
import type { Run } from './run.ts'

/** What was signed, and where the signature went. */
export interface SignReport {
  readonly subject: string
  /** Digest that the signature covers; for a diffah archive that of its canonical `diffah.json`. */
  readonly digest: string
  readonly signer:
    | { readonly kind: 'key'; readonly keyId: string }
    | { readonly kind: 'identity'; readonly certificateIdentity: string }
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
  const reference = await subjectReference(subject, context)
  const { signDigest } = await import('../sign/index.ts')
  const descriptor = await resolveSubject(reference, context)
  if (descriptor === 'diffah') return signDiffah(run, subject, prepared, output)
  const signed = await signDigest(descriptor.digest, prepared.signer, prepared.options)
  const signature = await place(run, reference, descriptor, signed.bundle, context, output)
  return { subject, digest: descriptor.digest, signer: signerOf(signed), signature, logIndex: signed.logIndex }
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
  const reference = await subjectReference(subject, context)
  const { checkCovers, readBundleFile } = await import('../sign/index.ts')
  const bundle = await readBundleFile(bundleFile)
  const descriptor = await resolveSubject(reference, context)
  if (descriptor === 'diffah') {
    throw new TareError('INVALID_ARGUMENT', `${subject} is a diffah archive, which has no place for a bundle`, {
      hint: `Its signature is ${subject}.sig`,
    })
  }
  checkCovers(bundle, descriptor.digest, bundleFile)
  const signature = await place(run, reference, descriptor, bundle, context, undefined)
  return { subject, digest: descriptor.digest, signer: { kind: 'unverified' }, signature }
}

async function subjectReference(subject: string, context: OpenContext): Promise<TransportReference> {
  const { hasTransportPrefix, parseReferenceOnDisk } = await import('../transport/index.ts')
  if (hasTransportPrefix(subject)) return parseReferenceOnDisk(subject)
  await checkIsFile(subject, 'a delta file', context)
  return { transport: 'oci-archive', path: subject }
}

/** What is signed: the manifest or index that the reference points at. It is hashed, and not looked into. */
async function resolveSubject(reference: TransportReference, context: OpenContext): Promise<Descriptor | 'diffah'> {
  const { openSource } = await import('../transport/index.ts')
  try {
    await using source = await openSource(reference, context)
    if (source.layerForm === 'plain') {
      throw new TareError('INVALID_ARGUMENT', `${source.reference} has no manifest that could be signed`, {
        hint: 'Sign the image where it has one: in a registry, a layout or an OCI archive',
      })
    }
    const { descriptor } = await source.resolve(context)
    return descriptor
  } catch (error) {
    if (!hasErrorCode(error, 'INVALID_ARCHIVE') || reference.transport !== 'oci-archive') throw error
    if ((await readDiffahDocument(reference.path, context.signal)) === undefined) throw error
    return 'diffah'
  }
}

async function signDiffah(
  run: Run,
  path: string,
  { key, options }: PreparedSigner,
  output: string | undefined,
): Promise<SignReport> {
  if (key === undefined || options.rekorUrl !== undefined || options.timestampUrl !== undefined) {
    throw new TareError(
      'INVALID_ARGUMENT',
      `${path} is a diffah archive: its signature is made with a key, and no more`,
      {
        hint: 'Give --key alone; make a delta of Tare’s own for the rest',
      },
    )
  }
  if (output !== undefined) {
    throw new TareError('INVALID_ARGUMENT', `${path} is a diffah archive: its signature is ${path}.sig`, {
      hint: 'Leave --output out',
    })
  }
  const { diffahPayload, signDiffahArchive } = await import('../sign/index.ts')
  const document = await readDiffahDocument(path, run.signal)
  if (document === undefined) throw new TareError('INTERNAL', `${path} was a diffah archive a moment ago`)
  const signature = await signDiffahArchive(path, document, key)
  const { digestOf } = await import('../stream/index.ts')
  const digest = digestOf(diffahPayload(document))
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
  return writeSignatureBeside(reference.path, bundle)
}

function signerOf({ maker }: SignedDigest): SignReport['signer'] {
  switch (maker.kind) {
    case 'key':
      return { kind: 'key', keyId: maker.keyId }
    case 'certificate':
      return { kind: 'identity', certificateIdentity: maker.identity }
  }
}
