import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { digestOf } from '../../src/stream/index.ts'
import { DEFLATE_INPUTS } from '../support/deflate-inputs.ts'
import { fixture } from '../support/fixtures.ts'
import { SCRATCH_ENVIRONMENT } from '../support/scratch-cache.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

interface Layer {
  readonly digest: string
  readonly compression: string
  readonly sizeBytes: number
  readonly isTar?: boolean
  readonly memberCount?: number
  readonly precision?: string
  readonly plainBytes?: number
  readonly recipeBytes?: number
  readonly plainBytesPerSecond?: number
  readonly groups?: readonly { readonly encoder: string; readonly level: number; readonly count: number }[]
  readonly signs?: { readonly shortestMatch: number; readonly syncMarkerCount: number }
}

interface Ended {
  readonly code: number | null
  readonly stdout: string
}

function tare(...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [MAIN, ...args], { env: SCRATCH_ENVIRONMENT }, (_, stdout) =>
      resolve({ code: child.exitCode, stdout }),
    )
  })
}

async function explain(...args: readonly string[]): Promise<readonly Layer[]> {
  const { code, stdout } = await tare('layer', 'explain', ...args, '--json')
  assert.equal(code, 0, stdout)
  const { result } = JSON.parse(stdout) as { readonly result: { readonly layers: readonly Layer[] } }
  return result.layers
}

test("tare layer explain finds Docker's encoder of every layer, with recipes of a few dozen bytes", async () => {
  await using work = await temporaryDirectory()
  const image = `oci-archive:${fixture('images/app-docker-v2.oci.tar')}`
  const layers = await explain(image, '--workdir', work.path)
  assert.equal(layers.length, 3)
  for (const { compression, memberCount, precision, groups, recipeBytes = Infinity, plainBytesPerSecond } of layers) {
    assert.deepEqual([compression, memberCount, precision], ['gzip', 1, 'exact'])
    assert.deepEqual([groups?.[0]?.encoder, groups?.[0]?.level], ['go', 6])
    assert.ok(recipeBytes <= 64, `${recipeBytes}`)
    assert.equal(typeof plainBytesPerSecond, 'number')
  }
  assert.deepEqual(await readdir(work.path), [])
})

test('tare layer explain looks at the layers of one platform, or of all, each once', async () => {
  const image = `oci-archive:${fixture('images/app-multi-v2.oci.tar')}`
  const [all, one] = await Promise.all([explain(image), explain(image, '--platform', 'linux/arm64')])
  assert.ok(one.length > 0)
  const digests = all.map(({ digest }) => digest)
  assert.equal(new Set(digests).size, digests.length)
  assert.ok(one.every(({ digest }) => digests.includes(digest)))
  assert.ok(all.every(({ precision, groups }) => precision === 'exact' && groups?.[0]?.level === 1))
})

test('tare layer explain names layers that are not gzip', async () => {
  const [[zstd], plain] = await Promise.all([
    explain(`oci-archive:${fixture('images/app-zstd-v2.oci.tar')}`),
    explain(`docker-archive:${fixture('images/app-docker-save-v2.tar.zst')}`),
  ])
  assert.equal(zstd?.compression, 'zstd')
  assert.deepEqual(
    plain.map(({ compression, isTar }) => [compression, isTar]),
    Array.from({ length: 3 }, () => ['none', true]),
  )
})

test('tare layer explain takes a bare file', async () => {
  await using directory = await temporaryDirectory()
  const wrapped = fixture('images/app-docker-save-v1.tar.gz')
  const [layer] = await explain(wrapped)
  assert.equal(layer?.digest, digestOf(await readFile(wrapped)))
  assert.deepEqual([layer.groups?.[0]?.encoder, layer.groups?.[0]?.level, layer.precision], ['gzip', 9, 'exact'])

  const [tiny] = await explain(await written(directory.join('tiny'), Buffer.from('no tar')))
  assert.deepEqual([tiny?.compression, tiny?.isTar], ['none', false])
})

test('tare layer explain of a stream by an encoder that it does not model tells what the stream looks like', async () => {
  await using directory = await temporaryDirectory()
  // Node's zlib is Chromium's, which looks for matches in its own way.
  const gzip = gzipSync(DEFLATE_INPUTS.mixed(300_000, 1), { level: 6 })
  const [layer] = await explain(await written(directory.join('strange.gz'), gzip))
  assert.notEqual(layer?.precision, 'exact')
  assert.equal(layer?.plainBytes, 300_000)
  assert.ok((layer.signs?.shortestMatch ?? 0) >= 3)
  assert.equal(layer.signs?.syncMarkerCount, 0)
})

test('tare layer explain refuses damaged gzip and what is no file', async () => {
  await using directory = await temporaryDirectory()
  const gzip = gzipSync(DEFLATE_INPUTS.words(50_000, 1))
  const cut = await tare('layer', 'explain', await written(directory.join('cut.gz'), gzip.subarray(0, 5000)), '--json')
  assert.deepEqual([cut.code, errorCode(cut)], [4, 'CORRUPT_GZIP'])
  const wrong = Buffer.from(gzip).fill(1, gzip.length - 8, gzip.length - 4)
  const crc = await tare('layer', 'explain', await written(directory.join('crc.gz'), wrong), '--json')
  assert.deepEqual([crc.code, errorCode(crc)], [4, 'CORRUPT_GZIP'])
  const absent = await tare('layer', 'explain', directory.join('absent'), '--json')
  assert.deepEqual([absent.code, errorCode(absent)], [3, 'FILE_NOT_FOUND'])
})

test('tare layer explain says the same as text', async () => {
  const { code, stdout } = await tare('layer', 'explain', fixture('images/app-docker-save-v1.tar.gz'))
  assert.equal(code, 0)
  assert.match(stdout, /^made by: GNU gzip, level 9, exact$/m)
  assert.match(stdout, /^recipe: +\d+ B$/m)
})

async function written(path: string, bytes: Uint8Array): Promise<string> {
  await writeFile(path, bytes)
  return path
}

function errorCode({ stdout }: Ended): string {
  return (JSON.parse(stdout) as { readonly error: { readonly code: string } }).error.code
}
