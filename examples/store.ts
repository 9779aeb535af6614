/**
 * `npm run -s example:store`: the local store from end to end. Archives are taken in, an image goes to Zstandard and back
 * with the same digests, an archive goes out that skopeo and containerd read; a release is pulled from Debian's registry
 * with the one before it in the store, as a whole and as a delta; and docker gets it through the same delta, from layers
 * that docker has itself. Parts whose programs are not here are left out, or with `REQUIRE_PEERS=1` fail.
 */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { digestOf } from '../src/stream/index.ts'
import { startContainerd } from '../test/support/containerd.ts'
import { cuttingProxy } from '../test/support/cutting-proxy.ts'
import { startDebianRegistry } from '../test/support/debian-registry.ts'
import { NEEDS_ROOT, runDockerd } from '../test/support/engine-daemons.ts'
import { runPeer, skipWithout } from '../test/support/peers.ts'
import { temporaryDirectory } from '../test/support/temporary-directory.ts'
import { Findings } from './support/findings.ts'

/** What `tare inspect` tells of an image. */
interface Inspected {
  readonly digest: string
  readonly manifests: readonly {
    readonly config: { readonly digest: string }
    readonly layers: readonly { readonly digest: string; readonly sizeBytes: number }[]
  }[]
}

const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))
const IMAGES = fileURLToPath(new URL('../fixtures/images/', import.meta.url))
const INSECURE = '--tls-verify=false'

await using directory = await temporaryDirectory()
const findings = new Findings()

/** Runs the tool over a store of its own and a cache of its own, and shows the command. */
async function tare(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const shown = args.map((arg) => arg.replace(IMAGES, '').replaceAll(`${directory.path}/`, ''))
  console.log(`$ tare ${shown.join(' ')}`)
  const own = {
    TARE_STORE: directory.join('store'),
    XDG_CACHE_HOME: directory.join('cache'),
    CONTAINERD_ADDRESS: directory.join('no-containerd.sock'),
    DOCKER_HOST: `unix://${directory.join('no-docker.sock')}`,
  }
  const options = { env: { ...process.env, ...own, ...env }, maxBuffer: 2 ** 26 }
  const { stdout } = await promisify(execFile)(process.execPath, [MAIN, ...args], options)
  console.log(args.includes('--json') ? '' : stdout)
  return stdout
}

async function result(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<unknown> {
  const { result: found } = JSON.parse(await tare([...args, '--json'], env)) as { readonly result: unknown }
  return found
}

async function inspect(reference: string): Promise<Inspected> {
  return (await result(['inspect', reference, INSECURE])) as Inspected
}

/** Does a part, unless its programs are not here. */
async function part(what: string, absent: string | false, work: () => Promise<void>): Promise<void> {
  if (absent === false) await work()
  else findings.leftOut(what, absent)
}

/** Config and layers of one platform, in short. */
function blobsOf({ manifests }: Inspected): string {
  const [manifest] = manifests
  const digests = [manifest?.config, ...(manifest?.layers ?? [])].map((blob) => blob?.digest.slice(7, 19))
  return digests.join(' ')
}

// Archives of four tools, in one store. The names are those of the archives, or made of the base name and the tag.
const archives = ['app-docker-v1.oci.tar', 'app-zstd-v2.oci.tar', 'app-docker-save-v1.tar.gz', 'app-multi-v2.oci.tar']
for (const file of archives) {
  const base = file.replace(/-v.*$/, '')
  await tare(['image', 'import', '--base-name', `example.org/${base}`, '--digests', `${IMAGES}${file}`])
}
await tare(['image', 'ls'])
await tare(['image', 'check', '--all-platforms'])
const V1 = 'store:example.org/app-docker:v1'
const v1 = await inspect(V1)

// To Zstandard and back: Docker's layers come back as they were, and a manifest of our own too.
await tare(['image', 'convert', '--oci', 'example.org/app-docker:v1', 'app:oci'])
await tare(['image', 'convert', '--zstd', 'app:oci', 'app:zstd'])
await tare(['image', 'convert', '--gzip', 'app:zstd', 'app:back'])
const [oci, zstd, back] = [
  await inspect('store:app:oci'),
  await inspect('store:app:zstd'),
  await inspect('store:app:back'),
]
findings.is('zstd and back: blobs', blobsOf(back), blobsOf(v1))
findings.is('zstd and back: manifest', back.digest, oci.digest)

await tare(['image', 'export', directory.join('zstd.tar'), 'app:zstd'])
await part('ctr images import', skipWithout('containerd', 'ctr'), async () => {
  await using containerd = await startContainerd()
  await containerd.ctr('images', 'import', '--no-unpack', directory.join('zstd.tar'))
  const listed = await containerd.ctr('images', 'ls')
  findings.is('ctr images import', /sha256:[0-9a-f]{64}/.exec(listed)?.[0] ?? 'nothing', zstd.digest)
  const [, status] = /(complete|incomplete) \(/.exec(await containerd.ctr('images', 'check')) ?? []
  findings.is('ctr images check', status ?? 'nothing', 'complete')
})
await part('skopeo copy', skipWithout('skopeo'), async () => {
  await runPeer('skopeo', ['copy', '-q', `oci-archive:${directory.join('zstd.tar')}`, `dir:${directory.join('copy')}`])
  findings.is(
    'skopeo copy oci-archive:',
    digestOf(await readFile(directory.join('copy', 'manifest.json'))),
    zstd.digest,
  )
})

const absent = skipWithout('docker-registry')
await part('pull', absent, async () => {
  await using registry = await startDebianRegistry()
  await using counted = await cuttingProxy(registry.address)
  const at = (name: string): string => `${counted.address}/${name}`
  await tare([
    'copy',
    `oci-archive:${IMAGES}app-docker-v2.oci.tar`,
    `docker://${at('app:v2')}`,
    '--dest-tls-verify=false',
  ])
  const v2 = await inspect(`docker://${at('app:v2')}`)
  const sizeBytes = (v2.manifests[0]?.layers ?? []).reduce((sum, layer) => sum + layer.sizeBytes, 0)

  /** Bytes that come from the registry meanwhile, heads and all. */
  const received = async (work: () => Promise<unknown>): Promise<number> => {
    const before = counted.downBytes
    await work()
    return counted.downBytes - before
  }
  // These releases have no layer in common, so all of v2 comes; the second time it is there.
  const whole = await received(() => tare(['pull', INSECURE, at('app:v2')]))
  const again = await received(() => tare(['pull', INSECURE, at('app:v2'), 'app:again']))
  findings.isBelow('pull of v2', whole, sizeBytes + 20_000)
  findings.isBelow('pull of v2 once more', again, 20_000)

  await part('delta into docker', skipWithout('dockerd', 'docker') || NEEDS_ROOT, async () => {
    await using engine = await runDockerd()
    const docker = { DOCKER_HOST: engine.host }
    await tare(['copy', V1, 'docker-daemon:app:v1'], docker)
    // Against what docker has unpacked. The delta goes into the registry, beside the image.
    await tare(
      ['diff', 'docker-daemon:app:v1', `docker://${at('app:v2')}`, directory.join('app.tare'), INSECURE],
      docker,
    )
    const delta = `docker://${at('app:v1-v2.delta')}`
    await tare(['copy', `oci-archive:${directory.join('app.tare')}`, delta, '--dest-tls-verify=false'])

    // The store as it was before v2 came, with v1: that is found by itself.
    await tare(['image', 'rm', '--sync', at('app:v2'), 'app:again'])
    const taken = await received(() => tare(['apply', delta, `store:${at('app:v2')}`, '--src-tls-verify=false']))
    findings.isBelow('apply of a pulled delta', taken, whole / 2)
    findings.is('apply into the store', (await inspect(`store:${at('app:v2')}`)).digest, v2.digest)

    await tare(['apply', directory.join('app.tare'), 'docker-daemon:app:v1', 'docker-daemon:app:v2'], docker)
    const imageId = await engine.docker('image', 'inspect', '--format', '{{.Id}}', 'app:v2')
    findings.is('docker image ID', imageId, v2.manifests[0]?.config.digest ?? 'none')
    const layers = await engine.docker('image', 'inspect', '--format', '{{len .RootFS.Layers}}', 'app:v2')
    findings.is('docker image layers', layers, String(v2.manifests[0]?.layers.length))
  })
})

findings.conclude()
