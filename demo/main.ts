import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { applyDelta, diffImages, inspectDelta } from '../src/delta/index.ts'
import { copyImage, inspectImage } from '../src/image/index.ts'
import { startRegistry } from '../src/registry/index.ts'
import { openDestination, openSource, type OpenContext } from '../src/transport/index.ts'
import { createThreadRunner } from '../src/workers/index.ts'

/** One line of the table at the end. */
interface Step {
  readonly what: string
  readonly bytes: number
  readonly seconds: number
  readonly digest: string
  readonly isExact: boolean
}

const IMAGES = fileURLToPath(new URL('../fixtures/images/', import.meta.url))
const directory = await mkdtemp(join(tmpdir(), 'tare-demo-'))
const steps: Step[] = []

try {
  await using registry = await startRegistry({ port: 0 })
  await using kernels = createThreadRunner({ threads: 2 })
  const context: OpenContext = { registry: { tlsVerify: false } }
  const mirror = `docker://${registry.host}:${registry.port}/demo/app`

  console.log('Two releases of a small application: OpenSSL, its documentation, a node_modules tree.')
  console.log(`A registry of our own is listening on ${registry.host}:${registry.port}.\n`)

  const gzip = { v1: `oci-archive:${IMAGES}app-docker-v1.oci.tar`, v2: `oci-archive:${IMAGES}app-docker-v2.oci.tar` }
  const plain = {
    v1: `docker-archive:${IMAGES}app-docker-save-v1.tar.gz`,
    v2: `docker-archive:${IMAGES}app-docker-save-v2.tar.zst`,
  }

  /** Copies an image, and checks that its digest is the same afterwards. */
  const copy = async (what: string, from: string, to: string): Promise<void> => {
    const started = performance.now()
    await using source = await openSource(from, context)
    await using destination = await openDestination(to, context)
    const wanted = (await source.resolve()).descriptor.digest
    const { digest, writtenBytes } = await copyImage(source, destination)
    record(what, writtenBytes, started, digest, wanted)
  }

  /** Makes a delta, looks into it. */
  const diff = async (what: string, from: string, to: string, path: string): Promise<void> => {
    const started = performance.now()
    await using baseline = await openSource(from, context)
    await using target = await openSource(to, context)
    await using file = await openDestination(`oci-archive:${path}`)
    await diffImages([baseline], target, file, { kernels, tool: 'tare/demo' })
    await using delta = await openSource(`oci-archive:${path}`)
    const [summary] = (await inspectDelta(delta)).images
    const wanted = (await target.resolve()).descriptor.digest
    record(what, (await stat(path)).size, started, summary?.target.digest ?? '', wanted)
    for (const { role, origin, sizeBytes, shippedBytes } of summary?.blobs ?? []) {
      const how = {
        archive: 'whole',
        patch: 'patch',
        baseline: 'baseline has it',
        'baseline-tar': 'baseline has it',
        'blob-patch': 'patch',
        foreign: '',
      }
      console.log(`  ${role.padEnd(9)} ${size(sizeBytes)} -> ${size(shippedBytes)}  ${how[origin]}`)
    }
    console.log()
  }

  /** Rebuilds the target elsewhere, and checks manifest, config and layers by reading them back. */
  const apply = async (what: string, path: string, from: string, to: string): Promise<void> => {
    const started = performance.now()
    await using delta = await openSource(`oci-archive:${path}`)
    await using baseline = await openSource(from, context)
    {
      await using destination = await openDestination(to, context)
      await applyDelta(delta, [baseline], destination, { kernels })
    }
    const wanted = (await inspectDelta(delta)).images[0]?.target.digest ?? ''
    await using rebuilt = await openSource(to, context)
    await using copied = await openDestination(`oci:${join(directory, 'read-back')}`)
    const { digest } = await copyImage(rebuilt, copied)
    record(what, (await inspectImage(rebuilt)).totalBytes, started, digest, wanted)
  }

  await copy('copy v1 to the registry', gzip.v1, `${mirror}:v1`)
  await diff('diff v1 v2, gzip layers', `${mirror}:v1`, gzip.v2, join(directory, 'gzip.tare'))
  await apply('apply to the registry', join(directory, 'gzip.tare'), `${mirror}:v1`, `${mirror}:v2`)
  await diff('diff v1 v2, docker save', plain.v1, plain.v2, join(directory, 'plain.tare'))
  await apply('apply to an OCI layout', join(directory, 'plain.tare'), plain.v1, `oci:${join(directory, 'v2')}:v2`)

  console.log('step                          bytes   seconds  digest')
  for (const { what, bytes, seconds, digest, isExact } of steps) {
    const verdict = isExact ? 'equal' : 'DIFFERENT'
    console.log(
      `${what.padEnd(26)} ${size(bytes)} ${seconds.toFixed(1).padStart(8)}  ${digest.slice(0, 19)} ${verdict}`,
    )
  }
  console.log(
    '\nBytes: what was moved, the delta file, or the image rebuilt. The layers of the first delta are gzip in the',
  )
  console.log('registry: they were patched inside the compression, and their compressed bytes made again bit for bit.')
  if (!steps.every((step) => step.isExact)) process.exitCode = 1
} finally {
  await rm(directory, { recursive: true, force: true })
}

function record(what: string, bytes: number, started: number, digest: string, wanted: string): void {
  steps.push({ what, bytes, seconds: (performance.now() - started) / 1000, digest, isExact: digest === wanted })
  console.log(`${what}: ${digest}`)
}

function size(bytes: number): string {
  return bytes.toLocaleString('en-US').padStart(9)
}
