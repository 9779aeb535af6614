/** Signatures: keys, sigstore bundles, transparency logs, policies; those of diffah archives too. */
export {
  type AttachedSignature,
  attachSignature,
  type SignatureReferrer,
  signatureReferrer,
  type SignatureReferrerOptions,
} from './attach.ts'
export { BUNDLE_MEDIA_TYPE, MAX_BUNDLE_BYTES, type SignatureMaker } from './bundle.ts'
export {
  diffahPayload,
  type DiffahSignaturePlaces,
  requireEcdsa,
  signDiffahArchive,
  verifyDiffahArchive,
} from './diffah-signature.ts'
export {
  readBundleBeside,
  readBundleFile,
  signatureFileOf,
  type SignaturePlaces,
  type VerifiedSource,
  verifySource,
} from './find-signatures.ts'
export { type KeylessOptions, keylessSigner, PUBLIC_FULCIO_URL } from './keyless.ts'
export type {
  IdentityPolicy,
  KeyPolicy,
  TrustedRoot,
  VerificationPolicy,
  VerifiedLogEntry,
  VerifiedSignature,
  VerifiedSigner,
} from './policy.ts'
export { readPrivateKey, type ReadPrivateKeyOptions } from './private-key.ts'
export { readPublicKey } from './public-key.ts'
export { PUBLIC_REKOR_URL } from './rekor.ts'
export { type SignedDigest, signDigest, type SignOptions } from './sign-digest.ts'
export { SignatureError, type SignatureErrorFacts, type TrustCode } from './signature-error.ts'
export { keySigner, type MadeSignature, type Signer } from './signer.ts'
export type { ServiceOptions } from './signing-service.ts'
export {
  fetchTrustedRoot,
  type FetchTrustedRootOptions,
  MAX_TRUSTED_ROOT_BYTES,
  parseTrustedRoot,
} from './trusted-root.ts'
export { checkCovers, type SignedSubject, verifyBundle } from './verify-bundle.ts'
export type { KeyKind, SignatureHash, SigningKey, VerificationKey } from './verification-key.ts'
