import type { DeltaVerification } from '../../delta/index.ts'
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
    [
      'sound',
      problems.length === 0 ? 'yes' : `no: ${problems.length} of them ${problems.length === 1 ? 'is' : 'are'} not`,
    ],
  ])
  return problems.length === 0 ? fields : `${fields}\n${problems.map(problemLine).join('\n')}\n`
}

/** Who signed, in words. */
export function signerText(signer: VerifiedSigner): string {
  return signer.kind === 'key' ? `key ${signer.keyId}` : signer.certificateIdentity
}

function problemLine({ digest, message }: DeltaVerification['problems'][number]): string {
  return message.includes(digest) ? message : `${digest}: ${message}`
}
