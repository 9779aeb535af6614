import { type Digest, digestAlgorithm, digestHex, parseJson, readDocument } from '../oci/index.ts'

/** What an in-toto statement says of the things it is about. */
export interface Statement {
  /** Digests of the subjects as `algorithm:hex`. */
  readonly subjects: ReadonlySet<string>
  readonly predicateType: string
}

/** Media type of what is signed. */
export const STATEMENT_PAYLOAD_TYPE = 'application/vnd.in-toto+json'
/** Marks a statement as a signature and no more, as `cosign sign` does; attestations have other types. */
export const SIGNATURE_PREDICATE_TYPE = 'https://sigstore.dev/cosign/sign/v1'

const STATEMENT_TYPES: ReadonlySet<string> = new Set([
  'https://in-toto.io/Statement/v1',
  'https://in-toto.io/Statement/v0.1',
])
const MAX_STATEMENT_BYTES = 1024 * 1024
const MAX_SUBJECTS = 1024

/** The statement that signs a digest, as bytes; the same bytes for the same digest. */
export function signatureStatement(digest: Digest): Buffer {
  return Buffer.from(
    JSON.stringify({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ digest: { [digestAlgorithm(digest)]: digestHex(digest) } }],
      predicateType: SIGNATURE_PREDICATE_TYPE,
      predicate: {},
    }),
  )
}

/**
 * Parses a statement.
 *
 * @throws {InvalidDocumentError} @throws {TareError} `LIMIT_EXCEEDED`
 * @see https://github.com/in-toto/attestation/blob/v1.1.0/spec/v1/statement.md
 */
export function parseStatement(bytes: Uint8Array, subject: string): Statement {
  return readDocument(parseJson(bytes, subject, MAX_STATEMENT_BYTES), subject, (root) => {
    root.object(['_type', 'subject', 'predicateType', 'predicate'])
    const type = root.at('_type')
    if (!STATEMENT_TYPES.has(type.string())) type.report('is no in-toto statement')
    const digests = root.at('subject').list(MAX_SUBJECTS, (node) => {
      const digest = node.object(['name', 'digest', 'annotations']).at('digest').strings()
      return Object.entries(digest).map(([algorithm, hex]) => `${algorithm}:${hex}`)
    })
    return { subjects: new Set(digests.flat()), predicateType: root.at('predicateType').string() }
  })
}

/**
 * What is signed in the place of a payload, so that it can't be taken for one of another type.
 *
 * @see https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md
 */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Buffer {
  const type = Buffer.from(payloadType)
  return Buffer.concat([Buffer.from(`DSSEv1 ${type.length} `), type, Buffer.from(` ${payload.length} `), payload])
}
