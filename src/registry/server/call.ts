import { type Digest, isDigest } from '../../oci/index.ts'
import type { ByteSource } from '../../stream/index.ts'
import type { Access, RegistryRequest } from './authorization.ts'
import type { KeyedMutex } from './keyed-mutex.ts'
import { refuse } from './refusal.ts'
import type { RegistryStorage } from './storage.ts'

/** What handlers work with, the same for every request. */
export interface Service {
  readonly storage: RegistryStorage
  readonly readOnly: boolean
  readonly deletes: boolean
  readonly maxManifestBytes: number
  readonly missingReferences: 'refuse' | 'accept'
  readonly pageSize: number
  /** One writer per upload session. */
  readonly uploads: KeyedMutex
}

/** One request on its way through a handler. */
export interface Call {
  readonly request: RegistryRequest
  /** The request's body. Ending the iteration early leaves the connection usable. */
  body(): ByteSource
  /** Whether the client may also do this. */
  isAllowed(access: Access): Promise<boolean>
}

/** @throws {Refusal} 400 `DIGEST_INVALID` */
export function requireDigest(text: string | null): Digest {
  if (isDigest(text)) return text
  throw refuse(400, 'DIGEST_INVALID', text === null ? 'no digest given' : 'digest is malformed or unsupported')
}
