/**
 * A bundle of 50 images of which 45 share layers: preflight, reading of shared blobs, memory. Uses the built package:
 * `npm run build` first.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { stat, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { diffBundle, type ImagePair, preflight } from '../src/delta/index.ts'
import { openDestination, openSource } from '../src/transport/index.ts'
import { createThreadRunner } from '../src/workers/index.ts'
import { tarOf, writeImage } from '../test/support/image-builder.ts'
import { temporaryDirectory, type TemporaryDirectory } from '../test/support/temporary-directory.ts'
import { type BenchResult, median } from './support/result.ts'

const LAUNCHER = fileURLToPath(new URL('../bin/tare.js', import.meta.url))
const IMAGES = 50
const SHARING = 45
const BASE_BYTES = 8e6
const RUNS = 5
const MEMORY_MIB = 512
/** Makes the process tell at its very end how much memory it had at most. */
const TELL_MEMORY = `data:text/javascript,process.on('exit',()=>console.error('maxRSS='+process.resourceUsage().maxRSS))`

export const name = 'bundle'

export async function run(): Promise<readonly BenchResult[]> {
  await using directory = await temporaryDirectory()
  const names = Array.from({ length: IMAGES }, (_, at) => `image-${at}`)
  await writeImages(directory, names)
  const bundle = directory.join('all.tare')
  await writeBundle(directory, names, bundle)

  const times: number[] = []
  for (let at = 0; at < RUNS; at++) {
    await using resources = new AsyncDisposableStack()
    const delta = resources.use(await openSource(`oci-archive:${bundle}`))
    const tasks = names.map((name) => ({
      name,
      baselines: async () => [resources.use(await openSource(`oci:${directory.join(name)}:v1`))],
      destination: async () => resources.use(await openDestination(`oci:${directory.join(`none-${name}`)}`)),
    }))
    const begun = performance.now()
    const found = await preflight(delta, tasks)
    times.push(performance.now() - begun)
    if (found.some((image) => image.status !== 'ok')) throw new Error('preflight failed')
  }

  const listed = (kind: string, place: (name: string) => string): unknown => ({
    [kind]: Object.fromEntries(names.map((name) => [name, place(name)])),
  })
  const [baselines, outputs] = [directory.join('baselines.json'), directory.join('outputs.json')]
  await writeFile(baselines, JSON.stringify(listed('baselines', (name) => `oci:${directory.join(name)}:v1`)))
  await writeFile(outputs, JSON.stringify(listed('outputs', (name) => `oci:${directory.join(`out-${name}`)}:v2`)))
  const args = ['unbundle', bundle, baselines, outputs, '--strict', '--memory', `${MEMORY_MIB}MiB`]
  const begun = performance.now()
  const { stderr } = await promisify(execFile)(process.execPath, ['--import', TELL_MEMORY, LAUNCHER, ...args])
  const seconds = (performance.now() - begun) / 1000
  const peak = Number(/maxRSS=(\d+)/.exec(stderr)?.[1]) / 1024
  const note = `${IMAGES} images, ${SHARING} share two layers; ${((await stat(bundle)).size / 1e6).toFixed(2)} MB bundle`
  return [
    { what: 'preflight on local layouts', value: median(times), unit: 'ms', limit: 2000, note },
    { what: 'unbundle into 50 layouts', value: seconds, unit: 's', note: 'each shared blob decoded once' },
    { what: 'unbundle, peak memory', value: peak, unit: 'MiB', limit: MEMORY_MIB, note: `--memory ${MEMORY_MIB}MiB` },
  ]
}

async function writeImages(directory: TemporaryDirectory, names: readonly string[]): Promise<void> {
  const base = tarOf({ noise: randomBytes(BASE_BYTES) })
  const shared = { v1: tarOf({ 'usr/shared': pages('one') }), v2: tarOf({ 'usr/shared': pages('two') }) }
  for (const [at, name] of names.entries()) {
    for (const release of ['v1', 'v2'] as const) {
      const own = tarOf({ [`app/${name}`]: pages(`${name} ${release}`, 40) })
      const layers = at < SHARING ? [base, shared[release], own] : [tarOf({ lone: pages(name, 400) }), own]
      await writeImage(`oci:${directory.join(name)}:${release}`, { layers, compression: 'gzip' })
    }
  }
}

async function writeBundle(directory: TemporaryDirectory, names: readonly string[], path: string): Promise<void> {
  await using resources = new AsyncDisposableStack()
  const kernels = resources.use(createThreadRunner({ threads: 2 }))
  const pairs: ImagePair[] = []
  for (const name of names) {
    const baseline = resources.use(await openSource(`oci:${directory.join(name)}:v1`))
    const target = resources.use(await openSource(`oci:${directory.join(name)}:v2`))
    pairs.push({ name, baselines: [baseline], target })
  }
  const file = resources.use(await openDestination(`oci-archive:${path}`))
  await diffBundle(pairs, file, { kernels, tool: 'tare/bench' })
}

/** Text of which a release changes some lines. */
function pages(release: string, lines = 4000): string {
  return Array.from({ length: lines }, (_, line) =>
    line % 100 === 7 ? `${release} ${line}` : String(Math.imul(line, 2654435761) >>> 5),
  ).join('\n')
}
