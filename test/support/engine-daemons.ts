import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { freePort, makeCertificates } from './debian-registry.ts'
import { runPeer } from './peers.ts'
import { type TemporaryDirectory, temporaryDirectory } from './temporary-directory.ts'

/** Reason to skip tests that start engines. */
export const NEEDS_ROOT: string | false = process.getuid?.() === 0 ? false : 'engines need root'

/** Longest wait for a daemon to answer, and to end. */
const PATIENCE_MS = 60_000
const PAUSE_MS = 100

/** Debian's Docker in directories of its own; dispose to end it. */
export interface RunningDockerd extends AsyncDisposable {
  /** As in `DOCKER_HOST`. */
  readonly host: string
  /** As in `DOCKER_CERT_PATH`, where it was started with TLS. */
  readonly certificateDirectory: string | undefined
  /** Runs Docker's own client. @returns what it printed */
  docker(...args: readonly string[]): Promise<string>
}

/** How {@link runDockerd} starts it. */
export interface DockerdOptions {
  /** On a TCP port, for one client certificate. @default false */
  readonly tls?: boolean | undefined
  /** @default 'dockerd' */
  readonly program?: string | undefined
  /** Socket of the containerd that keeps the images: blobs as they came. @default none: layers, unpacked */
  readonly containerd?: string | undefined
}

/** Starts `dockerd`, without a network of its own. */
export async function runDockerd(options: DockerdOptions = {}): Promise<RunningDockerd> {
  await using stack = new AsyncDisposableStack()
  const directory = stack.use(await temporaryDirectory())
  const socket = `unix://${directory.join('d.sock')}`
  const storage =
    options.containerd === undefined
      ? ['--storage-driver=vfs']
      : ['--storage-driver=native', '--feature=containerd-snapshotter=true', '--containerd', options.containerd]
  const args = ['--iptables=false', '--ip-forward=false', '--bridge=none', ...storage]
  const own = ['--data-root', 'data', '--exec-root', 'exec', '--pidfile', 'pid'].map((text) =>
    text.startsWith('--') ? text : directory.join(text),
  )
  const remote = options.tls === true ? await tlsArguments(directory) : undefined
  const docker = async (...client: readonly string[]): Promise<string> =>
    (await runPeer('docker', ['--host', socket, ...client])).stdout.trim()
  const hosts = ['--host', socket, ...(remote?.args ?? [])]
  stack.use(await runDaemon(options.program ?? 'dockerd', [...args, ...own, ...hosts], () => docker('info')))
  const owned = stack.move()
  return {
    host: remote?.host ?? socket,
    certificateDirectory: remote?.certificateDirectory,
    docker,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

interface TlsArguments {
  readonly args: readonly string[]
  readonly host: string
  readonly certificateDirectory: string
}

async function tlsArguments(directory: TemporaryDirectory): Promise<TlsArguments> {
  const certDir = await makeCertificates(directory, 'mutual')
  const certificateDirectory = directory.join('client')
  await mkdir(certificateDirectory)
  await copyFile(`${certDir}/ca.crt`, `${certificateDirectory}/ca.pem`)
  await copyFile(`${certDir}/client.cert`, `${certificateDirectory}/cert.pem`)
  await copyFile(`${certDir}/client.key`, `${certificateDirectory}/key.pem`)
  const host = `tcp://127.0.0.1:${await freePort()}`
  const files = ['--tlscacert', 'ca.crt', '--tlscert', 'server.pem', '--tlskey', 'server.key']
  const paths = files.map((text) => (text.startsWith('--') ? text : directory.join(text)))
  return { args: ['--tlsverify', ...paths, '--host', host], host, certificateDirectory }
}

/** Debian's podman with its service; dispose to end it. */
export interface RunningPodman extends AsyncDisposable {
  /** As in `DOCKER_HOST`. */
  readonly host: string
  /** Runs podman over the same storage. @returns what it printed */
  podman(...args: readonly string[]): Promise<string>
}

/** Starts `podman system service` over a storage of its own. */
export async function runPodman(): Promise<RunningPodman> {
  await using stack = new AsyncDisposableStack()
  const directory = stack.use(await temporaryDirectory())
  const host = `unix://${directory.join('p.sock')}`
  const storage = ['--root', directory.join('root'), '--runroot', directory.join('run'), '--storage-driver', 'vfs']
  const podman = async (...args: readonly string[]): Promise<string> =>
    (await runPeer('podman', [...storage, ...args])).stdout.trim()
  const service = [...storage, 'system', 'service', '--time', '0', host]
  stack.use(await runDaemon('podman', service, () => runPeer('podman', ['--remote', '--url', host, 'version'])))
  const owned = stack.move()
  return { host, podman, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** A containerd in directories of its own; dispose to end it. */
export interface RunningContainerd extends AsyncDisposable {
  /** Path of its socket. */
  readonly address: string
  /** A path in its directory, for files of the test. */
  join(...parts: readonly string[]): string
  /** Runs containerd's own client. @returns what it printed */
  ctr(...args: readonly string[]): Promise<string>
}

/** A containerd and its client: Debian's, or another one. */
export interface ContainerdPrograms {
  readonly daemon: string
  readonly client: string
}

/** Debian's. */
const CONTAINERD: ContainerdPrograms = { daemon: 'containerd', client: 'ctr' }

/** Starts `containerd`, without what only Kubernetes uses. */
export async function runContainerd({ daemon, client }: ContainerdPrograms = CONTAINERD): Promise<RunningContainerd> {
  await using stack = new AsyncDisposableStack()
  const directory = stack.use(await temporaryDirectory())
  stack.defer(() => unmountBelow(directory.path))
  const address = directory.join('c.sock')
  await mkdir(directory.join('state'))
  const settings = [
    'version = 2',
    `root = "${directory.join('root')}"`,
    `state = "${directory.join('state')}"`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]',
    '[grpc]',
    `address = "${address}"`,
  ]
  await writeFile(directory.join('config.toml'), settings.join('\n'))
  const ctr = async (...args: readonly string[]): Promise<string> =>
    (await runPeer(client, ['--address', address, ...args])).stdout
  stack.use(await runDaemon(daemon, ['--config', directory.join('config.toml')], () => ctr('version')))
  const owned = stack.move()
  return {
    address,
    join: (...parts) => directory.join(...parts),
    ctr,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Newer containerds leave mounts of their own behind. */
async function unmountBelow(directory: string): Promise<void> {
  const mounts = (await readFile('/proc/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '')
  for (const mount of mounts.toReversed()) if (mount.startsWith(`${directory}/`)) await runPeer('umount', [mount])
}

/** Starts a daemon and waits until a question to it is answered. */
async function runDaemon(
  program: string,
  args: readonly string[],
  ask: () => Promise<unknown>,
): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const log: string[] = []
  const child = spawn(program, [...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  child.once('error', (error) => log.push(String(error)))
  child.stderr.on('data', (chunk: Buffer) => {
    log.push(chunk.toString())
    if (log.length > 20) log.shift()
  })
  stack.defer(() => ended(child))
  for (let waitedMs = 0; waitedMs < PATIENCE_MS && child.exitCode === null; waitedMs += PAUSE_MS) {
    try {
      await ask()
      const owned = stack.move()
      return { [Symbol.asyncDispose]: () => owned.disposeAsync() }
    } catch {
      await wait(PAUSE_MS)
    }
  }
  throw new Error(`${program} did not start:\n${log.join('')}`)
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
  await exited
  clearTimeout(timer)
}
