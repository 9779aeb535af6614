import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { createThreadRunner } from '../../src/workers/index.ts'
import { deltaRuns, readBack, rootDigest } from '../support/delta-runs.ts'
import { fixture, sharedFixture } from '../support/fixtures.ts'
import { plainLayer, writeImage } from '../support/image-builder.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const SAVE_V1 = `docker-archive:${fixture('images/app-docker-save-v1.tar.gz')}`
const SAVE_V2 = `docker-archive:${fixture('images/app-docker-save-v2.tar.zst')}`

const kernels = createThreadRunner({ threads: 2 })
const { diff, apply } = deltaRuns(kernels)

after(() => kernels[Symbol.asyncDispose]())

for (const name of ['buildah', 'buildkit', 'docker', 'estargz', 'multi', 'umoci', 'zstd']) {
  const [v1, v2] = ['v1', 'v2'].map((version) => sharedFixture(`images/app-${name}-${version}.oci.tar`))
  test(`diff and apply of app-${name} give the same digests`, { skip: v1?.skip || v2?.skip || false }, async () => {
    await using dir = await temporaryDirectory()
    const [from, to] = [`oci-archive:${v1?.path}`, `oci-archive:${v2?.path}`]
    await diff([from], to, dir.join('d.tare'))
    const wanted = await rootDigest(to)
    assert.equal(await apply(dir.join('d.tare'), [from], `oci:${dir.join('out')}:v2`), wanted)
    assert.equal(await readBack(`oci:${dir.join('out')}:v2`, dir.join('back')), wanted)
  })
}

test('an encoder nobody knows costs a little more than a known one, and plain tars still do as a baseline', async () => {
  await using dir = await temporaryDirectory()
  // Node's deflate is a zlib of its own kind, with no kernel here.
  const [v1, v2] = [`oci:${dir.join('v1')}`, `oci:${dir.join('v2')}`]
  const [before, after] = [await plainLayer(SAVE_V1, 0), await plainLayer(SAVE_V2, 0)]
  await writeImage(v1, { layers: [before], compression: 'gzip' })
  const wanted = await writeImage(v2, { layers: [after], compression: 'gzip' })
  const report = await diff([v1], v2, dir.join('d.tare'))
  const layer = report.blobs.at(-1)
  assert.equal(layer?.origin, 'patch')
  assert.ok((layer?.recipeBytes ?? 0) > 64 && (layer?.recipeBytes ?? 0) < (layer?.sizeBytes ?? 0) * 0.05)
  assert.equal(await apply(dir.join('d.tare'), [v1], `oci:${dir.join('out')}`), wanted.descriptor.digest)
  assert.equal(await apply(dir.join('d.tare'), [SAVE_V1], `oci:${dir.join('plain')}`), wanted.descriptor.digest)
})
