import assert from 'node:assert/strict'
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { encodeZstdPatch, PatchDictionary } from '../../src/compress/index.ts'
import { formatSidecar, type SidecarBlob } from '../../src/delta/diffah/sidecar.ts'
import {
  applyBundle,
  applyDelta,
  type ApplyOptions,
  DiffahArchive,
  inspectDelta,
  openDiffahArchive,
  planApply,
  preflight,
} from '../../src/delta/index.ts'
import { CopyError, type ErrorCode, hasErrorCode } from '../../src/errors/index.ts'
import { copyImage } from '../../src/image/index.ts'
import type { Digest } from '../../src/oci/index.ts'
import { startRegistry } from '../../src/registry/index.ts'
import { bytesSource, digestOf, readAllBytes } from '../../src/stream/index.ts'
import { tarHeader } from '../../src/tar/index.ts'
import { openDestination, openSource } from '../../src/transport/index.ts'
import { createInlineRunner, type KernelRunner } from '../../src/workers/index.ts'
import {
  type ArchiveFiles,
  editSidecar,
  packArchive,
  packed,
  sidecarIn,
  unpackArchive,
} from '../support/diffah-archive.ts'
import { fixture, sharedFixture } from '../support/fixtures.ts'
import { buildImage, tarOf, writeImage } from '../support/image-builder.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

const SAVE = fixture('diffah/save.tar')
const SAVE_V1 = `docker-archive:${fixture('images/app-docker-save-v1.tar.gz')}`
/** The same image with gzip layers, as a registry has it. */
const DOCKER_V1 = `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`
const SAVE_V2_DIGEST = 'sha256:ac5a892734248b5c602640f7ddba627a9c28505e1461cf49902b4321250b6a90'
const [LARGE_PATCH, SMALL_PATCH] = [
  'sha256:4755f4cc613559f4255118392287126858fe09015dd619c1841dcca9ffde1754',
  'sha256:b79ae440a5c0c78a987161795dcd6dc10d7548d3e78333e46881e06b56b9e42b',
] as const

let kernels: KernelRunner
let scratch: TemporaryDirectory

before(async () => {
  kernels = await createInlineRunner()
  scratch = await temporaryDirectory()
})
after(() => scratch[Symbol.asyncDispose]())

/** Applies an archive of one image. @returns the digest at the destination */
async function apply(
  archive: string,
  baseline: string,
  destination: string,
  options: Partial<ApplyOptions> = {},
): Promise<Digest> {
  await using resources = new AsyncDisposableStack()
  const set = await resources.use(await openDiffahArchive(archive)).read()
  const from = resources.use(await openSource(baseline))
  const to = resources.use(await openDestination(destination))
  return (await applyDelta(set, [from], to, { kernels, ...options })).copy.digest
}

/** Copies an image to nowhere in particular, which reads and verifies every blob. */
async function readBack(reference: string): Promise<Digest> {
  await using directory = await temporaryDirectory()
  await using source = await openSource(reference)
  await using destination = await openDestination(`dir:${directory.join('copy')}`)
  return (await copyImage(source, destination)).digest
}

/** The archive of the fixture after a change. */
async function spoilt(change: (files: ArchiveFiles) => void): Promise<string> {
  const files = await unpackArchive(SAVE)
  change(files)
  return packArchive(scratch.join('spoilt.tar'), files)
}

async function read(archive: string): Promise<void> {
  await using opened = await openDiffahArchive(archive)
  await opened.read()
}

const code =
  (...codes: readonly ErrorCode[]) =>
  (error: unknown): boolean =>
    hasErrorCode(error, ...codes)

const blobName = (digest: Digest): string => `blobs/sha256/${digest.slice(7)}`

describe('applying archives of diffah', () => {
  test('makes the target with its digests, wherever it is written', async () => {
    await using dir = await temporaryDirectory()
    for (const destination of [
      `dir:${dir.join('dir')}`,
      `oci:${dir.join('oci')}:v2`,
      `oci-archive:${dir.join('v2.tar')}`,
    ]) {
      assert.equal(await apply(SAVE, SAVE_V1, destination), SAVE_V2_DIGEST, destination)
      assert.equal(await readBack(destination), SAVE_V2_DIGEST)
    }
    // This one makes up its manifest, as diffah's own source did.
    const archive = `docker-archive:${dir.join('docker.tar')}:app:v2`
    assert.equal(await apply(SAVE, SAVE_V1, archive), SAVE_V2_DIGEST)
    assert.equal(await readBack(archive), SAVE_V2_DIGEST)
  })

  test('an archive made from docker save applies against the copy in a registry, and into one', async () => {
    await using registry = await startRegistry()
    await using dir = await temporaryDirectory()
    const context = { registry: { tlsVerify: false } }
    const baseline = `docker://${registry.address}/app:v1`
    {
      await using source = await openSource(DOCKER_V1)
      await using destination = await openDestination(baseline, context)
      await copyImage(source, destination)
    }
    await using resources = new AsyncDisposableStack()
    const set = await resources.use(await openDiffahArchive(SAVE)).read()
    const from = resources.use(await openSource(baseline, context))
    const to = resources.use(await openDestination(`docker://${registry.address}/app:v2`, context))
    const report = await applyDelta(set, [from], to, { kernels, workdir: dir.path })
    assert.equal(report.copy.digest, SAVE_V2_DIGEST)
    assert.ok(report.wire.baselineBytes > 0)
    assert.ok(report.spoolBytes > 0)
  })

  test('wrapped in zstd or gzip, with the sidecar last and ./ before names, it is the same archive', async () => {
    const files = [...(await unpackArchive(SAVE))]
    const turned = packed(files.toReversed().map(([name, bytes]) => [`./${name}`, bytes]))
    for (const [name, bytes] of [
      ['turned.tar', turned],
      ['wrapped.tar.zst', zstdCompressSync(turned)],
      ['wrapped.tar.gz', gzipSync(turned)],
    ] as const) {
      await using dir = await temporaryDirectory()
      await writeFile(scratch.join(name), bytes)
      assert.equal(await apply(scratch.join(name), SAVE_V1, `dir:${dir.join('out')}`), SAVE_V2_DIGEST)
    }
  })

  test('the set tells what is in the archive', async () => {
    await using archive = await openDiffahArchive(SAVE)
    const set = await archive.read()
    assert.equal(set.format, 'diffah')
    assert.equal(set.isBundle, false)
    assert.equal(set.descriptor.digest, digestOf(archive.sidecarBytes))
    assert.equal(set.deltas.length, 1)
    const summary = await inspectDelta(set)
    assert.equal(summary.tool, 'diffah dev')
    const [image] = summary.images
    assert.equal(image?.baselines[0]?.name, 'app-docker-save-v1.tar')
    assert.deepEqual(
      image?.layers.map(({ kind, shippedBytes }) => [kind, shippedBytes]),
      [
        ['patch', 311_787],
        ['patch', 791_932],
        ['patch', 61],
      ],
    )
    assert.equal(image?.needs.length, 3)
    assert.deepEqual(image?.waste, [])
  })

  test('of an archive that is only opened nothing is parsed', async () => {
    const archive = await spoilt((files) => files.set('diffah.json', Buffer.from('no sidecar at all')))
    await using opened = await openDiffahArchive(archive)
    assert.ok(opened instanceof DiffahArchive)
    assert.equal(Buffer.from(opened.sidecarBytes).toString(), 'no sidecar at all')
    await assert.rejects(opened.read(), code('INVALID_DOCUMENT'))
  })

  test('preflight names all that another baseline lacks, and nothing is written', async () => {
    await using dir = await temporaryDirectory()
    await writeImage(`oci:${dir.join('other')}`, { layers: [tarOf({ file: 'other' })] })
    const destination = dir.join('out')
    const failed = apply(SAVE, `oci:${dir.join('other')}`, `dir:${destination}`)
    await assert.rejects(failed, code('BASELINE_LACKS_BLOB'))
    await using resources = new AsyncDisposableStack()
    const set = await resources.use(await openDiffahArchive(SAVE)).read()
    const task = {
      name: 'default',
      baselines: async () => [resources.use(await openSource(`oci:${dir.join('other')}`))],
      destination: async () => resources.use(await openDestination(`dir:${destination}`)),
    }
    const [result] = await preflight(set, [task])
    assert.equal(result?.status, 'missing-patch-source')
    assert.equal(result?.missingPatchSources.length, 3)
    await assert.rejects(readdir(destination))
  })

  test('memory that is not enough is told before any work, with the layer that needs it', async () => {
    await using dir = await temporaryDirectory()
    const plan = async (memoryBytes?: number): Promise<number> => {
      await using resources = new AsyncDisposableStack()
      const set = await resources.use(await openDiffahArchive(SAVE)).read()
      const from = resources.use(await openSource(SAVE_V1))
      const to = resources.use(await openDestination(`dir:${dir.join('out')}`))
      return (await planApply(set, [from], to, { memoryBytes })).memoryBytes
    }
    const needed = await plan()
    assert.equal(await plan(needed), needed)
    await assert.rejects(plan(needed - 1), (error) => {
      assert.ok(hasErrorCode(error, 'MEMORY_LIMIT'))
      return error.message.includes(LARGE_PATCH)
    })
  })

  test('what a baseline has itself is taken from there, though the bundle patches it for another image', async () => {
    await using dir = await temporaryDirectory()
    const [old, fresh] = [tarOf({ data: 'old '.repeat(5000) }), tarOf({ data: `${'old '.repeat(5000)}new` })]
    const base = await writeImage(`oci:${dir.join('base')}`, { layers: [old] })
    const ahead = await writeImage(`oci:${dir.join('ahead')}`, { layers: [fresh] })
    const target = buildImage({ layers: [fresh] })
    // As diffah bundles it: image a lacks the layer, image b has it and nothing else.
    const dictionary = await PatchDictionary.read(bytesSource(old), old.length, 'layer')
    const options = { level: 9, sizeBytes: fresh.length, subject: 'patch' }
    const patch = await readAllBytes(encodeZstdPatch(bytesSource(fresh), dictionary, options), 1_000_000, 'patch')
    const files: ArchiveFiles = new Map()
    const blobs = new Map<Digest, SidecarBlob>()
    const store = (
      digest: Digest,
      bytes: Uint8Array,
      blob: Pick<SidecarBlob, 'size' | 'mediaType'> & { from?: Digest },
    ): void => {
      const common = { size: blob.size, mediaType: blob.mediaType, archiveSize: bytes.length }
      blobs.set(
        digest,
        blob.from === undefined
          ? { ...common, encoding: 'full' }
          : { ...common, encoding: 'patch', patchFrom: blob.from },
      )
      files.set(blobName(digest), bytes)
    }
    const [config, layer] = target.blobs
    assert.ok(config !== undefined && layer !== undefined)
    const { descriptor, bytes } = target.manifest
    store(descriptor.digest, bytes, descriptor)
    store(config.descriptor.digest, config.bytes, config.descriptor)
    store(layer.descriptor.digest, patch, { ...layer.descriptor, from: digestOf(old) })
    const image = (name: string, baseline: Digest) => ({
      name,
      baseline: { manifestDigest: baseline, mediaType: descriptor.mediaType },
      target: { manifestDigest: descriptor.digest, manifestSize: descriptor.size, mediaType: descriptor.mediaType },
    })
    const images = [image('a', base.descriptor.digest), image('b', ahead.descriptor.digest)]
    const common = { tool: 'diffah', toolVersion: 'test', createdAt: '', platform: 'linux/amd64' }
    files.set('diffah.json', formatSidecar({ ...common, createdAt: '2026-01-01T00:00:00Z', blobs, images }))
    const archive = await packArchive(dir.join('bundle.tar'), files)

    await using resources = new AsyncDisposableStack()
    const set = await resources.use(await openDiffahArchive(archive)).read()
    const task = (name: string, baseline: string) => ({
      name,
      baselines: async () => [resources.use(await openSource(`oci:${dir.join(baseline)}`))],
      destination: async () => resources.use(await openDestination(`oci:${dir.join(`out-${name}`)}`)),
    })
    const report = await applyBundle(set, [task('a', 'base'), task('b', 'ahead')], { kernels })
    assert.deepEqual(
      report.images.map(({ status, plan }) => [status, plan?.blobs.at(-1)?.origin]),
      [
        ['ok', 'blob-patch'],
        ['ok', 'baseline'],
      ],
    )
  })
})

describe('archives of diffah made by the real one', () => {
  for (const [archive, baseline] of [
    ['docker-gzip.tar', 'oci-archive:app-docker-v1.oci.tar'],
    ['zstd.tar', 'oci-archive:app-zstd-v1.oci.tar'],
    ['buildah-full.tar', 'oci-archive:app-buildah-v1.oci.tar'],
    ['signed.tar', 'docker-archive:app-docker-save-v1.tar'],
  ] as const) {
    const [transport = '', image = ''] = baseline.split(':')
    const { path, skip } = sharedFixture(`diffah/${archive}`)
    test(`${archive} applies`, { skip }, async () => {
      await using dir = await temporaryDirectory()
      await using opened = await openDiffahArchive(path)
      const wanted = (await opened.read()).deltas[0]?.plan.target.digest
      const from = `${transport}:${sharedFixture(`images/${image}`).path}`
      assert.equal(await apply(path, from, `dir:${dir.join('out')}`), wanted)
    })
  }

  const bundle = sharedFixture('diffah/bundle.tar')
  test('bundle.tar applies, each image with its own baseline', { skip: bundle.skip }, async () => {
    await using dir = await temporaryDirectory()
    await using resources = new AsyncDisposableStack()
    const set = await resources.use(await openDiffahArchive(bundle.path)).read()
    assert.equal(set.isBundle, true)
    const task = (name: string, baseline: string) => ({
      name,
      baselines: async () => [resources.use(await openSource(baseline))],
      destination: async () => resources.use(await openDestination(`oci:${dir.join(name)}:v2`)),
    })
    const report = await applyBundle(set, [task('save', SAVE_V1), task('docker', DOCKER_V1)], { kernels })
    assert.deepEqual(
      report.images.map(({ name, status, copy }) => [name, status, copy?.digest]),
      set.deltas.map(({ name, plan }) => [name, 'ok', plan.target.digest]),
    )
  })
})

describe('archives that are not sound', () => {
  test('what is no archive of diffah is told apart from what is damaged', async () => {
    await assert.rejects(read(fixture('images/app-docker-v1.oci.tar')), code('NOT_A_DELTA'))
    await writeFile(scratch.join('text'), 'no tar at all'.repeat(100))
    await assert.rejects(read(scratch.join('text')), code('INVALID_ARCHIVE'))
    await assert.rejects(read(scratch.path), code('INVALID_ARCHIVE'))
    await assert.rejects(read(scratch.join('nothing')), code('FILE_NOT_FOUND'))
    const old = await spoilt((files) => editSidecar(files, (text) => text.replace('"feature": "bundle",', '')))
    await assert.rejects(read(old), code('OBSOLETE_FORMAT'))
    const later = await spoilt((files) => editSidecar(files, (text) => text.replace('"v1"', '"v2"')))
    await assert.rejects(read(later), code('UNSUPPORTED_FORMAT'))
  })

  test('one that is cut off is refused, wherever it was', async () => {
    const bytes = await readFile(SAVE)
    for (const length of [600, 3000, 5000, 400_000, bytes.length >> 1, 1_100_000]) {
      await writeFile(scratch.join('cut.tar'), bytes.subarray(0, length))
      await assert.rejects(read(scratch.join('cut.tar')), code('FILE_INCOMPLETE', 'BLOB_NOT_FOUND'), `${length}`)
      await writeFile(scratch.join('cut.tar.zst'), zstdCompressSync(bytes).subarray(0, length))
      await assert.rejects(read(scratch.join('cut.tar.zst')), code('FILE_INCOMPLETE', 'CORRUPT_ZSTD'), `${length}`)
    }
  })

  test('two sidecars are refused: tools disagree about which one counts', async () => {
    const files = [...(await unpackArchive(SAVE))]
    const [sidecar] = files
    assert.ok(sidecar !== undefined)
    for (const second of [sidecar, ['./diffah.json', Buffer.from('{}')] as const]) {
      await packArchive(scratch.join('two.tar'), [...files, second])
      await assert.rejects(openDiffahArchive(scratch.join('two.tar')), code('INVALID_ARCHIVE'))
    }
  })

  test('names that leave the archive are refused', async () => {
    for (const name of ['../evil', '/etc/evil', 'blobs/../../evil']) {
      const archive = await spoilt((files) => files.set(name, Buffer.from('x')))
      await assert.rejects(openDiffahArchive(archive), code('UNSAFE_PATH'), name)
    }
  })

  test('crafted digests never become paths', async () => {
    for (const crafted of ['sha256:../../x', 'sha256:..', '../../../x', 'sha512:ab']) {
      const archive = await spoilt((files) => editSidecar(files, (text) => text.replaceAll(SMALL_PATCH, crafted)))
      await assert.rejects(read(archive), code('INVALID_DOCUMENT'), crafted)
    }
  })

  test('blobs that are missing are all named', async () => {
    const archive = await spoilt((files) => {
      files.delete(blobName(LARGE_PATCH))
      files.delete(blobName(SMALL_PATCH))
    })
    await assert.rejects(read(archive), (error) => {
      assert.ok(hasErrorCode(error, 'BLOB_NOT_FOUND'))
      return error.message.includes(LARGE_PATCH) && error.message.includes(SMALL_PATCH)
    })
  })

  test('blobs of another size than the sidecar says are refused', async () => {
    const longer = await spoilt((files) => files.set(blobName(SMALL_PATCH), Buffer.alloc(62)))
    await assert.rejects(read(longer), code('INVALID_DOCUMENT'))
    const shorter = await spoilt((files) => files.set(blobName(SMALL_PATCH), Buffer.alloc(60)))
    await assert.rejects(read(shorter), code('INVALID_DOCUMENT'))
    // The sidecar and the target's manifest have to agree too.
    const other = await spoilt((files) => editSidecar(files, (text) => text.replace('"size": 3584', '"size": 3585')))
    await assert.rejects(read(other), code('INVALID_DOCUMENT'))
  })

  test('a sidecar of absurd size is not read', async () => {
    const path = scratch.join('large.tar')
    const size = 65 * 1024 * 1024
    await writeFile(path, tarHeader({ path: 'diffah.json', sizeBytes: size }))
    await truncate(path, 512 + size + 1024)
    await assert.rejects(openDiffahArchive(path), code('LIMIT_EXCEEDED'))
  })

  test('a swapped manifest is noticed before it is looked at', async () => {
    const archive = await spoilt((files) => {
      const name = blobName(SAVE_V2_DIGEST)
      const manifest = Buffer.from(files.get(name) ?? Buffer.alloc(0))
      files.set(name, Buffer.from(manifest.toString().replace('3584', '9999')))
    })
    await assert.rejects(read(archive), (error) => {
      assert.ok(hasErrorCode(error, 'DIGEST_MISMATCH'))
      return error instanceof CopyError && error.side === 'delta' && error.digest === SAVE_V2_DIGEST
    })
  })

  test('a wrapper that asks for absurd memory is refused', async () => {
    // A frame with a window of 2 GiB and one empty block.
    await writeFile(scratch.join('window.zst'), Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3, 1, 0, 0))
    await assert.rejects(read(scratch.join('window.zst')), code('LIMIT_EXCEEDED'))
  })

  for (const [what, make] of [
    ['damaged', (patch) => patch.with(1000, (patch[1000] ?? 0) ^ 0xff)],
    ['no patch at all', (patch) => new Uint8Array(patch.length)],
    ['a bomb', (patch) => Buffer.concat([zstdCompressSync(Buffer.alloc(50_000_000)), patch]).subarray(0, patch.length)],
    ['a patch of something else', (patch, files) => padded(files.get(blobName(SMALL_PATCH)), patch.length)],
  ] as const satisfies readonly (readonly [string, (patch: Uint8Array, files: ArchiveFiles) => Uint8Array])[]) {
    test(`a patch that is ${what} fails, and nothing appears`, async () => {
      await using dir = await temporaryDirectory()
      const archive = await spoilt((files) => {
        const name = blobName(LARGE_PATCH)
        files.set(name, make(files.get(name) ?? new Uint8Array(0), files))
      })
      const destination = dir.join('out.tar')
      await assert.rejects(apply(archive, SAVE_V1, `oci-archive:${destination}`), (error) => {
        assert.ok(hasErrorCode(error, 'CORRUPT_ZSTD', 'SIZE_MISMATCH', 'DIGEST_MISMATCH'), String(error))
        return error.message.includes(LARGE_PATCH)
      })
      assert.deepEqual(await readdir(dir.path), [])
    })
  }

  test('blobs that nothing takes are told of', async () => {
    const extra = Buffer.from('nobody wants me')
    const archive = await spoilt((files) => {
      const sidecar = sidecarIn(files)
      const blob = { size: extra.length, mediaType: 'text/plain', archiveSize: extra.length, encoding: 'full' } as const
      const blobs = new Map<Digest, SidecarBlob>([...sidecar.blobs, [digestOf(extra), blob]])
      files.set('diffah.json', formatSidecar({ ...sidecar, blobs }))
      files.set(blobName(digestOf(extra)), extra)
    })
    await using opened = await openDiffahArchive(archive)
    const [image] = (await inspectDelta(await opened.read())).images
    assert.deepEqual(image?.waste, [
      { kind: 'unused-blob', digest: digestOf(extra), shippedBytes: extra.length, targetBytes: 0 },
    ])
  })
})

function padded(bytes: Uint8Array | undefined, length: number): Uint8Array {
  return Buffer.concat([bytes ?? new Uint8Array(0), Buffer.alloc(length)]).subarray(0, length)
}
