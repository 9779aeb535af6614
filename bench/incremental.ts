/**
 * An archive of 100 images that share 30 % of their layers, pulled from Debian's registry and pushed again: bytes and
 * memory. Uses the built package: `npm run build` first.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startDebianRegistry } from '../test/support/debian-registry.ts'
import { tarOf, writeImage } from '../test/support/image-builder.ts'
import { temporaryDirectory } from '../test/support/temporary-directory.ts'
import type { BenchResult } from './support/result.ts'

const LAUNCHER = fileURLToPath(new URL('../bin/tare.js', import.meta.url))
const TELL_MEMORY = `data:text/javascript,process.on('exit',()=>console.error('maxRSS='+process.resourceUsage().maxRSS))`
const IMAGES = 100
const OWN_LAYERS = 7
const SHARED_LAYERS = 3
const LAYER_BYTES = 512 * 1024

export const name = 'incremental'

export async function run(): Promise<readonly BenchResult[]> {
  await using directory = await temporaryDirectory()
  await using registry = await startDebianRegistry()
  const context = { registry: { tlsVerify: false } }
  const layer = (): Uint8Array => tarOf({ noise: randomBytes(LAYER_BYTES) })
  const shared = Array.from({ length: SHARED_LAYERS }, layer)
  const references = Array.from({ length: IMAGES }, (_, at) => `docker://${registry.address}/app-${at}:v1`)
  for (const reference of references) {
    const layers = [...shared, ...Array.from({ length: OWN_LAYERS }, layer)]
    await writeImage(reference, { layers, compression: 'gzip' }, context)
  }
  const path = directory.join('all.tar')
  const pulled = await tare('incremental', 'pull', ...references, path)
  const pushed = await tare('incremental', 'push', path, `docker://${registry.address}/mirror`)
  const fileBytes = (await stat(path)).size
  const what = `${IMAGES} images, ${SHARED_LAYERS} of 10 layers shared`
  const onceBytes = (IMAGES * OWN_LAYERS + SHARED_LAYERS) * LAYER_BYTES
  return [
    { what: `${what}, archive against blobs once`, value: fileBytes / onceBytes, unit: '×', limit: 1.02 },
    { what: `${what}, pull, peak memory`, value: pulled.peakBytes / 1e6, unit: 'MB', limit: 200 },
    { what: `${what}, pull`, value: pulled.ms, unit: 'ms' },
    { what: `${what}, push, peak memory`, value: pushed.peakBytes / 1e6, unit: 'MB', limit: 200 },
    { what: `${what}, push`, value: pushed.ms, unit: 'ms' },
  ]
}

async function tare(...args: readonly string[]): Promise<{ readonly ms: number; readonly peakBytes: number }> {
  const begun = performance.now()
  const call = ['--import', TELL_MEMORY, LAUNCHER, ...args, '--tls-verify=false', '--progress', 'off']
  const { stderr } = await promisify(execFile)(process.execPath, call, { maxBuffer: 64 * 1024 * 1024 })
  return { ms: performance.now() - begun, peakBytes: Number(/maxRSS=(\d+)/.exec(stderr)?.[1]) * 1024 }
}
