import { type Descriptor, MEDIA_TYPE } from '../oci/index.ts'
import { bytesSource, digestOf } from '../stream/index.ts'
import { type ManifestContent, type OpenContext, openDestination, type TransportReference } from '../transport/index.ts'
import { BUNDLE_MEDIA_TYPE } from './bundle.ts'
import { SIGNATURE_PREDICATE_TYPE } from './statement.ts'

/** A bundle as an artifact that refers to what it signs. */
export interface SignatureReferrer {
  readonly manifest: ManifestContent
  /** Its config, which is empty, and the bundle. */
  readonly blobs: readonly { readonly descriptor: Descriptor; readonly bytes: Uint8Array }[]
}

/** Options of {@link signatureReferrer}. */
export interface SignatureReferrerOptions {
  /** For the `created` annotation, seconds since 1970. @default no annotation */
  readonly createdSeconds?: number | undefined
}

/** Where a signature was attached. */
export interface AttachedSignature {
  /** Of the artifact that carries it. */
  readonly descriptor: Descriptor
  /** `docker://registry/repository@sha256:…`, `oci:DIR` */
  readonly reference: string
}

/**
 * Wraps a bundle into the artifact by which `cosign verify` finds it.
 *
 * @param subject - what is signed; the artifact refers to it
 * @see https://github.com/sigstore/cosign/blob/v3.1.3/specs/BUNDLE_SPEC.md
 */
export function signatureReferrer(
  bundle: Uint8Array,
  subject: Descriptor,
  { createdSeconds }: SignatureReferrerOptions = {},
): SignatureReferrer {
  const config = blobOf(MEDIA_TYPE.OCI_EMPTY, Buffer.from('{}'))
  const layer = blobOf(BUNDLE_MEDIA_TYPE, bundle)
  const created = createdSeconds === undefined ? {} : { 'org.opencontainers.image.created': isoTime(createdSeconds) }
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.OCI_MANIFEST,
    artifactType: BUNDLE_MEDIA_TYPE,
    config: config.descriptor,
    layers: [layer.descriptor],
    subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size },
    annotations: {
      'dev.sigstore.bundle.content': 'dsse-envelope',
      [BUNDLE_PREDICATE_ANNOTATION]: SIGNATURE_PREDICATE_TYPE,
      ...created,
    },
  }
  const { descriptor, bytes } = blobOf(MEDIA_TYPE.OCI_MANIFEST, Buffer.from(JSON.stringify(manifest)))
  return {
    manifest: { descriptor: { ...descriptor, artifactType: BUNDLE_MEDIA_TYPE }, bytes },
    blobs: [config, layer],
  }
}

function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
}

/** Says what a bundle holds without opening it. */
export const BUNDLE_PREDICATE_ANNOTATION = 'dev.sigstore.bundle.predicateType'

function blobOf(mediaType: string, bytes: Uint8Array): { readonly descriptor: Descriptor; readonly bytes: Uint8Array } {
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, bytes }
}

/**
 * Puts a signature beside what it signs. A registry without the referrers API gets the tag that stands in for it.
 *
 * @param reference - the image, in a registry or a layout
 * @throws {TareError} `AUTH_REQUIRED`, `REGISTRY_REFUSED`, `FILE_ACCESS`, …
 */
export async function attachSignature(
  reference: TransportReference,
  { manifest, blobs }: SignatureReferrer,
  context: OpenContext = {},
): Promise<AttachedSignature> {
  await using destination = await openDestination(placeOf(reference, manifest.descriptor), context)
  const { signal, logger } = context
  for (const { descriptor, bytes } of blobs) {
    if (await destination.hasBlob(descriptor, { signal, logger })) continue
    await destination.putBlob(descriptor, async () => bytesSource(bytes), { signal, logger })
  }
  await destination.putManifest(manifest, { signal, logger })
  // A registry lists it by its subject; a layout needs an entry.
  if (destination.repository === undefined) await destination.commit(manifest, { signal, logger })
  return { descriptor: manifest.descriptor, reference: destination.reference }
}

function placeOf(reference: TransportReference, { digest }: Descriptor): TransportReference {
  switch (reference.transport) {
    case 'docker': {
      const { registry, repository } = reference.reference
      return { transport: 'docker', reference: { registry, repository, digest } }
    }
    case 'oci':
      return { transport: 'oci', path: reference.path }
    case 'oci-archive':
    case 'docker-archive':
    case 'dir':
    case 'store':
    case 'docker-daemon':
    case 'containerd':
      throw new TypeError(`${reference.transport}: keeps no referrers`)
  }
}
