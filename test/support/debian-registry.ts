import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { runPeer } from './peers.ts'
import { temporaryDirectory, type TemporaryDirectory } from './temporary-directory.ts'

/** Programs that {@link startDebianRegistry} needs in all its modes together. */
export const DEBIAN_REGISTRY_PROGRAMS: readonly string[] = ['docker-registry', 'htpasswd', 'openssl']

/** How Debian's registry is run. */
export interface DebianRegistryOptions {
  /** Lets in this user alone. */
  readonly user?: { readonly username: string; readonly password: string } | undefined
  /** `mutual` wants a client certificate too. @default 'none' */
  readonly tls?: 'none' | 'server' | 'mutual' | undefined
  /** Takes Docker schema 1 manifests too. @default false */
  readonly schema1?: boolean | undefined
}

/** Debian's registry, running on a free port over a directory of its own; dispose to end both. */
export interface DebianRegistry extends AsyncDisposable {
  /** Host and port. */
  readonly address: string
  /** A directory as `--cert-dir` wants it: the authority, and the client certificate in mode `mutual`. */
  readonly certDir: string | undefined
}

/** Starts `/usr/bin/docker-registry`, deletion allowed. */
export async function startDebianRegistry(options: DebianRegistryOptions = {}): Promise<DebianRegistry> {
  await using stack = new AsyncDisposableStack()
  const directory = stack.use(await temporaryDirectory())
  const { user, tls = 'none' } = options
  const certDir = tls === 'none' ? undefined : await makeCertificates(directory, tls)
  const address = `127.0.0.1:${await freePort()}`
  const http: Record<string, unknown> = { addr: address }
  if (tls !== 'none') {
    const clientcas = tls === 'mutual' ? { clientcas: [directory.join('ca.crt')] } : {}
    http['tls'] = { certificate: directory.join('server.pem'), key: directory.join('server.key'), ...clientcas }
  }
  const configuration: Record<string, unknown> = {
    version: '0.1',
    log: { accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: directory.join('content') }, delete: { enabled: true } },
    http,
    ...(options.schema1 === true ? { compatibility: { schema1: { enabled: true } } } : {}),
  }
  if (user !== undefined) {
    const { stdout } = await runPeer('htpasswd', ['-Bbn', '-C', '4', user.username, user.password])
    await writeFile(directory.join('htpasswd'), stdout)
    configuration['auth'] = { htpasswd: { realm: 'test', path: directory.join('htpasswd') } }
  }
  // JSON is YAML.
  await writeFile(directory.join('registry.yml'), JSON.stringify(configuration))
  const child = spawn('docker-registry', ['serve', directory.join('registry.yml')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  stack.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  })
  await listening(child)
  const owned = stack.move()
  return { address, certDir, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

async function listening(child: ChildProcess & { readonly stderr: NodeJS.ReadableStream }): Promise<void> {
  const log: string[] = []
  await new Promise<void>((resolve, reject) => {
    createInterface(child.stderr).on('line', (line) => {
      log.push(line)
      if (line.includes('listening on')) resolve()
    })
    child.once('error', reject)
    child.once('exit', () => reject(new Error(`docker-registry ended:\n${log.slice(-5).join('\n')}`)))
  })
}

/**
 * Makes an authority with a server's certificate (`server.pem`, `server.key`) for this machine in a directory.
 *
 * @returns the directory of what a client needs: `ca.crt`, and `client.cert` and `client.key` in mode `mutual`
 */
export async function makeCertificates(directory: TemporaryDirectory, tls: 'server' | 'mutual'): Promise<string> {
  const cwd = directory.path
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const openssl = (...args: readonly string[]): Promise<unknown> => runPeer('openssl', args, { cwd })
  await openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    'ca.key',
    '-out',
    'ca.crt',
    '-days',
    '2',
    '-subj',
    '/CN=Test authority',
  )
  await writeFile(directory.join('server.ext'), 'subjectAltName=IP:127.0.0.1')
  await writeFile(directory.join('client.ext'), 'extendedKeyUsage=clientAuth')
  const certDir = directory.join('certs')
  await mkdir(certDir)
  const issue = async (name: string, keyPath: string, certPath: string): Promise<void> => {
    await openssl('req', ...key, '-keyout', keyPath, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
    const signed = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', `${name}.ext`, '-days', '2']
    await openssl('x509', '-req', '-in', `${name}.csr`, ...signed, '-out', certPath)
  }
  await issue('server', 'server.key', 'server.pem')
  if (tls === 'mutual') await issue('client', 'certs/client.key', 'certs/client.cert')
  await runPeer('cp', ['ca.crt', 'certs/ca.crt'], { cwd })
  return certDir
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
