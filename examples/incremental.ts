/**
 * `npm run -s example:incremental`: two registries of Debian's, each with a user of its own. The difference between two
 * releases is pulled with both credentials into a file, vetted, and pushed to a third repository, where skopeo finds the
 * digests it should. The same with all platforms of an index, byte for byte, and with a base in another compression.
 */
import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { digestOf } from '../src/stream/index.ts'
import { startDebianRegistry } from '../test/support/debian-registry.ts'
import { runPeer, skipWithout } from '../test/support/peers.ts'
import { temporaryDirectory } from '../test/support/temporary-directory.ts'
import { Findings } from './support/findings.ts'

const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))
const IMAGES = fileURLToPath(new URL('../fixtures/images/', import.meta.url))
const ALICE = { username: 'alice', password: 'secret-a' }
const BOB = { username: 'bob', password: 'secret-b' }

const absent = skipWithout('docker-registry', 'htpasswd', 'skopeo')
if (absent !== false) {
  console.error(`example:incremental: ${absent}`)
  process.exit(3)
}

await using directory = await temporaryDirectory()
await using here = await startDebianRegistry({ user: BOB })
await using there = await startDebianRegistry({ user: ALICE })
const findings = new Findings()
const build = (name: string): string => `docker://${here.address}/build/${name}`
const site = (name: string): string => `docker://${there.address}/${name}`
const fixture = (name: string): string => `oci-archive:${IMAGES}${name}.oci.tar`

const insecure = '--tls-verify=false'
const alice = `${ALICE.username}:${ALICE.password}`
const bob = `${BOB.username}:${BOB.password}`

/** Runs the tool with a cache of its own, and shows the command. */
async function tare(...args: readonly string[]): Promise<string> {
  console.log(`$ tare ${args.map((arg) => arg.replace(IMAGES, '').replace(`${directory.path}/`, '')).join(' ')}`)
  const env = { ...process.env, XDG_CACHE_HOME: directory.join('cache') }
  const { stdout } = await promisify(execFile)(process.execPath, [MAIN, ...args], { env })
  console.log(stdout)
  return stdout
}

/** What one side has, as skopeo sees it. */
async function raw(place: string, credentials: string): Promise<Buffer> {
  return Buffer.from((await runPeer('skopeo', ['inspect', '--raw', insecure, '--creds', credentials, place])).stdout)
}

/** Pulls where everything is built, vets and pushes where everything is used. */
async function carry(base: string, final: string, target: string, ...options: readonly string[]): Promise<void> {
  const archive = directory.join('carried.tar')
  const credentials = ['--base-creds', alice, '--final-creds', bob]
  await tare('incremental', 'pull', insecure, ...credentials, ...options, '--base', base, final, archive)
  await tare('incremental', 'vet', insecure, '--creds', alice, archive, target)
  await tare('incremental', 'push', insecure, '--creds', alice, archive, target)
}

for (const [name, image] of [
  ['app', 'app-docker'],
  ['app-multi', 'app-multi'],
] as const) {
  await tare('copy', fixture(`${image}-v1`), site(`apps/${name}:v1`), '--dest-tls-verify=false', '--dest-creds', alice)
  await tare('copy', fixture(`${image}-v2`), build(`${name}:v2`), '--dest-tls-verify=false', '--dest-creds', bob)
}

// Every layer of these releases is new. What it is worth that layers are there already shows further down.
await carry(site('apps/app:v1'), build('app:v2'), site('mirror/app:v2'))
const digest = digestOf(await raw(build('app:v2'), bob))
findings.is('app:v2', digestOf(await raw(site('mirror/app:v2'), alice)), digest)

await carry(site('apps/app-multi:v1'), build('app-multi:v2'), site('mirror/app-multi:v2'), '--all-platforms')
const [index, carried] = [await raw(build('app-multi:v2'), bob), await raw(site('mirror/app-multi:v2'), alice)]
findings.is('app-multi:v2', digestOf(carried), digestOf(index))
findings.is('its bytes', carried.equals(index) ? 'equal' : 'other ones', 'equal')
// A copy made by Debian's skopeo would lack it.
findings.is('its artifactType', carried.includes('"artifactType"') ? 'there' : 'lost', 'there')
const copied = directory.join('copy')
const everything = ['copy', '-q', '--all', '--src-tls-verify=false', '--src-creds', alice]
await runPeer('skopeo', ['--insecure-policy', ...everything, site('mirror/app-multi:v2'), `dir:${copied}`])
const blobs = (await readdir(copied)).filter((name) => /^[0-9a-f]{64}$/.test(name))
findings.is('skopeo copy --all', `${blobs.length} blobs`, '4 blobs')

// Now the site has every layer of v2: nothing is carried but manifest and config, nothing is sent but those.
await carry(site('mirror/app:v2'), build('app:v2'), site('again/app:v2'))
findings.is('app:v2 again', digestOf(await raw(site('again/app:v2'), alice)), digest)

// The same release as docker save has it, compressed by skopeo: other digests, the same content.
const saved = ['copy', '-q', '--dest-tls-verify=false', '--dest-creds', alice]
const from = directory.join('saved.tar')
await runPeer('sh', ['-c', 'zstd -dqc "$0" > "$1"', `${IMAGES}app-docker-save-v2.tar.zst`, from])
await runPeer('skopeo', ['--insecure-policy', ...saved, `docker-archive:${from}`, site('saved/app:v2')])
await carry(site('saved/app:v2'), build('app:v2'), site('saved/app:exact'), '--match', 'diffid')
findings.is('app:v2 made again', digestOf(await raw(site('saved/app:exact'), alice)), digest)

findings.conclude()
