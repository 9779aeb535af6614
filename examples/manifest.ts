/**
 * `npm run -s example:manifest`: an index of images that lie in archives and in a registry, made, annotated and pushed to
 * Debian's registry, and read there by skopeo, containerd and podman. podman pushes the same members: same digest.
 */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { digestOf } from '../src/stream/index.ts'
import { startContainerd } from '../test/support/containerd.ts'
import { startDebianRegistry } from '../test/support/debian-registry.ts'
import { runPeer, skipWithout } from '../test/support/peers.ts'
import { openPodmanStore } from '../test/support/podman.ts'
import { temporaryDirectory } from '../test/support/temporary-directory.ts'
import { Findings } from './support/findings.ts'

const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))
const IMAGES = fileURLToPath(new URL('../fixtures/images/', import.meta.url))
const AMD64 = `oci-archive:${IMAGES}app-docker-v1.oci.tar`
const AMD64_V3 = `oci-archive:${IMAGES}app-zstd-v2.oci.tar`
const MULTI = `oci-archive:${IMAGES}app-multi-v2.oci.tar`
const ARM64_DIGEST = 'sha256:ca702ec0cc16a164f72e51581267346697a4088698f2563442758084aa69bca0'

const absent = skipWithout('docker-registry', 'skopeo', 'podman', 'containerd', 'ctr')
if (absent !== false) {
  console.error(`example:manifest: ${absent}`)
  process.exit(3)
}

await using directory = await temporaryDirectory()
await using registry = await startDebianRegistry()
await using podman = await openPodmanStore(registry.address)
const insecure = '--tls-verify=false'
const at = (name: string): string => `docker://${registry.address}/${name}`
const findings = new Findings()

/** Runs the tool with lists of its own, and shows the command. */
async function tare(...args: readonly string[]): Promise<string> {
  console.log(`$ tare ${args.map((arg) => arg.replace(IMAGES, '')).join(' ')}`)
  const env = { ...process.env, XDG_DATA_HOME: directory.path }
  const { stdout } = await promisify(execFile)(process.execPath, [MAIN, ...args], { env })
  console.log(stdout)
  return stdout
}

await tare('copy', '--platform', 'linux/arm64', MULTI, at('parts/app:arm64'), '--dest-tls-verify=false')
await tare('manifest', 'create', 'app:v1', AMD64)
await tare('manifest', 'add', 'app:v1', at('parts/app:arm64'), insecure)
await tare('manifest', 'add', 'app:v1', AMD64_V3, '--variant', 'v3')
await tare('manifest', 'annotate', 'app:v1', ARM64_DIGEST, '--annotation', 'org.example.speed=fast & <small>')
await tare('manifest', 'ls')
const place = at('app:v1')
await tare('manifest', 'push', 'app:v1', place, insecure, '--digestfile', directory.join('digest'))
const digest = await readFile(directory.join('digest'), 'utf8')

const raw = (await runPeer('skopeo', ['inspect', '--raw', insecure, place])).stdout
findings.is('skopeo inspect --raw', digestOf(Buffer.from(raw)), digest)
await runPeer('skopeo', ['copy', '-q', '--all', '--src-tls-verify=false', place, `dir:${directory.join('copy')}`])
findings.is('skopeo copy --all', digestOf(await readFile(directory.join('copy', 'manifest.json'))), digest)
const arm = ['inspect', insecure, '--override-arch', 'arm64', '--format', '{{.Architecture}}', place]
findings.is('skopeo picks', (await runPeer('skopeo', arm)).stdout.trim(), 'arm64')

{
  await using containerd = await startContainerd()
  const name = `${registry.address}/app:v1`
  await containerd.ctr('content', 'fetch', '--plain-http', '--all-platforms', name)
  const listed = await containerd.ctr('images', 'ls')
  findings.is('ctr content fetch', /sha256:[0-9a-f]{64}/.exec(listed)?.[0] ?? 'nothing', digest)
}

await podman.podman('pull', '-q', insecure, '--arch', 'arm64', `${registry.address}/app:v1`)
const pulled = await podman.podman('image', 'inspect', '--format', '{{.Architecture}}', `${registry.address}/app:v1`)
findings.is('podman pull picks', pulled.stdout.trim(), 'arm64')

await podman.podman('manifest', 'create', 'app:v1', AMD64)
await podman.podman('manifest', 'add', insecure, 'app:v1', at('parts/app:arm64'))
await podman.podman('manifest', 'add', '--variant', 'v3', 'app:v1', AMD64_V3)
const annotation = ['--annotation', 'org.example.speed=fast & <small>']
await podman.podman('manifest', 'annotate', ...annotation, 'app:v1', ARM64_DIGEST)
const theirFile = directory.join('their-digest')
await podman.podman('manifest', 'push', '--all', insecure, '--digestfile', theirFile, 'app:v1', at('podman/app:v1'))
findings.is('podman manifest push', await readFile(theirFile, 'utf8'), digest)

findings.conclude()
