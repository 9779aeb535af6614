import assert from 'node:assert/strict'
import { readdir, readFile, rm } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { suite, test } from 'node:test'
import { copyImage } from '../../src/image/index.ts'
import {
  buildLayersDictionary,
  fetchManifests,
  hostPlatform,
  Incremental,
  type IncrementalOptions,
  MissingLayersError,
  processList,
  RemoveOnClose,
  Writer,
} from '../../src/incremental/index.ts'
import { MEDIA_TYPE, parsePlatform } from '../../src/oci/index.ts'
import { bytesSource, readAllBytes, writeFileAtomically } from '../../src/stream/index.ts'
import { LayoutImages, openDestination, openSource } from '../../src/transport/index.ts'
import { fixture } from '../support/fixtures.ts'
import { tarOf, writeImage, writeIndex } from '../support/image-builder.ts'
import { copyTo, putIndex } from '../support/incremental-images.ts'
import { type RecordingRegistry, recordingRegistry } from '../support/recording-registry.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const layer = (name: string): Uint8Array => tarOf({ [name]: name.repeat(200) })
const AMD64 = parsePlatform('linux/amd64')
const ARM64 = parsePlatform('linux/arm64')
const gzip = { compression: 'gzip' } as const
const HTTP = { registry: { tlsVerify: false, retries: 0 } }

const ALICE = { username: 'alice', password: 'secret-a' }
const BOB = { username: 'bob', password: 'secret-b' }

/** A registry with two versions of an index. */
async function published(user?: typeof ALICE): Promise<RecordingRegistry> {
  const registry = await recordingRegistry(user)
  for (const [tag, extra] of [
    ['v1', []],
    ['v2', [layer('new')]],
  ] as const) {
    const recipes = [AMD64, ARM64].map((platform) => ({
      layers: [layer(platform.architecture), ...extra],
      platform,
      ...gzip,
    }))
    await writeIndex(registry.at(`app:${tag}`), recipes, registry.context)
  }
  registry.forget()
  return registry
}

suite('Incremental', () => {
  test('pulls with one set of credentials for each side, and pushes with a third', async () => {
    await using directory = await temporaryDirectory()
    await using base = await published(ALICE)
    await using final = await published(BOB)
    const carol = { username: 'carol', password: 'secret-c' }
    await using target = await recordingRegistry(carol)
    await copyTo(`docker://${base.address}/app:v1`, target.at('app:v1'), {
      registry: {
        tlsVerify: false,
        credentials: async ({ registry }) => ({ kind: 'basic', ...(registry === base.address ? ALICE : carol) }),
      },
    })
    const incremental = new Incremental({
      authentications: { base: ALICE, final: BOB, push: carol },
      temporaryDirectory: directory.path,
      allArchitectures: true,
      ...HTTP,
    })
    await using archive = await incremental.pull(`${base.address}/app:v1`, `${final.address}/app:v2`)
    const vetted = await incremental.pushVet(archive.path, `${target.address}/app:v2`)
    assert.equal(vetted.images[0]?.blobs.filter((blob) => blob.origin === 'present').length, 2)
    const report = await incremental.push(archive.path, `${target.address}/app:v2`)
    assert.equal(report.images[0]?.manifestCount, 3)
    await using source = await openSource(target.at('app:v2'), target.context)
    assert.equal((await source.resolve()).descriptor.mediaType, MEDIA_TYPE.OCI_INDEX)
  })

  test('a side with a record uses it alone, one without asks what finds credentials', async () => {
    await using directory = await temporaryDirectory()
    await using base = await published(ALICE)
    await using final = await published(BOB)
    const asked = new Set<string>()
    const options: IncrementalOptions = {
      temporaryDirectory: directory.path,
      allArchitectures: true,
      registry: {
        tlsVerify: false,
        credentials: async ({ registry }) => {
          asked.add(registry)
          return { kind: 'basic', ...BOB }
        },
      },
    }
    const [v1, v2] = [`${base.address}/app:v1`, `${final.address}/app:v2`]
    await using archive = await new Incremental({ ...options, authentications: { base: ALICE } }).pull(v1, v2)
    assert.ok((await archive.size()) > 0)
    assert.deepEqual([...asked], [final.address])
    asked.clear()
    // One that is empty is one all the same.
    const nobody = new Incremental({
      ...options,
      authentications: { base: ALICE, final: { username: '', password: '' } },
    })
    await assert.rejects(nobody.pull(v1, v2), { code: 'AUTH_REQUIRED', side: 'source' })
    assert.equal(asked.size, 0)
  })

  test('takes the instance for the running system by default, and fails where there is none', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await published()
    const options = { temporaryDirectory: directory.path, ...HTTP }
    const [base, final] = [`${registry.address}/app:v1`, `${registry.address}/app:v2`]
    await using archive = await new Incremental({ ...options, platform: ARM64 }).pull(base, final)
    await using layout = await LayoutImages.open({ transport: 'oci-archive', path: archive.path })
    assert.equal(layout.index.manifests[0]?.mediaType, MEDIA_TYPE.OCI_MANIFEST)
    const elsewhere = new Incremental({ ...options, platform: { os: 'plan9', architecture: 'mips' } })
    await assert.rejects(elsewhere.pull(base, final), { code: 'NO_MATCHING_PLATFORM' })
    assert.equal(hostPlatform().os, process.platform === 'win32' ? 'windows' : process.platform)
  })

  test('pushes an index under the tag with all architectures, a manifest alone without', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await published()
    const options = { temporaryDirectory: directory.path, platform: AMD64, ...HTTP }
    const all = new Incremental({ ...options, allArchitectures: true })
    await using archive = await all.pull(`${registry.address}/app:v1`, `${registry.address}/app:v2`)
    await all.push(archive.path, `${registry.address}/copy:all`)
    await new Incremental(options).push(archive.path, `${registry.address}/copy:one`)
    for (const [tag, mediaType] of [
      ['all', MEDIA_TYPE.OCI_INDEX],
      ['one', MEDIA_TYPE.OCI_MANIFEST],
    ]) {
      await using source = await openSource(registry.at(`copy:${tag}`), registry.context)
      assert.equal((await source.resolve()).descriptor.mediaType, mediaType)
    }
  })

  test('writes the archive to the temporary directory, and disposing it leaves that empty', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await published()
    const incremental = new Incremental({ temporaryDirectory: directory.path, platform: AMD64, ...HTTP })
    {
      await using archive = await incremental.pull(`${registry.address}/app:v1`, `${registry.address}/app:v2`)
      const names = await readdir(directory.path)
      assert.equal(names.length, 1)
      assert.match(names[0] ?? '', /^[0-9a-f-]{36}\.tar$/)
      const bytes = await readAllBytes(archive, 10_000_000, 'archive')
      assert.equal(bytes.length, await archive.size())
      assert.ok(Buffer.from(bytes).equals(await readFile(archive.path)))
    }
    assert.deepEqual(await readdir(directory.path), [])
  })

  test('tells progress as lines to its reporter, and nothing without one', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await published()
    const lines: string[] = []
    const reporter = { write: (text: string): unknown => lines.push(text) }
    const incremental = new Incremental({ temporaryDirectory: directory.path, platform: AMD64, reporter, ...HTTP })
    await using archive = await incremental.pull(`${registry.address}/app:v1`, `${registry.address}/app:v2`)
    assert.ok(lines.some((line) => /^Copying blob sha256:[0-9a-f]{64}\n$/.test(line)))
    assert.ok(lines.some((line) => /^Copying config sha256:[0-9a-f]{64}\n$/.test(line)))
    assert.ok(lines.some((line) => /^Copying blob sha256:[0-9a-f]{64} skipped: already exists\n$/.test(line)))
    assert.ok(archive.path.startsWith(directory.path))
  })

  for (const [what, base, final] of [
    ['a tag and a digest', `example.com/app:v1@sha256:${'0'.repeat(64)}`, 'example.com/app:v2'],
    ['bad syntax', 'example.com/app:v1', 'example.com/UPPER case'],
    ['no repository', 'example.com/app:v1', ''],
  ]) {
    test(`refuses references with ${what} before any network`, async () => {
      await using directory = await temporaryDirectory()
      const incremental = new Incremental({ temporaryDirectory: directory.path })
      await assert.rejects(incremental.pull(base ?? '', final ?? ''), { code: 'INVALID_REFERENCE' })
      assert.deepEqual(await readdir(directory.path), [])
    })
  }

  test('adds the tag latest to a reference without one', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    await writeImage(registry.at('app:latest'), { layers: [layer('a')], ...gzip }, registry.context)
    const incremental = new Incremental({ temporaryDirectory: directory.path, ...HTTP })
    await using archive = await incremental.pull(`${registry.address}/app`, `${registry.address}/app`)
    assert.ok((await archive.size()) > 0)
  })

  test('aborted while pulling throws the reason, and there is no archive', async () => {
    await using directory = await temporaryDirectory()
    const ending = new AbortController()
    const reason = new Error('enough')
    await using registry = await recordingRegistry(undefined, {
      onRequest({ method, path }) {
        if (method === 'GET' && path.includes('/blobs/')) ending.abort(reason)
      },
    })
    await writeImage(registry.at('app:v1'), { layers: [layer('a')], ...gzip }, registry.context)
    await writeImage(registry.at('app:v2'), { layers: [layer('b')], ...gzip }, registry.context)
    const incremental = new Incremental({ temporaryDirectory: directory.path, ...HTTP })
    const { signal } = ending
    await assert.rejects(
      incremental.pull(`${registry.address}/app:v1`, `${registry.address}/app:v2`, { signal }),
      reason,
    )
    assert.deepEqual(await readdir(directory.path), [])
  })

  test('runs several pulls at a time', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await published()
    const incremental = new Incremental({ temporaryDirectory: directory.path, platform: AMD64, ...HTTP })
    const pulls = Array.from({ length: 3 }, () =>
      incremental.pull(`${registry.address}/app:v1`, `${registry.address}/app:v2`),
    )
    const archives = await Promise.all(pulls)
    assert.equal((await readdir(directory.path)).length, 3)
    for (const archive of archives) await archive.close()
  })

  test('pushVet() fails naming what is missing, and needs no tag at the target', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await published()
    await using empty = await recordingRegistry()
    const incremental = new Incremental({ temporaryDirectory: directory.path, allArchitectures: true, ...HTTP })
    await using archive = await incremental.pull(`${registry.address}/app:v1`, `${registry.address}/app:v2`)
    await incremental.pushVet(archive.path, `${registry.address}/app:absent`)
    await assert.rejects(incremental.pushVet(archive.path, `${empty.address}/app:absent`), (error) => {
      assert.ok(error instanceof MissingLayersError)
      assert.equal(error.missing.length, 2)
      return true
    })
  })

  test('push() refuses an archive with several images', async () => {
    await using registry = await published()
    const path = fixture('images/app-docker-v2.oci.tar')
    await using directory = await temporaryDirectory()
    const copy = `oci:${directory.join('two')}`
    await copyTo(`oci-archive:${path}`, `${copy}:a`)
    await copyTo(`oci-archive:${fixture('images/app-docker-v1.oci.tar')}`, `${copy}:b`)
    await using archive = await LayoutImages.open({ transport: 'oci', path: directory.join('two') })
    assert.equal(archive.index.manifests.length, 2)
    const { pullIncremental } = await import('../../src/incremental/index.ts')
    await using a = await openSource(`${copy}:a`)
    await using b = await openSource(`${copy}:b`)
    await pullIncremental([], [{ source: a }, { source: b }], directory.join('two.tar'))
    const incremental = new Incremental(HTTP)
    await assert.rejects(incremental.push(directory.join('two.tar'), `${registry.address}/app:v3`), {
      code: 'AMBIGUOUS_IMAGE',
    })
  })
})

suite('RemoveOnClose', () => {
  test('is read from the start, anywhere, and as a stream of Node', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('file')
    await writeFileAtomically(path, bytesSource(Buffer.from('some content')))
    const file = await RemoveOnClose.open(path)
    assert.equal(await file.size(), 12)
    assert.equal(Buffer.from(await readAllBytes(file.read({ offset: 5, length: 3 }), 10, 'part')).toString(), 'con')
    assert.equal((await buffer(await file.stream())).toString(), 'some content')
    assert.deepEqual(await readdir(directory.path), [])
  })

  test('is deleted by close(), which a second time fails and deletes nothing', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('file')
    await writeFileAtomically(path, bytesSource(Buffer.from('x')))
    const file = await RemoveOnClose.open(path)
    await file.close()
    assert.deepEqual(await readdir(directory.path), [])
    await writeFileAtomically(path, bytesSource(Buffer.from('another')))
    await assert.rejects(file.close(), { code: 'FILE_ACCESS' })
    await file[Symbol.asyncDispose]()
    assert.deepEqual(await readdir(directory.path), ['file'])
  })

  test('tells when somebody else has deleted the file', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('file')
    await writeFileAtomically(path, bytesSource(Buffer.from('x')))
    const file = await RemoveOnClose.open(path)
    await rm(path)
    await assert.rejects(file.close(), { code: 'FILE_NOT_FOUND' })
    await assert.rejects(RemoveOnClose.open(path), { code: 'FILE_NOT_FOUND' })
  })
})

suite('fetchManifests()', () => {
  test('gives the one manifest of an image, and those of an index in order', async () => {
    await using one = await openSource(`oci-archive:${fixture('images/app-docker-v1.oci.tar')}`)
    const [manifest, ...none] = await fetchManifests(one)
    assert.equal(none.length, 0)
    assert.equal(manifest?.document.layers.length, 3)
    await using index = await openSource(`oci-archive:${fixture('images/app-multi-v2.oci.tar')}`)
    const members = await fetchManifests(index, { configs: true })
    assert.deepEqual(
      members.map(({ platform }) => platform?.architecture),
      ['amd64', 'arm64'],
    )
    assert.equal(members[0]?.diffIds?.length, members[0]?.document.layers.length)
  })

  test('goes into nested indexes, where the original gives up', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const inner = `oci:${directory.join('inner')}`
    await writeIndex(
      inner,
      [AMD64, ARM64].map((platform) => ({ layers: [layer(platform.architecture)], platform, ...gzip })),
    )
    const nested = await putIndex(registry, 'app', 'nested', [{ from: inner, platform: AMD64 }])
    await using source = await openSource(registry.at('app:nested'), registry.context)
    assert.equal((await fetchManifests(source)).length, 2)
    assert.equal((await processList(source, nested.bytes, MEDIA_TYPE.OCI_INDEX)).length, 2)
  })

  test('fails for what is not there', async () => {
    await using registry = await recordingRegistry()
    await using absent = await openSource(registry.at('app:none'), registry.context)
    await assert.rejects(fetchManifests(absent), { code: 'NOT_FOUND' })
  })
})

suite('processList()', () => {
  test('reads what an index lists, an empty one as nothing', async () => {
    await using source = await openSource(`oci-archive:${fixture('images/app-multi-v2.oci.tar')}`)
    const { bytes, descriptor } = await source.resolve()
    assert.equal((await processList(source, bytes, descriptor.mediaType)).length, 2)
    const empty = Buffer.from('{"schemaVersion":2,"manifests":[]}')
    assert.deepEqual(await processList(source, empty, MEDIA_TYPE.OCI_INDEX), [])
  })

  test('refuses a type that is not one of an index, and documents that are both', async () => {
    await using source = await openSource(`oci-archive:${fixture('images/app-docker-v1.oci.tar')}`)
    const { bytes, descriptor } = await source.resolve()
    await assert.rejects(processList(source, bytes, descriptor.mediaType), { code: 'INVALID_ARGUMENT' })
    const both = Buffer.from('{"schemaVersion":2,"manifests":[],"layers":[]}')
    await assert.rejects(processList(source, both, MEDIA_TYPE.OCI_INDEX), { code: 'INVALID_DOCUMENT' })
  })
})

test('buildLayersDictionary() holds each layer of all manifests once, and of none nothing', async () => {
  assert.equal(buildLayersDictionary().size, 0)
  await using source = await openSource(`oci-archive:${fixture('images/app-docker-v1.oci.tar')}`)
  const manifests = await fetchManifests(source)
  const dictionary = buildLayersDictionary(...manifests, ...manifests)
  assert.deepEqual(
    [...dictionary],
    manifests[0]?.document.layers.map((each) => each.digest),
  )
})

suite('Writer', () => {
  for (const [transport, place] of [
    ['oci', (path: string) => `oci:${path}:v2`],
    ['oci-archive', (path: string) => `oci-archive:${path}:v2`],
    ['dir', (path: string) => `dir:${path}`],
  ] as const) {
    test(`leaves the layers of base out of ${transport}:, whatever wrote it`, async () => {
      await using directory = await temporaryDirectory()
      const [one, two] = [`oci:${directory.join('one')}:v1`, `oci:${directory.join('two')}:v2`]
      await writeImage(one, { layers: [layer('a'), layer('b')], ...gzip })
      const v2 = await writeImage(two, { layers: [layer('a'), layer('c')], ...gzip })
      const to = place(directory.join('out'))
      await using base = await openSource(one)
      await using final = await openSource(two)
      const report = await (async () => {
        await using writer = await Writer.create(base, await openDestination(to))
        assert.equal(writer.dictionary.size, 2)
        return await copyImage(final, writer)
      })()
      assert.equal(report.digest, v2.descriptor.digest)
      assert.deepEqual(
        report.blobs.map((blob) => blob.outcome),
        ['written', 'present', 'written'],
      )
      await using written = await openSource(to)
      const [, a, c] = report.blobs
      assert.ok(a && c)
      const held: unknown[] = []
      for (const { digest, mediaType, sizeBytes } of [a, c]) {
        held.push(await written.hasBlob?.({ digest, mediaType, size: sizeBytes }))
      }
      assert.deepEqual(held, [false, true])
    })
  }

  test('closes its destination when base can’t be read', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    await using base = await openSource(registry.at('app:none'), registry.context)
    const destination = await openDestination(`oci-archive:${directory.join('out.tar')}`)
    await assert.rejects(Writer.create(base, destination), { code: 'NOT_FOUND' })
    assert.deepEqual(await readdir(directory.path), [])
  })
})
