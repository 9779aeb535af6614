import type { Descriptor } from './descriptor.ts'
import { type Digest, isDigest } from './digest.ts'

const REFERENCE_TYPE = 'vnd.docker.reference.type'
const REFERENCE_DIGEST = 'vnd.docker.reference.digest'

/**
 * Whether a member of an index is an attestation as BuildKit adds them: provenance or a list of contents.
 *
 * @see https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md
 */
export function isAttestation(member: Descriptor): boolean {
  return member.annotations?.[REFERENCE_TYPE] === 'attestation-manifest'
}

/** The member of the same index that an attestation speaks of; undefined where `member` is none, or names nothing. */
export function attestedDigest(member: Descriptor): Digest | undefined {
  const digest = isAttestation(member) ? member.annotations?.[REFERENCE_DIGEST] : undefined
  return isDigest(digest) ? digest : undefined
}
