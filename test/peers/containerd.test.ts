import assert from 'node:assert/strict'
import { createWriteStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { after, before, suite, test } from 'node:test'
import {
  checkImage,
  convertImage,
  digestTranslator,
  exportArchive,
  type ExportOptions,
  exportTargets,
  filterReferencePrefix,
  importImages,
  type ImportOptions,
  uncompressLayer,
} from '../../src/image/index.ts'
import { ALL_PLATFORMS, type Digest, onlyPlatformStrict, parsePlatform } from '../../src/oci/index.ts'
import { gzip } from '../../src/recompress/index.ts'
import type { StoreNamespace } from '../../src/store/index.ts'
import { readFileRange } from '../../src/stream/index.ts'
import { decompress } from '../../src/compress/index.ts'
import { createInlineRunner } from '../../src/workers/index.ts'
import { NEEDS_ROOT, runContainerd, type RunningContainerd } from '../support/engine-daemons.ts'
import { fixture } from '../support/fixtures.ts'
import { skipWithout } from '../support/peers.ts'
import { temporaryStore, type TemporaryStore } from '../support/store-content.ts'

let daemon: RunningContainerd

function ctr(...args: readonly string[]): Promise<string> {
  return daemon.ctr(...args)
}

/** A namespace of its own for each test. */
async function inNamespace<Output>(
  work: (ctr: (...args: readonly string[]) => Promise<string>) => Promise<Output>,
): Promise<Output> {
  const name = `test-${count++}`
  return work((...args) => ctr('-n', name, ...args))
}
let count = 0

async function importFixture(namespace: StoreNamespace, name: string, options: ImportOptions = {}): Promise<void> {
  await importImages(namespace, readFileRange(fixture(`images/${name}`)), options)
}

async function exported(
  namespace: StoreNamespace,
  names: readonly string[],
  options: ExportOptions = {},
): Promise<string> {
  const path = daemon.join(`ours-${count++}.tar`)
  const targets = await exportTargets(namespace.images, names)
  await pipeline(exportArchive(namespace.content, targets, options), createWriteStream(path))
  return path
}

async function assertSameFile(ours: string, theirs: string): Promise<void> {
  assert.ok((await readFile(ours)).equals(await readFile(theirs)), `${ours} differs from ${theirs}`)
}

/** Names and digests, as `ctr images ls` tells them. */
async function listed(ctr: (...args: readonly string[]) => Promise<string>): Promise<readonly string[]> {
  const lines = (await ctr('images', 'ls')).trim().split('\n').slice(1)
  return lines.map((line) => line.split(/\s+/, 3).join(' '))
}

async function ourList(namespace: StoreNamespace): Promise<readonly string[]> {
  return (await namespace.images.list()).map(({ name, target }) => `${name} ${target.mediaType} ${target.digest}`)
}

/** Labels of every blob that the collector looks at. */
async function labelsTheirs(
  ctr: (...args: readonly string[]) => Promise<string>,
): Promise<ReadonlyMap<string, string>> {
  const lines = (await ctr('content', 'ls')).trim().split('\n').slice(1)
  return new Map(
    lines.map((line) => {
      const [digest = '', , , labels = ''] = line.split(/\t+/)
      return [
        digest,
        labels
          .split(',')
          .filter((label) => label.startsWith('containerd.io/gc.'))
          .toSorted()
          .join(),
      ]
    }),
  )
}

async function labelsOurs(namespace: StoreNamespace): Promise<ReadonlyMap<string, string>> {
  const labels = new Map<string, string>()
  for await (const info of namespace.content.list()) {
    const own = Object.entries(info.labels).filter(([key]) => key.startsWith('containerd.io/gc.'))
    labels.set(
      info.digest,
      own
        .map(([key, value]) => `${key}=${value}`)
        .toSorted()
        .join(),
    )
  }
  return labels
}

async function assertSameLabels(
  namespace: StoreNamespace,
  ctr: (...args: readonly string[]) => Promise<string>,
): Promise<void> {
  const [ours, theirs] = [await labelsOurs(namespace), await labelsTheirs(ctr)]
  // What nothing refers to may be gone there already: containerd collects when it likes.
  for (const [digest, labels] of theirs) assert.equal(ours.get(digest), labels, digest)
}

suite('containerd', { skip: skipWithout('containerd', 'ctr') || NEEDS_ROOT }, () => {
  before(async () => {
    daemon = await runContainerd()
  })
  after(() => daemon[Symbol.asyncDispose]())

  const ARCHIVES = [
    { name: 'app-docker-v1.oci.tar', args: ['--base-name', 'example.com/app', '--digests'], isDocker: false },
    {
      name: 'app-multi-v2.oci.tar',
      args: ['--base-name', 'example.com/multi', '--digests', '--all-platforms'],
      isDocker: false,
    },
    { name: 'app-zstd-v2.oci.tar', args: ['--base-name', 'example.com/zstd', '--digests'], isDocker: false },
    { name: 'app-docker-save-v1.tar.gz', args: ['--base-name', 'example.com/save', '--digests'], isDocker: true },
  ] as const

  async function plainArchive(name: string): Promise<string> {
    const path = daemon.join(`plain-${name}`)
    const { source } = await decompress(readFileRange(fixture(`images/${name}`)))
    await pipeline(source, createWriteStream(path))
    return path
  }

  for (const { name, args } of ARCHIVES) {
    test(`imports ${name} as we do: names, targets, labels`, async () => {
      await using ours = await temporaryStore()
      const namespace = ours.store.namespace()
      await inNamespace(async (ctr) => {
        await ctr('images', 'import', '--no-unpack', ...args, await plainArchive(name))
        await importFixture(namespace, name, {
          translateReference: filterReferencePrefix(args[1]),
          digestReference: digestTranslator(args[1]),
        })
        assert.deepEqual(await ourList(namespace), await listed(ctr))
        await assertSameLabels(namespace, ctr)
      })
    })

    test(`exports ${name} byte for byte as we do`, async () => {
      await using ours = await temporaryStore()
      const namespace = ours.store.namespace()
      await inNamespace(async (ctr) => {
        await ctr('images', 'import', '--no-unpack', ...args, await plainArchive(name))
        await importFixture(namespace, name, {
          translateReference: filterReferencePrefix(args[1]),
          digestReference: digestTranslator(args[1]),
        })
        for (const image of (await namespace.images.list()).map((record) => record.name)) {
          const theirs = daemon.join(`theirs-${count++}.tar`)
          await ctr('images', 'export', '--all-platforms', theirs, image)
          await assertSameFile(
            await exported(namespace, [image], { platform: hostStrict(), allPlatforms: true }),
            theirs,
          )
          await ctr('images', 'export', '--platform', 'linux/amd64', theirs, image)
          await assertSameFile(await exported(namespace, [image], { platform: hostStrict() }), theirs)
        }
      })
    })
  }

  const hostStrict = (): ReturnType<typeof onlyPlatformStrict> => onlyPlatformStrict(parsePlatform('linux/amd64'))

  test('imports what we export: one image of several names, several images, no Docker manifest', async () => {
    await using ours = await temporaryStore()
    const namespace = ours.store.namespace()
    await importFixture(namespace, 'app-docker-v1.oci.tar', { translateReference: () => 'example.com/app:v1' })
    await importFixture(namespace, 'app-multi-v2.oci.tar', {
      translateReference: () => 'example.com/multi:v2',
      digestReference: () => 'example.com/multi:v2',
    })
    const { target } = await namespace.images.get('example.com/app:v1')
    await namespace.images.create({ name: 'docker.io/library/app:latest', target })
    for (const options of [{}, { skipDockerManifest: true }]) {
      const names = ['example.com/app:v1', 'docker.io/library/app:latest', 'example.com/multi:v2']
      const path = await exported(namespace, names, options)
      await inNamespace(async (ctr) => {
        await ctr('images', 'import', '--no-unpack', '--all-platforms', path)
        assert.deepEqual(await listed(ctr), await ourList(namespace))
        const status = await ctr('images', 'check')
        assert.equal(status.match(/ complete /g)?.length, 3, status)
      })
    }
  })

  test('converts to the digests that we convert to', async () => {
    await inNamespace(async (ctr) => {
      await using ours = await temporaryStore()
      const namespace = ours.store.namespace()
      for (const { name, args } of ARCHIVES) {
        await ctr('images', 'import', '--no-unpack', ...args, await plainArchive(name))
        await importFixture(namespace, name, {
          translateReference: filterReferencePrefix(args[1]),
          digestReference: digestTranslator(args[1]),
        })
      }
      const conversions = [
        { args: ['--oci', '--all-platforms'], options: { mediaTypes: 'oci' } },
        { args: ['--uncompress', '--all-platforms'], options: { layer: uncompressLayer } },
        { args: ['--uncompress', '--oci', '--all-platforms'], options: { layer: uncompressLayer, mediaTypes: 'oci' } },
        {
          args: ['--uncompress', '--oci', '--platform', 'linux/amd64'],
          options: { layer: uncompressLayer, mediaTypes: 'oci', platform: hostStrict() },
        },
      ] as const
      for (const image of (await namespace.images.list()).map((record) => record.name)) {
        for (const { args, options } of conversions) {
          const theirs = (await ctr('images', 'convert', ...args, image, 'example.com/converted:x')).trim()
          const { target } = await convertImage(namespace, 'example.com/converted:x', image, options)
          assert.equal(target.digest, theirs, `${image} ${args.join(' ')}`)
        }
      }
    })
  })

  test('compresses layers of a Docker archive to the bytes that we compress them to', async () => {
    await using ours = await temporaryStore()
    await using kernels = await createInlineRunner()
    const namespace = ours.store.namespace()
    const name = 'app-docker-save-v1.tar.gz'
    await importFixture(namespace, name, {
      compression: { compression: 'gzip', compress: (plain) => gzip(plain, { kernels }) },
    })
    await inNamespace(async (ctr) => {
      await ctr('images', 'import', '--no-unpack', '--compress-blobs', await plainArchive(name))
      assert.deepEqual(await ourList(namespace), await listed(ctr))
    })
  })

  test('finds the same images by the same filters', async () => {
    const filters = [
      'name==example.com/a:1',
      'name!=example.com/a:1',
      'name~=/a:[12]$/',
      'name~=|^docker|',
      'labels.tier==prod',
      'labels.tier!=prod',
      'labels."dotted.key"',
      'labels.dotted.key==x y',
      'labels."dotted.key"=="x y"',
      'target.mediatype~=manifest',
      'labels.tier,name~=b',
      'other',
      'name~=(?i)EXAMPLE',
      'name~=[[:digit:]]$',
    ]
    await using ours = await temporaryStore()
    const namespace = ours.store.namespace()
    await inNamespace(async (ctr) => {
      await ctr(
        'images',
        'import',
        '--no-unpack',
        '--base-name',
        'example.com/a',
        fixture('images/app-docker-v1.oci.tar'),
      )
      await importFixture(namespace, 'app-docker-v1.oci.tar', {
        translateReference: filterReferencePrefix('example.com/a'),
      })
      const [first] = await namespace.images.list()
      assert.ok(first)
      for (const name of ['example.com/a:1', 'example.com/a:2', 'docker.io/library/b:1']) {
        await ctr('images', 'tag', first.name, name)
        await namespace.images.create({ name, target: first.target, labels: first.labels })
      }
      const labels = { tier: 'prod', 'dotted.key': 'x y' }
      await ctr(
        'images',
        'label',
        'example.com/a:1',
        ...Object.entries(labels).map(([key, value]) => `${key}=${value}`),
      )
      await namespace.images.update({ ...first, name: 'example.com/a:1', labels }, ['labels'])
      for (const filter of filters) {
        const theirs = await ctr('images', 'ls', '-q', filter).catch(() => 'refused')
        const ourNames = await namespace.images.list([filter]).then(
          (images) => images.map((image) => `${image.name}\n`).join(''),
          () => 'refused',
        )
        assert.equal(ourNames, theirs, filter)
      }
    })
  })

  test('keeps and collects the same blobs when an image goes', async () => {
    await using ours: TemporaryStore = await temporaryStore()
    const namespace = ours.store.namespace()
    await inNamespace(async (ctr) => {
      for (const [name, base] of [
        ['app-docker-v1.oci.tar', 'example.com/one'],
        ['app-docker-v2.oci.tar', 'example.com/two'],
      ] as const) {
        await ctr('images', 'import', '--no-unpack', '--base-name', base, fixture(`images/${name}`))
        await importFixture(namespace, name, { translateReference: filterReferencePrefix(base) })
      }
      const digests = async (): Promise<readonly (readonly Digest[])[]> => {
        const theirs = (await ctr('content', 'ls', '-q')).trim().split('\n').filter(Boolean) as Digest[]
        const mine: Digest[] = []
        for await (const { digest } of namespace.content.list()) mine.push(digest)
        return [mine, theirs.toSorted((a, b) => (a < b ? -1 : 1))]
      }
      for (const image of (await namespace.images.list()).map((record) => record.name)) {
        await namespace.images.delete(image, { synchronous: true })
        await ctr('images', 'rm', '--sync', image)
        const [mine, theirs] = await digests()
        assert.deepEqual(mine, theirs)
      }
    })
  })

  test('calls an image incomplete where we do', async () => {
    await using ours = await temporaryStore()
    const namespace = ours.store.namespace()
    await importFixture(namespace, 'app-docker-v1.oci.tar', { translateReference: () => 'example.com/app:v1' })
    const { target } = await namespace.images.get('example.com/app:v1')
    const path = await exported(namespace, ['example.com/app:v1'], {
      blobFilter: ({ mediaType }) => !mediaType.includes('rootfs'),
    })
    await using partial = await temporaryStore()
    await importImages(partial.store.namespace(), readFileRange(path))
    const check = await checkImage(partial.store.namespace().content, target, ALL_PLATFORMS)
    assert.deepEqual([check.isAvailable, check.present.length, check.missing.length], [true, 1, 3])
    await inNamespace(async (ctr) => {
      await ctr('images', 'import', '--no-unpack', path)
      assert.match(await ctr('images', 'check'), /incomplete \(1\/4\)/)
    })
  })
})
