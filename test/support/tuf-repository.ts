import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import canonicalize from 'canonicalize'

/** A TUF repository that serves one target; dispose to end its server. */
export interface TufRepository extends AsyncDisposable {
  readonly url: URL
  /** A root to begin with, as a client has it. */
  readonly rootPath: string
  /** What was asked for. */
  readonly requests: readonly string[]
}

/** How a repository is made. */
export interface TufRepositoryOptions {
  /** Directory that the root is written to. */
  readonly directory: string
  /** The content of `trusted_root.json`. */
  readonly target: Uint8Array
  /** What is served in the target's place. */
  readonly servedTarget?: Uint8Array | undefined
  /** @default in a day */
  readonly expires?: Date | undefined
}

const SPEC_VERSION = '1.0.31'

/**
 * Serves a repository with one key for all roles, and without consistent snapshots.
 *
 * @see https://theupdateframework.github.io/specification/v1.0.31/
 */
export async function startTufRepository(options: TufRepositoryOptions): Promise<TufRepository> {
  const { directory, target, servedTarget = target } = options
  const expires = (options.expires ?? new Date(Date.now() + 24 * 3600_000)).toISOString().replace(/\.\d+/, '')
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const keyval = { public: publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex') }
  const key = { keytype: 'ed25519', scheme: 'ed25519', keyval }
  const keyid = createHash('sha256').update(canonical(key)).digest('hex')
  const signed = (part: Readonly<Record<string, unknown>>): Buffer => {
    const body = { spec_version: SPEC_VERSION, version: 1, expires, ...part }
    const sig = sign(null, Buffer.from(canonical(body)), privateKey).toString('hex')
    return Buffer.from(JSON.stringify({ signatures: [{ keyid, sig }], signed: body }))
  }
  const role = { keyids: [keyid], threshold: 1 }
  const root = signed({
    _type: 'root',
    consistent_snapshot: false,
    // The root itself has to last, or the client would not even begin.
    expires: '2099-01-01T00:00:00Z',
    keys: { [keyid]: key },
    roles: { root: role, timestamp: role, snapshot: role, targets: role },
  })
  const sha256 = createHash('sha256').update(target).digest('hex')
  const targets = signed({
    _type: 'targets',
    targets: { 'trusted_root.json': { length: target.length, hashes: { sha256 } } },
  })
  const files = new Map<string, Uint8Array>([
    ['/timestamp.json', signed({ _type: 'timestamp', meta: { 'snapshot.json': { version: 1 } } })],
    ['/snapshot.json', signed({ _type: 'snapshot', meta: { 'targets.json': { version: 1 } } })],
    ['/targets.json', targets],
    ['/targets/trusted_root.json', servedTarget],
    [`/targets/${sha256}.trusted_root.json`, servedTarget],
  ])
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(request.url ?? '')
    const file = files.get(request.url ?? '')
    response.writeHead(file === undefined ? 404 : 200).end(file)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  await mkdir(directory, { recursive: true })
  const rootPath = `${directory}/initial-root.json`
  await writeFile(rootPath, root)
  return {
    url: new URL(`http://127.0.0.1:${portOf(server)}`),
    rootPath,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** TUF's canonical form differs from RFC 8785 in numbers and escapes alone, and there are none of either here. */
function canonical(value: unknown): string {
  return canonicalize(value) ?? ''
}

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
