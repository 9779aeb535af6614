import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { test } from 'node:test'
import fc from 'fast-check'
import { bytesSource, readAllBytes } from '../../src/stream/index.ts'
import { openDestination, openSource } from '../../src/transport/index.ts'
import { openVolumes, VolumeWriter } from '../../src/volumes/index.ts'
import { copyImage } from '../../src/image/index.ts'
import { tarOf, writeImage } from '../support/image-builder.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const MAX = 1024 * 1024

const content = fc.uint8Array({ minLength: 1, maxLength: 400 })
const fraction = fc.double({ min: 0, max: 1, noNaN: true })

test('VolumeWriter and openVolumes() give back every range of what was written, for any size and order', async () => {
  await fc.assert(
    fc.asyncProperty(
      content,
      fc.integer({ min: 30, max: 500 }),
      fc.array(fraction, { maxLength: 6 }),
      fc.array(fc.tuple(fraction, fraction), { maxLength: 8 }),
      async (bytes, volumeBytes, cuts, ranges) => {
        await using directory = await temporaryDirectory()
        const whole = directory.join('x')
        {
          await using writer = await VolumeWriter.create(whole, volumeBytes)
          const borders = [0, ...cuts.map((cut) => Math.floor(cut * bytes.length)).toSorted((a, b) => a - b)]
          const parts = borders.map((start, index) => ({ start, end: borders[index + 1] ?? bytes.length }))
          // From the back, and all at once: an archive is filled in no order.
          await Promise.all(
            parts.toReversed().map(({ start, end }) => writer.write(start, bytesSource(bytes.subarray(start, end)))),
          )
          await writer.commit()
        }
        const file = await openVolumes(whole)
        assert.ok(file !== undefined)
        assert.deepEqual(Buffer.from(await readAllBytes(file.read(), MAX, 'x')), Buffer.from(bytes))
        await using reader = await file.open()
        for (const [from, to] of ranges) {
          const offset = Math.floor(from * bytes.length)
          const length = Math.floor(to * (bytes.length - offset))
          const wanted = Buffer.from(bytes.subarray(offset, offset + length))
          assert.deepEqual(Buffer.from(await readAllBytes(file.read({ offset, length }), MAX, 'x')), wanted)
          const buffer = Buffer.alloc(length)
          assert.equal(await reader.read(buffer, offset), length)
          assert.deepEqual(buffer, wanted)
        }
        const sizes = []
        for (const name of (await readdir(directory.path)).toSorted().slice(0, -1)) {
          sizes.push((await readFile(directory.join(name))).length)
        }
        assert.ok(sizes.slice(0, -1).every((size) => size === volumeBytes))
        assert.equal(sizes.length, Math.ceil(bytes.length / volumeBytes))
      },
    ),
    { numRuns: 40 },
  )
})

test('an archive in volumes of any size is the archive in one file, and is read as such', async () => {
  await using directory = await temporaryDirectory()
  const source = `oci:${directory.join('image')}`
  const wanted = await writeImage(source, { layers: [tarOf({ a: 'one' }), tarOf({ b: 'two'.repeat(700) })] })
  const write = async (path: string, volumeBytes?: number): Promise<void> => {
    await using from = await openSource(source)
    await using to = await openDestination(`oci-archive:${path}:v1`, { volumeBytes })
    await copyImage(from, to)
  }
  await write(directory.join('one'))
  const one = await readFile(directory.join('one'))
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 700, max: one.length + 1 }), async (volumeBytes) => {
      await using scratch = await temporaryDirectory()
      await write(scratch.join('x'), volumeBytes)
      const names = (await readdir(scratch.path)).toSorted().filter((name) => name !== 'x.sha256')
      const joined = Buffer.concat(await Promise.all(names.map((name) => readFile(scratch.join(name)))))
      assert.ok(joined.equals(one))
      await using archive = await openSource(`oci-archive:${scratch.join('x')}:v1`)
      await using back = await openDestination(`dir:${scratch.join('back')}`)
      assert.equal((await copyImage(archive, back)).digest, wanted.descriptor.digest)
    }),
    { numRuns: 15 },
  )
})
