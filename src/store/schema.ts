/** Marks the database as ours: `TARE`. */
export const APPLICATION_ID = 0x54415245
/** Label on a compressed blob: the digest of what it unpacks to. */
export const UNCOMPRESSED_LABEL = 'containerd.io/uncompressed'
/** The expression that the index over that label is made of. */
export const UNCOMPRESSED_EXPRESSION: string = `json_extract(labels, '$."${UNCOMPRESSED_LABEL}"')`

/**
 * The tables that images need. Times are milliseconds since 1970, labels and annotations JSON objects.
 *
 * @see docs/store.md
 */
const IMAGE_TABLES = `
  CREATE TABLE namespaces (
    name TEXT PRIMARY KEY,
    labels TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE images (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    annotations TEXT NOT NULL,
    labels TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (namespace, name)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX images_by_digest ON images (namespace, digest);

  CREATE TABLE blobs (
    digest TEXT NOT NULL,
    namespace TEXT NOT NULL,
    size INTEGER NOT NULL,
    labels TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (digest, namespace)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX blobs_by_uncompressed ON blobs (${UNCOMPRESSED_EXPRESSION}, namespace)
    WHERE ${UNCOMPRESSED_EXPRESSION} IS NOT NULL;

  CREATE TABLE leases (
    namespace TEXT NOT NULL,
    id TEXT NOT NULL,
    labels TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (namespace, id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE lease_resources (
    namespace TEXT NOT NULL,
    lease TEXT NOT NULL,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (namespace, lease, type, id),
    FOREIGN KEY (namespace, lease) REFERENCES leases (namespace, id) ON DELETE CASCADE
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE ingests (
    namespace TEXT NOT NULL,
    ref TEXT NOT NULL,
    file TEXT NOT NULL,
    total INTEGER NOT NULL,
    expected TEXT,
    owner TEXT,
    started_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (namespace, ref)
  ) STRICT, WITHOUT ROWID;

  -- The collection that is under way.
  CREATE TABLE collections (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    owner TEXT NOT NULL
  ) STRICT;

  -- What changed since the collection under way looked.
  CREATE TABLE touched (
    namespace TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (namespace, kind, id)
  ) STRICT, WITHOUT ROWID;

  -- Blobs that no namespace has any more and whose files are to go.
  CREATE TABLE doomed (
    digest TEXT PRIMARY KEY
  ) STRICT, WITHOUT ROWID;
`

/** The tables that lists need. A list has an owner while it is locked. */
const LIST_TABLES = `
  CREATE TABLE lists (
    namespace TEXT NOT NULL,
    id TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    owner TEXT,
    PRIMARY KEY (namespace, id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE list_names (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    list TEXT NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (namespace, name),
    FOREIGN KEY (namespace, list) REFERENCES lists (namespace, id) ON DELETE CASCADE
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE list_items (
    namespace TEXT NOT NULL,
    list TEXT NOT NULL,
    name TEXT NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (namespace, list, name),
    FOREIGN KEY (namespace, list) REFERENCES lists (namespace, id) ON DELETE CASCADE
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE list_content (
    namespace TEXT NOT NULL,
    list TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (namespace, list, digest),
    FOREIGN KEY (namespace, list) REFERENCES lists (namespace, id) ON DELETE CASCADE
  ) STRICT, WITHOUT ROWID;
`

/** What takes a store from each version of the schema to the next; an empty one has version 0. */
export const SCHEMA_STEPS: readonly string[] = [IMAGE_TABLES, LIST_TABLES]
