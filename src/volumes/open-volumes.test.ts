import assert from 'node:assert/strict'
import { mkdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { type TemporaryDirectory, temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { type ErrorCode, VolumeDamagedError, VolumeMissingError } from '../errors/index.ts'
import { type ByteFile, bytesSource, type ProgressEvent, readAllBytes } from '../stream/index.ts'
import { openVolumes } from './open-volumes.ts'
import { findVolumes } from './volume-set.ts'
import { VolumeWriter } from './volume-writer.ts'

interface Volumes extends TemporaryDirectory {
  readonly path: string
  /** The whole file. */
  readonly whole: string
}

/** Volumes `x.001` to `x.003` (`abcd`, `efgh`, `ij`) and their list. */
async function volumes(): Promise<Volumes> {
  const directory = await temporaryDirectory()
  const whole = directory.join('x')
  await using writer = await VolumeWriter.create(whole, 4)
  await writer.write(0, bytesSource(Buffer.from('abcdefghij')))
  await writer.commit()
  return { ...directory, whole }
}

async function contentOf(file: ByteFile | undefined): Promise<string | undefined> {
  return file && Buffer.from(await readAllBytes(file.read(), 1000, 'whole')).toString()
}

/** Expects an error that names these files. */
function naming(code: ErrorCode, ...names: readonly string[]): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof VolumeMissingError || error instanceof VolumeDamagedError, String(error))
    assert.deepEqual([error.code, error.volumes], [code, names])
    return true
  }
}

suite('openVolumes()', () => {
  test('reads volumes as one file, in any place, after checking them', async () => {
    await using set = await volumes()
    const events: ProgressEvent[] = []
    const file = await openVolumes(set.whole, { onProgress: (event) => events.push(event) })
    assert.equal(await contentOf(file), 'abcdefghij')
    assert.deepEqual(
      [events[0]?.state, events.at(-1)?.state, events.at(-1)?.doneBytes, events.at(-1)?.totalBytes],
      ['started', 'done', 10, 10],
    )
    assert.ok(file !== undefined)
    assert.equal(Buffer.from(await readAllBytes(file.read({ offset: 3, length: 3 }), 3, 'x')).toString(), 'def')
  })

  test('gives undefined where there are no volumes, whatever else lies there', async () => {
    await using directory = await temporaryDirectory()
    await mkdir(directory.join('x.001'))
    for (const name of ['x.000', 'x.01', 'x.00001', 'x.2024', 'x.tar.001', 'xx.001', 'x.sha256']) {
      await writeFile(directory.join(name), `${'a'.repeat(64)}  x\n`)
    }
    assert.equal(await openVolumes(directory.join('x')), undefined)
    assert.equal(await openVolumes(directory.join('none/x')), undefined)
  })

  test('names a missing volume, also the last ones, by the list', async () => {
    await using set = await volumes()
    await rename(set.join('x.003'), set.join('elsewhere'))
    await assert.rejects(openVolumes(set.whole), naming('VOLUME_MISSING', 'x.003'))
    await rm(set.join('x.001'))
    await assert.rejects(openVolumes(set.whole), naming('VOLUME_MISSING', 'x.001', 'x.003'))
    await rm(set.join('x.002'))
    await assert.rejects(openVolumes(set.whole), naming('VOLUME_MISSING', 'x.001', 'x.002', 'x.003'))
  })

  test('names a missing volume without a list by the gap', async () => {
    await using set = await volumes()
    await rm(set.join('x.sha256'))
    await rename(set.join('x.002'), set.join('elsewhere'))
    await assert.rejects(openVolumes(set.whole), naming('VOLUME_MISSING', 'x.002'))
    await rm(set.join('x.001'))
    await assert.rejects(openVolumes(set.whole), naming('VOLUME_MISSING', 'x.001', 'x.002'))
    // A directory is no volume.
    await rename(set.join('elsewhere'), set.join('x.002'))
    await mkdir(set.join('x.001'))
    await assert.rejects(openVolumes(set.whole), naming('VOLUME_MISSING', 'x.001'))
  })

  test('names every volume with other bytes', async () => {
    await using set = await volumes()
    await writeFile(set.join('x.001'), 'abcD')
    await writeFile(set.join('x.003'), '\0\0')
    const events: ProgressEvent[] = []
    const onProgress = (event: ProgressEvent): void => void events.push(event)
    await assert.rejects(openVolumes(set.whole, { onProgress }), naming('VOLUME_DAMAGED', 'x.001', 'x.003'))
    assert.equal(events.at(-1)?.state, 'failed')
  })

  test('names a volume of another size without reading it', async () => {
    await using set = await volumes()
    const damaged = async (names: readonly string[]): Promise<void> => {
      const onProgress = (): void => assert.fail('volumes are read')
      await assert.rejects(openVolumes(set.whole, { onProgress }), naming('VOLUME_DAMAGED', ...names))
    }
    await writeFile(set.join('x.003'), 'ijklm')
    await damaged(['x.003'])
    await writeFile(set.join('x.003'), 'ij')
    await truncate(set.join('x.002'), 3)
    await damaged(['x.002'])
    await truncate(set.join('x.002'), 0)
    await damaged(['x.002'])
    await rm(set.join('x.sha256'))
    await damaged(['x.002'])
    // The first of two has to be the larger one.
    await rm(set.join('x.003'))
    await writeFile(set.join('x.002'), 'efghi')
    await damaged(['x.001'])
  })

  test('says so when a list is damaged, and names the list', async () => {
    await using set = await volumes()
    const list = await readFile(set.join('x.sha256'), 'utf8')
    const [first = '', second = '', third = ''] = list.split('\n')
    for (const bad of ['', list.slice(0, -10), `${list}\0\0\0\0`, `${first}\n${third}\n`, `${list}${second}\n`, 'x']) {
      await writeFile(set.join('x.sha256'), bad)
      await assert.rejects(openVolumes(set.whole), naming('VOLUME_DAMAGED', 'x.sha256'), bad)
    }
  })

  test('takes the volumes that a list names, and warns of others', async () => {
    await using set = await volumes()
    await writeFile(set.join('x.004'), 'older')
    const warnings: string[] = []
    const logger = { warn: (message: string) => void warnings.push(message), debug() {} }
    assert.equal(await contentOf(await openVolumes(set.whole, { logger })), 'abcdefghij')
    assert.equal(warnings.length, 1)
    assert.match(warnings[0] ?? '', /x\.004/)
  })

  test('takes volumes without a list, and lists of the whole file, with a note that nothing was checked', async () => {
    await using set = await volumes()
    const notes: string[] = []
    const logger = { warn() {}, debug: (message: string) => void notes.push(message) }
    await writeFile(set.join('x.sha256'), `${'0'.repeat(64)}  x\n`)
    assert.equal(await contentOf(await openVolumes(set.whole, { logger })), 'abcdefghij')
    await rm(set.join('x.sha256'))
    assert.equal(await contentOf(await openVolumes(set.whole, { logger })), 'abcdefghij')
    assert.equal(notes.length, 2)
  })

  test('ends with the signal', async () => {
    await using set = await volumes()
    const controller = new AbortController()
    const reason = new Error('enough')
    const onProgress = (): void => controller.abort(reason)
    await assert.rejects(openVolumes(set.whole, { signal: controller.signal, onProgress }), reason)
  })
})

test('findVolumes() takes four digits for volumes where there is a first one', async () => {
  await using directory = await temporaryDirectory()
  for (const name of ['x.0001', 'x.0002']) await writeFile(directory.join(name), 'a')
  const set = await findVolumes(directory.join('x'))
  assert.deepEqual(
    set?.volumes.map((volume) => volume.name),
    ['x.0001', 'x.0002'],
  )
})
