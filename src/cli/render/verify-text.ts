import type { DeltaVerification } from '../../delta/index.ts'
import type { ArchiveVerification } from '../../incremental/index.ts'
import type { ImageVerification } from '../../image/index.ts'
import { formatSize } from '../format/size.ts'
import type { VerifiedSignature, VerifiedSigner } from '../../sign/index.ts'
import { formatFields } from '../format/table.ts'

/** What `tare verify` says in the end. */
export function verificationText(
  found: DeltaVerification | ImageVerification,
  signature: VerifiedSignature | undefined,
): string {
  const { reference, digest, blobCount, readBytes, problems } = found
  const fields = formatFields([
    ['images' in found ? 'delta' : 'image', reference],
    ['digest', digest],
    ['images', 'images' in found && found.images.length > 1 ? String(found.images.length) : undefined],
    ['read', `${blobCount} blobs, ${formatSize(readBytes)}`],
    ['signed by', signature === undefined ? undefined : signerText(signature.signer)],
    ['sound', soundText(problems)],
  ])
  return withProblems(fields, problems)
}

/** What `tare verify` says of an incremental archive. */
export function archiveVerificationText({ reference, images, problems }: ArchiveVerification): string {
  const fields = formatFields([
    ['archive', reference],
    ['images', String(images.length)],
    ['read', formatSize(images.reduce((sum, image) => sum + image.readBytes, 0))],
    ['sound', soundText(problems)],
  ])
  return withProblems(fields, problems)
}

function soundText(problems: readonly unknown[]): string {
  return problems.length === 0 ? 'yes' : `no: ${problems.length} of them ${problems.length === 1 ? 'is' : 'are'} not`
}

function withProblems(fields: string, problems: DeltaVerification['problems']): string {
  return problems.length === 0 ? fields : `${fields}\n${problems.map(problemLine).join('\n')}\n`
}

/** Who signed, in words. */
export function signerText(signer: VerifiedSigner): string {
  return signer.kind === 'key' ? `key ${signer.keyId}` : signer.certificateIdentity
}

function problemLine({ digest, message }: DeltaVerification['problems'][number]): string {
  return message.includes(digest) ? message : `${digest}: ${message}`
}
