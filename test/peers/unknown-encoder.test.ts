import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { applyDelta, diffImages, pickDelta, readDeltas } from '../../src/delta/index.ts'
import { hasErrorCode } from '../../src/errors/index.ts'
import { openDestination, openSource } from '../../src/transport/index.ts'
import { createThreadRunner } from '../../src/workers/index.ts'
import { fixture } from '../support/fixtures.ts'
import { plainLayer, writeImage } from '../support/image-builder.ts'
import { skipWithout } from '../support/peers.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const SAVE_V1 = `docker-archive:${fixture('images/app-docker-save-v1.tar.gz')}`
const SAVE_V2 = `docker-archive:${fixture('images/app-docker-save-v2.tar.zst')}`

test("layers of libdeflate are told from the baseline's blob, and a baseline of plain tars is refused", {
  skip: skipWithout('libdeflate-gzip'),
}, async () => {
  await using dir = await temporaryDirectory()
  const compression = (tar: Uint8Array): Uint8Array => {
    writeFileSync(dir.join('in.tar'), tar)
    return execFileSync('libdeflate-gzip', ['-12', '-c', dir.join('in.tar')], { maxBuffer: 2 ** 28 })
  }
  const [v1, v2] = [`oci:${dir.join('v1')}`, `oci:${dir.join('v2')}`]
  await writeImage(v1, { layers: [await plainLayer(SAVE_V1, 1)], compression })
  const wanted = await writeImage(v2, { layers: [await plainLayer(SAVE_V2, 1)], compression })
  await using kernels = createThreadRunner({ threads: 2 })
  await using baseline = await openSource(v1)
  await using plain = await openSource(SAVE_V1)
  {
    await using target = await openSource(v2)
    await using file = await openDestination(`oci-archive:${dir.join('d.tare')}`)
    const layer = (await diffImages([baseline], target, file, { kernels, tool: 'tare/test' })).blobs.at(-1)
    assert.equal(layer?.origin, 'patch')
    assert.ok((layer?.recipeBytes ?? 0) < (layer?.sizeBytes ?? 0) * 0.06)
  }
  await using delta = await openSource(`oci-archive:${dir.join('d.tare')}`)
  const { plan } = pickDelta(await readDeltas(delta, {}))
  const reads = plan.blobs.flatMap(({ from }) => (from.kind === 'patch' ? (from.recipe?.reads ?? []) : []))
  assert.equal(reads.length, 1)
  {
    await using rebuilt = await openDestination(`oci:${dir.join('out')}`)
    const { copy } = await applyDelta(delta, [baseline], rebuilt, { kernels })
    assert.equal(copy.digest, wanted.descriptor.digest)
  }
  await using refused = await openDestination(`oci:${dir.join('refused')}`)
  await assert.rejects(applyDelta(delta, [plain], refused, { kernels }), (error) => {
    assert.ok(hasErrorCode(error, 'BASELINE_LACKS_BLOB'))
    assert.ok(error.message.includes(String(reads[0])))
    return true
  })
  // Where plain tars are wanted nothing is compressed, so plain tars do.
  await using archive = await openDestination(`docker-archive:${dir.join('out.tar')}:app:v2`)
  await applyDelta(delta, [plain], archive, { kernels })
})
