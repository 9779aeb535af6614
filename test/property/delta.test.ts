import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { applyDelta, diffImages } from '../../src/delta/index.ts'
import { copyImage } from '../../src/image/index.ts'
import { openDestination, openSource } from '../../src/transport/index.ts'
import { createInlineRunner } from '../../src/workers/index.ts'
import { tarOf, writeImage } from '../support/image-builder.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

/** Two releases: files that stay, change a little, move, come and go. */
const releases = fc
  .dictionary(
    fc.stringMatching(/^[a-z]{1,6}(\/[a-z0-9.-]{1,8})?$/),
    fc.tuple(fc.uint8Array({ maxLength: 4000 }), fc.constantFrom('keep', 'edit', 'drop', 'move', 'new', 'repeat')),
    { maxKeys: 12 },
  )
  .map((files) => {
    const before: Record<string, Uint8Array> = {}
    const after: Record<string, Uint8Array> = {}
    for (const [path, [content, fate]] of Object.entries(files)) {
      if (fate !== 'new') before[path] = content
      if (fate === 'keep' || fate === 'new') after[path] = content
      if (fate === 'edit')
        after[path] = Buffer.concat([content.subarray(0, content.length / 2), Buffer.from('!'), content])
      if (fate === 'move') after[`moved/${path}`] = content
      if (fate === 'repeat') after[path] = Buffer.concat([content, content, content])
    }
    return { before: tarOf(before, 1), after: tarOf(after, 2) }
  })

test('applyDelta() gives back what diffImages() got, whatever changed', async () => {
  await using kernels = await createInlineRunner()
  await fc.assert(
    fc.asyncProperty(releases, async ({ before, after }) => {
      await using dir = await temporaryDirectory()
      await writeImage(`oci:${dir.join('base')}`, { layers: [before] })
      const wanted = await writeImage(`oci:${dir.join('target')}`, { layers: [after] })
      await using baseline = await openSource(`oci:${dir.join('base')}`)
      await using target = await openSource(`oci:${dir.join('target')}`)
      await using file = await openDestination(`oci-archive:${dir.join('delta.tare')}`)
      await diffImages([baseline], target, file, { kernels, tool: 'tare/test' })
      await using delta = await openSource(`oci-archive:${dir.join('delta.tare')}`)
      await using rebuilt = await openDestination(`oci:${dir.join('rebuilt')}`)
      const report = await applyDelta(delta, [baseline], rebuilt, { kernels })
      assert.equal(report.copy.digest, wanted.descriptor.digest)
      // Reading everything back proves the stored bytes.
      await using stored = await openSource(`oci:${dir.join('rebuilt')}`)
      await using copied = await openDestination(`dir:${dir.join('copied')}`)
      assert.equal((await copyImage(stored, copied)).digest, wanted.descriptor.digest)
    }),
    { numRuns: 60 },
  )
})

test('diffImages() of bytes that are no tar still gives them back', async () => {
  await using kernels = await createInlineRunner()
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 1, maxLength: 3000 }),
      fc.uint8Array({ maxLength: 3000 }),
      async (a, b) => {
        await using dir = await temporaryDirectory()
        // A layer that begins like gzip would be decoded; this is about opaque bytes.
        const before = Buffer.concat([Buffer.from('x'), a])
        const after = Buffer.concat([Buffer.from('x'), a, b])
        await writeImage(`oci:${dir.join('base')}`, { layers: [before] })
        const wanted = await writeImage(`oci:${dir.join('target')}`, { layers: [after] })
        await using baseline = await openSource(`oci:${dir.join('base')}`)
        await using target = await openSource(`oci:${dir.join('target')}`)
        await using file = await openDestination(`oci-archive:${dir.join('delta.tare')}`)
        await diffImages([baseline], target, file, { kernels, tool: 'tare/test' })
        await using delta = await openSource(`oci-archive:${dir.join('delta.tare')}`)
        await using rebuilt = await openDestination(`oci:${dir.join('rebuilt')}`)
        assert.equal((await applyDelta(delta, [baseline], rebuilt, { kernels })).copy.digest, wanted.descriptor.digest)
      },
    ),
    { numRuns: 30 },
  )
})
