import { TareError } from '../errors/index.ts'
import type { CredentialTarget, Credentials } from './credentials.ts'

/** The name Docker Hub goes by in docker's own files and helpers. */
const DOCKER_HUB_KEY = 'https://index.docker.io/v1/'
const DOCKER_HUB_HOSTS: ReadonlySet<string> = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io'])

/** Entries accepted in one file. */
const MAX_ENTRIES = 10_000

/** Where to look: in the file itself, or with a program that it names. */
export type CredentialLocation =
  | { readonly kind: 'found'; readonly credentials: Credentials }
  | { readonly kind: 'helper'; readonly helper: string; readonly server: string }

/**
 * A credential file: docker's `config.json` or containers' `auth.json`. Entries are decoded when they are used, so a
 * broken one hurts nobody else.
 *
 * @see https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md
 */
export class AuthFile {
  readonly path: string
  readonly #auths: ReadonlyMap<string, unknown>
  readonly #helpers: ReadonlyMap<string, string>
  readonly #store: string | undefined

  private constructor(
    path: string,
    auths: ReadonlyMap<string, unknown>,
    helpers: ReadonlyMap<string, string>,
    store: string | undefined,
  ) {
    this.path = path
    this.#auths = auths
    this.#helpers = helpers
    this.#store = store
  }

  /**
   * @param path - for messages
   * @throws {TareError} `AUTH_FILE`; nothing of the content is repeated
   */
  static parse(text: string, path: string): AuthFile {
    let document: unknown
    try {
      document = JSON.parse(text)
    } catch {
      // The parser's own message quotes the text.
      throw authFileError(path, 'is not JSON')
    }
    const auths = new Map<string, unknown>()
    for (const [key, entry] of entriesOf(path, document, 'auths')) {
      const name = normalizeKey(key)
      // Of two spellings of one name the more exact one was read first.
      if (!auths.has(name) || key === name) auths.set(name, entry)
    }
    const helpers = new Map<string, string>()
    for (const [key, helper] of entriesOf(path, document, 'credHelpers')) {
      if (typeof helper !== 'string') throw authFileError(path, `has a credHelpers entry that is no text`)
      helpers.set(hostOf(normalizeKey(key)), helper)
    }
    const store = fieldOf(document, 'credsStore')
    if (store !== undefined && typeof store !== 'string') throw authFileError(path, 'has a credsStore that is no text')
    return new AuthFile(path, auths, helpers, store === '' ? undefined : store)
  }

  /** Hosts, and repositories of hosts, that have an entry. */
  get registries(): readonly string[] {
    return [...new Set([...this.#auths.keys(), ...this.#helpers.keys()])]
  }

  /** Names of the helpers that may be asked. */
  get helpers(): readonly string[] {
    const helpers = [...this.#helpers.values(), this.#store ?? '']
    return [...new Set(helpers.filter((helper) => helper !== ''))]
  }

  /**
   * Looks a target up: a helper for its host, then entries from the repository's full path down to the host, then the
   * general store. The store is only a place to look; it may not know the host.
   *
   * @throws {TareError} `AUTH_FILE` when the entry that applies is broken
   */
  find(target: CredentialTarget): CredentialLocation | undefined {
    const host = normalizeKey(target.registry)
    const server = host === 'docker.io' ? DOCKER_HUB_KEY : host
    const helper = this.#helpers.get(host)
    if (helper !== undefined && helper !== '') return { kind: 'helper', helper, server }
    let name = target.repository === undefined ? host : `${host}/${target.repository}`
    while (name !== '') {
      const credentials = this.#auths.has(name) ? readEntry(this.path, name, this.#auths.get(name)) : undefined
      if (credentials !== undefined) return { kind: 'found', credentials }
      name = name.slice(0, Math.max(name.lastIndexOf('/'), 0))
    }
    // `credHelpers: { host: "" }` opts that host out of the store.
    if (this.#store === undefined || helper === '') return undefined
    return { kind: 'helper', helper: this.#store, server }
  }
}

/** `https://host/v1/`, `host/v1/`, `host` → `host`; `host/path` stays; all names of Docker Hub become one. */
function normalizeKey(key: string): string {
  const bare = key.replace(/^https?:\/\//, '')
  const name = bare === key ? bare.replace(/(?:\/v[12])?\/*$/, '') : hostOf(bare)
  const host = hostOf(name)
  return DOCKER_HUB_HOSTS.has(host) ? `docker.io${name.slice(host.length)}` : name
}

function hostOf(name: string): string {
  return name.split('/', 1)[0] ?? ''
}

/** Credentials of an entry; `undefined` for an empty one, which docker leaves where a store has the secret. */
function readEntry(path: string, name: string, entry: unknown): Credentials | undefined {
  const text = (field: string): string => {
    const value = fieldOf(entry, field)
    if (value !== undefined && typeof value !== 'string') {
      throw authFileError(path, `has an entry for ${name} whose ${field} is no text`)
    }
    return value ?? ''
  }
  const registryToken = text('registrytoken')
  if (registryToken !== '') return { kind: 'registry-token', token: registryToken }
  const identityToken = text('identitytoken')
  if (identityToken !== '') return { kind: 'identity-token', token: identityToken }
  const auth = text('auth')
  if (auth !== '') {
    const decoded = Buffer.from(auth, 'base64').toString('utf8')
    const colon = decoded.indexOf(':')
    if (colon <= 0) throw authFileError(path, `has an entry for ${name} whose auth is not base64 of USER:PASSWORD`)
    // Docker pads what it stores with NULs.
    const password = decoded.slice(colon + 1).replace(/\0+$/, '')
    return { kind: 'basic', username: decoded.slice(0, colon), password }
  }
  const username = text('username')
  return username === '' ? undefined : { kind: 'basic', username, password: text('password') }
}

function entriesOf(path: string, document: unknown, field: string): readonly [string, unknown][] {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw authFileError(path, 'is not a JSON object')
  }
  const value = fieldOf(document, field)
  if (value === undefined || value === null) return []
  if (typeof value !== 'object' || Array.isArray(value)) throw authFileError(path, `has ${field} that are no object`)
  const entries = Object.entries(value)
  if (entries.length > MAX_ENTRIES) throw authFileError(path, `has more than ${MAX_ENTRIES} ${field}`)
  return entries
}

function fieldOf(value: unknown, field: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, field)) return undefined
  return (value as Readonly<Record<string, unknown>>)[field]
}

function authFileError(path: string, problem: string): TareError {
  return new TareError('AUTH_FILE', `${path} ${problem}`, {
    hint: 'Log in again, or pass another file with --authfile',
  })
}
