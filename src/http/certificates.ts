import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'
import { fileError, TareError } from '../errors/index.ts'

/** No certificate file larger than this is read. */
const MAX_FILE_BYTES = 1024 * 1024

/** A client certificate chain and its key, PEM. */
export interface ClientCertificate {
  readonly cert: string
  readonly key: string
}

/** What a certificate directory holds. */
export class CertificateDirectory {
  readonly path: string
  /** Authorities to trust, PEM. `undefined` when the directory has none: then Node's own count. */
  readonly ca: readonly string[] | undefined
  readonly client: ClientCertificate | undefined

  private constructor(path: string, ca: readonly string[] | undefined, client: ClientCertificate | undefined) {
    this.path = path
    this.ca = ca
    this.client = client
  }

  /**
   * Reads a directory as containers-certs.d(5) describes it: every `*.crt` is an authority, `NAME.cert` and `NAME.key`
   * together are the client certificate; of several the first by name is used.
   *
   * @throws {TareError} `FILE_NOT_FOUND`, `FILE_ACCESS`; `TLS` when one half of a pair is absent
   */
  static async read(path: string): Promise<CertificateDirectory> {
    const names = await listNames(path)
    const authorities = names.filter((name) => name.endsWith('.crt'))
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
    const client =
      first === undefined
        ? undefined
        : { cert: await readPem(path, `${first}.cert`), key: await readPem(path, `${first}.key`) }
    const own = await Promise.all(authorities.map((name) => readPem(path, name)))
    return new CertificateDirectory(
      path,
      own.length === 0 ? undefined : [...getCACertificates('default'), ...own],
      client,
    )
  }

  /**
   * Reads a directory as Docker's client keeps it: `ca.pem` is the only authority that counts, `cert.pem` and `key.pem`
   * are the client certificate. What is absent is left out, but for one half of a pair.
   *
   * @throws {TareError} `FILE_NOT_FOUND`, `FILE_ACCESS`; `TLS` when one half of a pair is absent
   */
  static async readDocker(path: string): Promise<CertificateDirectory> {
    const names = new Set(await listNames(path))
    const hasClient = names.has('cert.pem') || names.has('key.pem')
    const absent = ['cert.pem', 'key.pem'].find((name) => hasClient && !names.has(name))
    if (absent !== undefined) throw new TareError('TLS', `${join(path, absent)} is absent`)
    const ca = names.has('ca.pem') ? [await readPem(path, 'ca.pem')] : undefined
    const client = hasClient
      ? { cert: await readPem(path, 'cert.pem'), key: await readPem(path, 'key.pem') }
      : undefined
    return new CertificateDirectory(path, ca, client)
  }

  /**
   * The settings for connections. Make it once: reading all authorities takes longer than connecting.
   *
   * @param withClient - whether to show the client certificate
   * @throws {TareError} `TLS` when a file is not what its name says
   */
  secureContext(withClient: boolean): SecureContext {
    try {
      return createSecureContext({ ca: this.ca?.slice(), ...(withClient ? this.client : {}) })
    } catch (cause) {
      throw new TareError('TLS', `${this.path} holds a certificate or key that cannot be used`, {
        cause,
        hint: 'Files have to be PEM, keys without a password, and a key has to belong to its certificate',
      })
    }
  }
}

async function listNames(path: string): Promise<readonly string[]> {
  try {
    return (await readdir(path)).toSorted()
  } catch (error) {
    throw fileError(path, 'read', error)
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
