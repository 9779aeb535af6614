/**
 * Copying a layer of 100 MB from a registry into an OCI layout: memory, and time against skopeo in the same run. Uses the
 * built package: `npm run build` first.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { copyImage } from '../src/image/index.ts'
import { FileRegistryStorage, startRegistry } from '../src/registry/index.ts'
import { openDestination, openSource } from '../src/transport/index.ts'
import { writeImage, tarOf } from '../test/support/image-builder.ts'
import { skipWithout } from '../test/support/peers.ts'
import { temporaryDirectory } from '../test/support/temporary-directory.ts'
import { type BenchResult, median } from './support/result.ts'

const LAUNCHER = fileURLToPath(new URL('../bin/tare.js', import.meta.url))
const LAYER_BYTES = 100e6
const RUNS = 5
/** Makes the process tell at its very end how much memory it had at most. */
const TELL_MEMORY = `data:text/javascript,process.on('exit',()=>console.error('maxRSS='+process.resourceUsage().maxRSS))`

export const name = 'copy'

export async function run(): Promise<readonly BenchResult[]> {
  await using directory = await temporaryDirectory()
  const local = `oci:${directory.join('image')}:v1`
  await writeImage(local, { layers: [tarOf({ noise: randomBytes(LAYER_BYTES) })] })
  await using registry = await startRegistry({ storage: await FileRegistryStorage.open(directory.join('registry')) })
  const remote = `docker://${registry.address}/app:v1`
  await using source = await openSource(local)
  await using destination = await openDestination(remote, { registry: { tlsVerify: false } })
  await copyImage(source, destination)

  const output = directory.join('copy')
  const peaks: number[] = []
  const ours = await timesOf(output, async () => {
    const args = ['--import', TELL_MEMORY, LAUNCHER, 'copy', remote, `oci:${output}:v1`, '--tls-verify=false']
    const { stderr } = await promisify(execFile)(process.execPath, args)
    peaks.push((Number(/maxRSS=(\d+)/.exec(stderr)?.[1]) * 1024) / 1e6)
  })
  const what = `100 MB layer, registry → oci:`
  const results: BenchResult[] = [
    { what: `${what}, peak memory`, value: Math.max(...peaks), unit: 'MB', limit: 150, note: `highest of ${RUNS}` },
    { what: `${what}, time`, value: median(ours), unit: 'ms', note: `median of ${RUNS}` },
  ]
  if (skipWithout('skopeo') !== false) return results
  const theirs = await timesOf(output, async () => {
    await promisify(execFile)('skopeo', ['copy', '--src-tls-verify=false', remote, `oci:${output}:v1`])
  })
  const ratio = median(ours) / median(theirs)
  return [
    ...results,
    {
      what: `${what}, time`,
      value: ratio,
      unit: '× skopeo',
      limit: 1.3,
      note: `skopeo ${median(theirs).toFixed(0)} ms`,
    },
  ]
}

async function timesOf(output: string, copy: () => Promise<void>): Promise<readonly number[]> {
  const times: number[] = []
  for (let at = 0; at < RUNS; at++) {
    await rm(output, { recursive: true, force: true })
    const begun = performance.now()
    await copy()
    times.push(performance.now() - begun)
  }
  return times
}
