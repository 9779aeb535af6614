import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { getCACertificates } from 'node:tls'
import { fileError, TareError } from '../errors/index.ts'

/** No certificate file larger than this is read. */
const MAX_FILE_BYTES = 1024 * 1024

/** A client certificate chain and its key, PEM. */
export interface ClientCertificate {
  readonly cert: string
  readonly key: string
}

/** What a certificate directory holds. */
export interface CertificateDirectory {
  /** Authorities to trust: Node's own and those of the directory, PEM. `undefined` when the directory adds none. */
  readonly ca: readonly string[] | undefined
  readonly client: ClientCertificate | undefined
}

/**
 * Reads a directory as containers-certs.d(5) describes it: every `*.crt` is an authority, `NAME.cert` and `NAME.key`
 * together are the client certificate; of several the first by name is used.
 *
 * @throws {TareError} `FILE_NOT_FOUND`, `FILE_ACCESS`; `TLS` when one half of a pair is absent
 */
export async function readCertificateDirectory(path: string): Promise<CertificateDirectory> {
  const names = await readdir(path).then(
    (entries) => entries.toSorted(),
    (error: unknown) => {
      throw fileError(path, 'read', error)
    },
  )
  const authorities = await Promise.all(
    names.filter((name) => name.endsWith('.crt')).map((name) => readPem(path, name)),
  )
  const halves = names.filter((name) => name.endsWith('.cert') || name.endsWith('.key'))
  const clients = [...new Set(halves.map((name) => name.replace(/\.(?:cert|key)$/, '')))]
  for (const name of clients) {
    const absent = [`${name}.cert`, `${name}.key`].find((file) => !names.includes(file))
    if (absent !== undefined) {
      throw new TareError('TLS', `${join(path, absent)} is absent`, {
        hint: 'A client certificate is a pair of files, NAME.cert and NAME.key',
      })
    }
  }
  const [first] = clients
  return {
    ca: authorities.length === 0 ? undefined : [...getCACertificates('default'), ...authorities],
    client:
      first === undefined
        ? undefined
        : { cert: await readPem(path, `${first}.cert`), key: await readPem(path, `${first}.key`) },
  }
}

async function readPem(directory: string, name: string): Promise<string> {
  const path = join(directory, name)
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw fileError(path, 'read', error)
  })
  if (text.length > MAX_FILE_BYTES) {
    throw new TareError('LIMIT_EXCEEDED', `${path} is larger than ${MAX_FILE_BYTES} bytes`)
  }
  return text
}
