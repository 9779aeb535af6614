/**
 * Pushing an index of 8 platforms that share 5 layers from a layout to Debian's registry: time against skopeo in the same
 * run, and blobs that were sent. Uses the built package: `npm run build` first.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { DEBIAN_REGISTRY_PROGRAMS, startDebianRegistry } from '../test/support/debian-registry.ts'
import { tarOf, writeIndex } from '../test/support/image-builder.ts'
import { skipWithout } from '../test/support/peers.ts'
import { temporaryDirectory } from '../test/support/temporary-directory.ts'
import { type BenchResult, median } from './support/result.ts'

const LAUNCHER = fileURLToPath(new URL('../bin/tare.js', import.meta.url))
const PLATFORMS = ['amd64', '386', 'arm64', 'ppc64le', 's390x', 'riscv64', 'mips64le', 'loong64']
const LAYER_BYTES = 8e6
const RUNS = 5

export const name = 'manifest'

export async function run(): Promise<readonly BenchResult[]> {
  const reason = skipWithout('skopeo', ...DEBIAN_REGISTRY_PROGRAMS)
  if (reason !== false) throw new Error(reason)
  await using directory = await temporaryDirectory()
  await using registry = await startDebianRegistry()
  const env = { ...process.env, XDG_DATA_HOME: directory.join('data') }
  const tare = async (...args: readonly string[]): Promise<string> =>
    (await promisify(execFile)(process.execPath, [LAUNCHER, 'manifest', ...args], { env })).stdout
  const ours: number[] = []
  const theirs: number[] = []
  let blobs = 0
  for (let at = 0; at < RUNS; at++) {
    // Anew each time: skopeo remembers in which repository it has put a blob, and does not send it again.
    const [ourIndex, theirIndex] = [
      `oci:${directory.join(`ours-${at}`)}:v1`,
      `oci:${directory.join(`theirs-${at}`)}:v1`,
    ]
    for (const index of [ourIndex, theirIndex]) await writeSharingIndex(index)
    await tare('create', `app:${at}`, '--all', ourIndex)
    ours.push(
      await timeOf(async () => {
        const destination = `docker://${registry.address}/ours-${at}:v1`
        const pushed = await tare('push', `app:${at}`, destination, '--tls-verify=false', '--json')
        blobs = (JSON.parse(pushed) as { readonly result: { readonly blobs: readonly unknown[] } }).result.blobs.length
      }),
    )
    const destination = `docker://${registry.address}/theirs-${at}:v1`
    const args = ['copy', '--all', '--quiet', '--dest-tls-verify=false', theirIndex, destination]
    theirs.push(await timeOf(() => promisify(execFile)('skopeo', args)))
  }
  const what = `index of ${PLATFORMS.length} platforms × 5 shared layers of 8 MB, oci: → registry`
  return [
    {
      what: `${what}, blobs sent`,
      value: blobs,
      unit: 'blobs',
      note: 'each once: 5 shared, 8 own, 8 configs',
      limit: 21,
    },
    { what: `${what}, time`, value: median(ours), unit: 'ms', note: `median of ${RUNS}` },
    {
      what: `${what}, time`,
      value: median(ours) / median(theirs),
      unit: '× skopeo',
      limit: 1,
      note: `skopeo ${median(theirs).toFixed(0)} ms`,
    },
  ]
}

/** Layers that do not compress, in gzip, so that nobody compresses them. */
async function writeSharingIndex(reference: string): Promise<void> {
  const shared = Array.from({ length: 5 }, (_, at) => tarOf({ [`layer-${at}`]: randomBytes(LAYER_BYTES) }))
  await writeIndex(
    reference,
    PLATFORMS.map((architecture) => ({
      layers: [...shared, tarOf({ architecture })],
      compression: (tar) => gzipSync(tar, { level: 0 }),
      platform: { os: 'linux', architecture },
    })),
  )
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}
