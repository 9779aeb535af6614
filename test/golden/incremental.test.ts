import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { pullIncremental } from '../../src/incremental/index.ts'
import { MEDIA_TYPE, parsePlatform } from '../../src/oci/index.ts'
import { type RunningRegistry, startRegistry } from '../../src/registry/index.ts'
import { indexTarFile } from '../../src/tar/index.ts'
import { LayoutImages, openSource } from '../../src/transport/index.ts'
import { createThreadRunner, type KernelRunner } from '../../src/workers/index.ts'
import { fixture, sharedFixture } from '../support/fixtures.ts'
import { copyTo, PLAIN_HTTP, putIndex, putSchema1 } from '../support/incremental-images.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

interface Row {
  readonly name: string
  readonly base: string
  readonly final: string
  readonly all: boolean
  readonly root: string
  readonly mediaType: string
  readonly blobs: readonly string[]
}

const GOLDEN = JSON.parse(readFileSync(new URL('incremental/tagbag.json', import.meta.url), 'utf8')) as {
  readonly klauspostRelease: string
  readonly rows: readonly Row[]
}

const IMAGES: Readonly<Record<string, string>> = {
  'docker:v1': `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`,
  'docker:v2': `oci-archive:${fixture('images/app-docker-v2.oci.tar')}`,
  'save:v2': `docker-archive:${fixture('images/app-docker-save-v2.tar.zst')}`,
  'multi:v2': `oci-archive:${fixture('images/app-multi-v2.oci.tar')}`,
  'zstd:v2': `oci-archive:${fixture('images/app-zstd-v2.oci.tar')}`,
}

let registry: RunningRegistry
let kernels: KernelRunner
const here = new Set(['list:v2', 'mixed:v2', ...Object.keys(IMAGES)])

/** Images of the rows that lie beside the checkout only. */
function skipWithout(row: Row): string | false {
  const absent = [row.base, row.final].find((name) => !here.has(name) && sharedImage(name).skip !== false)
  return absent === undefined ? false : `${absent} is not here`
}

function sharedImage(name: string): { readonly path: string; readonly skip: string | false } {
  return sharedFixture(`images/app-${name.replace(':', '-')}.oci.tar`)
}

before(async () => {
  registry = await startRegistry()
  kernels = createThreadRunner({ threads: 2 })
  for (const [name, reference] of Object.entries(IMAGES)) await copyTo(reference, `docker://${registry.address}/${name}`)
  const [amd64, arm64, s390x] = ['linux/amd64', 'linux/arm64', 'linux/s390x'].map((text) => parsePlatform(text))
  assert.ok(amd64 && arm64 && s390x)
  const variant = { architecture: 'arm64', os: 'linux', variant: 'v8' }
  const features = { architecture: 'amd64', os: 'linux', features: ['sse4'] }
  const docker = (name: string): string => IMAGES[name] ?? ''
  await putIndex(
    registry,
    'list',
    'v2',
    [
      { from: docker('docker:v1'), platform: features },
      { from: docker('docker:v2'), platform: variant },
    ],
    { mediaType: MEDIA_TYPE.DOCKER_LIST },
  )
  await putIndex(
    registry,
    'mixed',
    'v2',
    [
      { from: docker('zstd:v2'), platform: { architecture: 'amd64', os: 'linux' } },
      { from: docker('docker:v2'), platform: variant },
      { from: docker('save:v2'), platform: { architecture: 's390x', os: 'linux' } },
    ],
    { annotations: { 'b<&>': '\u2028x', a: '1' } },
  )
  for (const name of GOLDEN.rows.flatMap((row) => [row.base, row.final])) {
    const { path, skip } = sharedImage(name)
    if (!here.has(name) && skip === false) await copyTo(`oci-archive:${path}`, `docker://${registry.address}/${name}`)
  }
})

after(async () => {
  await kernels[Symbol.asyncDispose]()
  await registry.close()
})

for (const row of GOLDEN.rows) {
  test(`pullIncremental() converts ${row.name} to what tagbag writes`, { skip: skipWithout(row) }, async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('out.tar')
    await using base = await openSource(`docker://${registry.address}/${row.base}`, PLAIN_HTTP)
    await using final = await openSource(`docker://${registry.address}/${row.final}`, PLAIN_HTTP)
    await pullIncremental([base], [{ source: final }], path, {
      convert: 'oci',
      selection: row.all ? { kind: 'all' } : { kind: 'system', platform: { os: 'linux', architecture: 'amd64' } },
      klauspostRelease: GOLDEN.klauspostRelease,
      kernels,
    })
    await using layout = await LayoutImages.open({ transport: 'oci-archive', path })
    const [entry] = layout.index.manifests
    const { entries } = await indexTarFile(path)
    const blobs = entries.map(({ name }) => /^blobs\/sha256\/(.+)$/.exec(name)?.[1]).filter((hex) => hex !== undefined)
    assert.deepEqual(
      { root: entry?.digest, mediaType: entry?.mediaType, blobs: blobs.toSorted() },
      { root: row.root, mediaType: row.mediaType, blobs: row.blobs },
    )
  })
}

const SCHEMA1 = new URL('incremental/schema1/', import.meta.url)

interface Schema1Row {
  readonly base: string
  readonly final: string
  readonly root: string
  readonly blobs: readonly string[]
}

/** The layer of steps that changed no file: tagbag's archives have it, though nothing in them refers to it. */
const EMPTY_LAYER = 'a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4'

const { rows: SCHEMA1_ROWS } = JSON.parse(readFileSync(new URL('expected.json', SCHEMA1), 'utf8')) as {
  readonly rows: readonly Schema1Row[]
}

for (const { base, final, root, blobs } of SCHEMA1_ROWS) {
  test(`pullIncremental() converts Docker schema 1 ${final}, all layers present, to what tagbag writes`, async () => {
    await using directory = await temporaryDirectory()
    for (const name of ['v1', 'v2']) await putSchema1(registry, SCHEMA1, name)
    const path = directory.join('out.tar')
    await using from = await openSource(`docker://${registry.address}/schema1:${base}`, PLAIN_HTTP)
    await using to = await openSource(`docker://${registry.address}/schema1:${final}`, PLAIN_HTTP)
    await pullIncremental([from], [{ source: to }], path, { convert: 'oci', kernels })
    await using layout = await LayoutImages.open({ transport: 'oci-archive', path })
    assert.equal(layout.index.manifests[0]?.digest, root)
    for (const hex of blobs) {
      if (hex !== EMPTY_LAYER) assert.notEqual(await layout.sizeOf(`sha256:${hex}`), undefined, hex)
    }
  })
}

test('pullIncremental() keeps the layers of a Docker schema 1 base out, and its own throw-away layers', async () => {
  await using directory = await temporaryDirectory()
  for (const name of ['v1', 'v2']) await putSchema1(registry, SCHEMA1, name)
  const path = directory.join('out.tar')
  await using from = await openSource(`docker://${registry.address}/schema1:v1`, PLAIN_HTTP)
  await using to = await openSource(`docker://${registry.address}/schema1:v2`, PLAIN_HTTP)
  const report = await pullIncremental([from], [{ source: to }], path)
  const layers = report.images[0]?.blobs.filter((blob) => blob.role === 'layer')
  assert.deepEqual(
    layers?.map((layer) => layer.outcome),
    ['omitted', 'carried', 'carried'],
  )
  await using layout = await LayoutImages.open({ transport: 'oci-archive', path })
  assert.equal(await layout.sizeOf(`sha256:${EMPTY_LAYER}`), undefined)
  assert.equal(layout.index.manifests[0]?.digest, SCHEMA1_ROWS[0]?.root)
})
