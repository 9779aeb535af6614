import { TareError } from '../errors/index.ts'
import type { FoundSignature, PushSigner, SignatureCarrier } from '../manifest-list/index.ts'
import { childDescriptors, type Descriptor, parseManifestDocument } from '../oci/index.ts'
import { readAllBytes } from '../stream/index.ts'
import type { ImageSource, OpenContext, TransportReference } from '../transport/index.ts'
import { type PreparedSigner, signWith } from './prepare-signer.ts'
import type { Run } from './run.ts'
import { sourceDateEpoch } from './source-date-epoch.ts'

/**
 * Signs what a push wrote; each signature refers to what it signs, as `tare sign` puts it.
 *
 * @param destination - where the push goes, to refuse early what keeps no referrers
 * @throws {TareError} `UNSUPPORTED_BY_DESTINATION`
 */
export async function pushSigner(
  run: Run,
  prepared: PreparedSigner,
  destination: string,
  context: OpenContext,
): Promise<PushSigner> {
  const [{ attachSignature, signatureReferrer }, { parseReferenceOnDisk }] = await Promise.all([
    import('../sign/index.ts'),
    import('../transport/index.ts'),
  ])
  const reference = await parseReferenceOnDisk(destination)
  if (!keepsReferrers(reference)) {
    throw new TareError('UNSUPPORTED_BY_DESTINATION', `${destination} has no place for signatures`, {
      hint: 'Sign where the list is pushed to a registry or a layout',
    })
  }
  const createdSeconds = sourceDateEpoch(run.host.env)
  return {
    async sign({ descriptor }) {
      const { bundle } = await signWith(prepared, descriptor.digest)
      await attachSignature(reference, signatureReferrer(bundle, descriptor, { createdSeconds }), context)
    },
  }
}

function keepsReferrers({ transport }: TransportReference): boolean {
  return transport === 'docker' || transport === 'oci'
}

/** Takes along the sigstore bundles that refer to members, where both ends keep referrers. */
export function signatureCarrier(context: OpenContext): SignatureCarrier {
  return {
    async find({ descriptor }, source, options) {
      const referrers = (await source.referrers?.(descriptor.digest, options)) ?? []
      if (referrers.length === 0) return []
      const { BUNDLE_MEDIA_TYPE } = await import('../sign/index.ts')
      const signatures = referrers.filter(({ artifactType }) => artifactType === BUNDLE_MEDIA_TYPE)
      return Promise.all(signatures.map((referrer) => readSignature(source, referrer, context)))
    },
    async put(signature, destination, { logger }) {
      const [{ attachSignature }, { parseReferenceOnDisk }] = await Promise.all([
        import('../sign/index.ts'),
        import('../transport/index.ts'),
      ])
      const reference = await parseReferenceOnDisk(destination)
      if (keepsReferrers(reference)) await attachSignature(reference, signature, context)
      else logger?.warn(`${destination} has no place for the signatures of members: left out`)
    },
  }
}

async function readSignature(source: ImageSource, referrer: Descriptor, context: OpenContext): Promise<FoundSignature> {
  const [{ MAX_BUNDLE_BYTES }, { openVerifiedBlob }] = await Promise.all([
    import('../sign/index.ts'),
    import('../transport/index.ts'),
  ])
  const bytes = await source.readManifest(referrer, context)
  const { digest, mediaType } = referrer
  const document = parseManifestDocument(bytes, { subject: `signature ${digest}`, mediaType })
  const blobs: FoundSignature['blobs'][number][] = []
  for (const descriptor of childDescriptors(document)) {
    const content = openVerifiedBlob(source, descriptor, 'source', context)
    blobs.push({ descriptor, bytes: await readAllBytes(content, MAX_BUNDLE_BYTES, `signature ${digest}`) })
  }
  return { manifest: { descriptor: referrer, bytes }, blobs }
}
