/** What kind of trouble an error is; decides the exit code of the command line tool. */
export type ErrorCategory = 'usage' | 'environment' | 'content' | 'trust' | 'internal'

/**
 * Every error code Tare can produce. Codes are stable: they are never renamed and never change category.
 * `meaning` says what happened in one sentence; `docs/errors.md` is checked against this table by `npm run check:docs`.
 */
export const ERROR_CATALOGUE = {
  // usage: the request itself can't be served; nothing was tried
  INVALID_COMMAND_LINE: {
    category: 'usage',
    meaning: 'The command line has an unknown verb or flag, or lacks or exceeds its arguments',
  },
  INVALID_ARGUMENT: { category: 'usage', meaning: 'A flag or argument has a value that is not allowed' },
  INVALID_CONFIG: {
    category: 'usage',
    meaning: 'The configuration file is not YAML, has an unknown setting, or one with a value that is not allowed',
  },
  INVALID_SPEC: {
    category: 'usage',
    meaning: 'A bundle, baseline or output spec is not YAML or JSON, or does not say what it should',
  },
  INVALID_REFERENCE: { category: 'usage', meaning: 'A reference does not follow the syntax of its transport' },
  UNKNOWN_TRANSPORT: { category: 'usage', meaning: 'A reference has no transport prefix, or one Tare does not know' },
  AMBIGUOUS_IMAGE: {
    category: 'usage',
    meaning: 'The archive or layout holds several images and the reference picks none',
  },
  PLATFORM_REQUIRED: {
    category: 'usage',
    meaning: 'The verb or destination needs one image and got an index of several platforms',
  },
  NO_MATCHING_PLATFORM: { category: 'usage', meaning: 'No member of the index matches the wanted platform' },
  DESTINATION_EXISTS: { category: 'usage', meaning: 'The destination exists and would be overwritten' },
  ALREADY_EXISTS: { category: 'usage', meaning: 'The image, lease, namespace or blob to be made is there already' },
  FAILED_PRECONDITION: {
    category: 'usage',
    meaning: 'What was asked for does not fit the state of things, such as a write to an ingest that is closed',
  },
  NOT_IMPLEMENTED: { category: 'usage', meaning: 'Nobody has said yet what this should mean for this kind of content' },
  UNSUPPORTED_BY_DESTINATION: {
    category: 'usage',
    meaning: 'The destination cannot hold this kind of image without changing it',
  },
  IMAGE_NAME_REQUIRED: { category: 'usage', meaning: 'The delta holds several images and the request names none' },
  UNKNOWN_IMAGE_NAME: { category: 'usage', meaning: 'The delta has no image of that name' },
  DUPLICATE_IMAGE_NAME: { category: 'usage', meaning: 'Two images of a bundle have the same name' },
  BASELINE_REQUIRED: { category: 'usage', meaning: 'An image of the bundle got no baseline or no destination' },
  SCHEMA1_UNSUPPORTED: {
    category: 'usage',
    meaning: 'The image is a Docker schema 1 manifest, which Tare does not handle yet',
  },
  INVALID_KEY: { category: 'usage', meaning: 'A key file holds no key, or one of a kind that Tare does not use' },
  KEY_PASSWORD: { category: 'usage', meaning: 'A private key is encrypted, and the password is missing or wrong' },
  INSTANCE_NOT_FOUND: { category: 'usage', meaning: 'The list has no member with that digest' },
  NAME_IN_USE: { category: 'usage', meaning: 'Another list, or an image, has that name or ID already' },
  LIST_NOT_SAVED: { category: 'usage', meaning: 'The list has to be saved before it can be read as an image' },
  SPARSE_INDEX: {
    category: 'usage',
    meaning: 'The registry refuses an index because it does not have all of its members',
  },
  CANNOT_CONVERT: { category: 'usage', meaning: 'An image has parts that the wanted format cannot express' },

  // environment: the world around Tare said no; trying again elsewhere or later may work
  FILE_NOT_FOUND: { category: 'environment', meaning: 'A file or directory does not exist' },
  FILE_ACCESS: { category: 'environment', meaning: 'A file or directory could not be read or written' },
  DISK_FULL: { category: 'environment', meaning: 'The disk has no room for a spool, blob or output file' },
  UNAVAILABLE: {
    category: 'environment',
    meaning: 'Somebody else is at it, such as another process that writes the same ingest; later it may work',
  },
  NETWORK: { category: 'environment', meaning: 'A connection failed, was cut off or timed out' },
  TLS: { category: 'environment', meaning: 'The TLS certificate of a host was not accepted' },
  AUTH_REQUIRED: { category: 'environment', meaning: 'The registry wants credentials, or refused those it got' },
  AUTH_FILE: { category: 'environment', meaning: 'A credential file could not be understood' },
  CREDENTIAL_HELPER: { category: 'environment', meaning: 'A credential helper program failed' },
  REGISTRY_REFUSED: { category: 'environment', meaning: 'The registry answered with an error' },
  RATE_LIMITED: { category: 'environment', meaning: 'The registry asked to slow down and kept asking' },
  REGISTRY_PROTOCOL: {
    category: 'environment',
    meaning: 'The registry answered in a way the distribution specification does not allow',
  },
  IDENTITY_TOKEN: { category: 'environment', meaning: 'There is no identity token to sign with, or it is malformed' },
  SIGNING_SERVICE: {
    category: 'environment',
    meaning: 'A certificate authority, transparency log or timestamp authority answered with an error or with nonsense',
  },
  TRUSTED_ROOT: {
    category: 'environment',
    meaning: 'The trusted root of signatures could not be fetched, or is none',
  },
  ENGINE_UNREACHABLE: {
    category: 'environment',
    meaning: 'No container engine answers at its socket or address, or the socket is closed to this user',
  },
  ENGINE_REFUSED: { category: 'environment', meaning: 'The container engine answered with an error' },
  ENGINE_PROTOCOL: {
    category: 'environment',
    meaning: 'What answered is no container engine, or one that is too old or too new',
  },
  WORKER_FAILED: { category: 'environment', meaning: 'A worker thread died, most likely for want of memory' },
  MEMORY_LIMIT: { category: 'environment', meaning: 'The work does not fit in the memory that --memory allows' },

  // content: bytes are not what they should be
  EMPTY_WALK: {
    category: 'content',
    meaning: 'Nothing is left of the image: it is empty, or all of it was filtered out',
  },
  STORE_DAMAGED: { category: 'content', meaning: 'The database of the store, or a blob in it, is damaged' },
  NOT_FOUND: { category: 'content', meaning: 'The image, manifest, tag or other thing that is named does not exist' },
  BLOB_NOT_FOUND: { category: 'content', meaning: 'A blob that a manifest names does not exist at the source' },
  DIGEST_MISMATCH: { category: 'content', meaning: 'Bytes do not have the digest their descriptor states' },
  SIZE_MISMATCH: { category: 'content', meaning: 'There are fewer or more bytes than the descriptor states' },
  INVALID_DIGEST: { category: 'content', meaning: 'A digest is malformed or uses an unknown algorithm' },
  INVALID_DOCUMENT: {
    category: 'content',
    meaning: 'A manifest, index, config or other JSON document breaks its specification',
  },
  LIMIT_EXCEEDED: {
    category: 'content',
    meaning: 'Foreign content is larger, deeper or more numerous than Tare accepts',
  },
  CORRUPT_GZIP: { category: 'content', meaning: 'A gzip stream is damaged or cut off' },
  CORRUPT_ZSTD: { category: 'content', meaning: 'A Zstandard stream is damaged or cut off' },
  CORRUPT_TAR: { category: 'content', meaning: 'A tar archive is damaged or cut off' },
  FILE_INCOMPLETE: {
    category: 'content',
    meaning: 'A file was copied in part: it is empty, is cut off or ends in zeros',
  },
  VOLUME_MISSING: { category: 'content', meaning: 'Volumes of an archive that was split are not there' },
  VOLUME_DAMAGED: {
    category: 'content',
    meaning: 'Volumes of an archive that was split have other bytes or another size than when they were written',
  },
  UNSAFE_PATH: { category: 'content', meaning: 'A name in an archive would leave the directory it belongs to' },
  INVALID_ARCHIVE: {
    category: 'content',
    meaning: 'The archive or directory is not of the kind its transport expects',
  },
  NOT_A_LIST: {
    category: 'content',
    meaning: 'The image is a single manifest and not an image index or manifest list',
  },
  NOT_A_DELTA: { category: 'content', meaning: 'The file is not a Tare delta' },
  UNSUPPORTED_FORMAT: {
    category: 'content',
    meaning: 'The file was written by a newer Tare, or uses a codec this one does not know',
  },
  OBSOLETE_FORMAT: {
    category: 'content',
    meaning: 'The file is of a format that its own tool has given up, and that Tare does not read',
  },
  CORRUPT_PATCH: { category: 'content', meaning: 'A layer patch is damaged' },
  CORRUPT_RECIPE: { category: 'content', meaning: 'What says how compressed bytes are made again is damaged' },
  BASELINE_LACKS_BLOB: { category: 'content', meaning: 'The baseline does not have what the delta builds on' },
  TARGET_LACKS_BLOB: {
    category: 'content',
    meaning: 'The target has not all the layers that an incremental archive leaves out',
  },
  VERIFY_FAILED: { category: 'content', meaning: 'What was written reads back differently' },

  // trust: a signature or a policy refuses
  SIGNATURE_MISSING: { category: 'trust', meaning: 'A signature is required and there is none' },
  SIGNATURE_INVALID: {
    category: 'trust',
    meaning: 'A signature is malformed, was made by another key, or covers something else',
  },
  IDENTITY_MISMATCH: { category: 'trust', meaning: 'The signature is of somebody else than the policy wants' },
  CERTIFICATE_INVALID: {
    category: 'trust',
    meaning: 'The certificate of a signature leads to no trusted authority, or was not valid when it was used',
  },
  LOG_PROOF_INVALID: {
    category: 'trust',
    meaning: 'The proof that a transparency log or timestamp authority saw the signature is missing or wrong',
  },
  SIGNATURE_FORBIDS_CHANGE: {
    category: 'trust',
    meaning: 'The image is signed, and what was asked for would change it',
  },

  // internal: Tare is wrong
  INTERNAL: { category: 'internal', meaning: 'Tare broke one of its own rules; please report it' },
} as const

/** A stable, documented error code. */
export type ErrorCode = keyof typeof ERROR_CATALOGUE
