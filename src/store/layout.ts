import { createHash } from 'node:crypto'
import { closeSync, fsyncSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { type Digest, digestAlgorithm, digestHex } from '../oci/index.ts'

/** Where things are in the directory of a store. */
export class StoreLayout {
  readonly directory: string
  /** The database; SQLite keeps two files more beside it. */
  readonly database: string
  readonly blobs: string
  readonly ingests: string
  /** One file for each process that writes, locked as long as it lives. */
  readonly owners: string

  constructor(directory: string) {
    this.directory = directory
    this.database = join(directory, 'tare.db')
    this.blobs = join(directory, 'blobs')
    this.ingests = join(directory, 'ingests')
    this.owners = join(directory, 'owners')
  }

  /** The directories there have to be. */
  get directories(): readonly string[] {
    return [this.blobDirectory('sha256'), this.blobDirectory('sha512'), this.ingests, this.owners]
  }

  blobDirectory(algorithm: string): string {
    return join(this.blobs, algorithm)
  }

  /** As in an OCI layout. */
  blob(digest: Digest): string {
    return join(this.blobDirectory(digestAlgorithm(digest)), digestHex(digest))
  }

  ingest(file: string): string {
    return join(this.ingests, file)
  }

  owner(token: string): string {
    return join(this.owners, token)
  }
}

/** Name of the file of an ingest: refs are free text, and another namespace may use the same. */
export function ingestFile(namespace: string, ref: string): string {
  return createHash('sha256').update(`${namespace}\0${ref}`).digest('hex')
}

/** Makes renames in a directory durable. Some file systems refuse; their renames are as durable as they get. */
export function syncDirectory(path: string): void {
  let descriptor: number | undefined
  try {
    descriptor = openSync(path, 'r')
    fsyncSync(descriptor)
  } catch {
    // see above
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}
