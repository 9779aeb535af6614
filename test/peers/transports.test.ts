import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { decompress } from '../../src/compress/index.ts'
import { copyImage, manifestsOf, readImageTree } from '../../src/image/index.ts'
import type { Digest } from '../../src/oci/index.ts'
import { digestOf, readFileRange, writeFileAtomically } from '../../src/stream/index.ts'
import { openDestination, openSource } from '../../src/transport/index.ts'
import { fixture } from '../support/fixtures.ts'
import { runPeer, skipWithout } from '../support/peers.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

/** What the copies start from. `isDocker`: Docker's media types, which skopeo does not put into layouts. */
interface Image {
  readonly name: string
  readonly reference: string
  readonly isIndex: boolean
  readonly isDocker: boolean
}

const IMAGES: readonly Image[] = [
  { name: 'docker', file: 'oci-archive:app-docker-v1.oci.tar', isIndex: false, isDocker: true },
  { name: 'multi', file: 'oci-archive:app-multi-v2.oci.tar', isIndex: true, isDocker: false },
  { name: 'zstd', file: 'oci-archive:app-zstd-v2.oci.tar', isIndex: false, isDocker: false },
  { name: 'save', file: 'docker-archive:app-docker-save-v1.tar.gz', isIndex: false, isDocker: true },
].map(({ file, ...image }) => {
  const [transport, name] = file.split(':')
  return { ...image, reference: `${transport}:${fixture(`images/${name}`)}` }
})

async function copy(from: string, to: string): Promise<Digest> {
  await using source = await openSource(from)
  await using destination = await openDestination(to)
  return (await copyImage(source, destination)).digest
}

async function digestAt(reference: string): Promise<Digest> {
  await using source = await openSource(reference)
  return (await source.resolve()).descriptor.digest
}

/** Digests of all manifests, without the index that may be round them. */
async function manifestDigests(reference: string): Promise<readonly Digest[]> {
  await using source = await openSource(reference)
  return manifestsOf(await readImageTree(source)).map((manifest) => manifest.descriptor.digest)
}

/** Reads everything, verified. */
async function readWhole(reference: string, directory: TemporaryDirectory): Promise<Digest> {
  return copy(reference, `oci:${directory.join('read', digestOf(Buffer.from(reference)).slice(7, 19))}`)
}

function skopeo(...args: readonly string[]): ReturnType<typeof runPeer> {
  return runPeer('skopeo', ['--insecure-policy', ...args])
}

/** skopeo 1.9 writes an index anew, with other bytes, and refuses to when told to preserve digests. */
async function skopeoCopy(from: string, to: string, { isIndex }: Pick<Image, 'isIndex'>): Promise<void> {
  await skopeo('copy', '--all', ...(isIndex ? [] : ['--preserve-digests']), '--quiet', from, to)
}

async function skopeoDigest(reference: string): Promise<Digest> {
  return digestOf(Buffer.from((await skopeo('inspect', '--raw', reference)).stdout))
}

suite('skopeo', { skip: skipWithout('skopeo') }, () => {
  for (const image of IMAGES) {
    // skopeo 1.9 finds no entry of Docker's types by its name, so the only entry is taken.
    for (const [transport, name] of [
      ['oci', image.isDocker ? '' : ':v1'],
      ['oci-archive', image.isDocker ? '' : ':app:v1'],
      ['dir', ''],
    ] as const) {
      test(`reads ${image.name} from our ${transport}:`, async () => {
        await using directory = await temporaryDirectory()
        const ours = `${transport}:${directory.join('ours')}${name}`
        const digest = await copy(image.reference, ours)
        assert.equal(await skopeoDigest(ours), digest)
        // A `dir:` takes everything as it is, so this reads every blob.
        const theirs = `dir:${directory.join('theirs')}`
        await skopeoCopy(ours, theirs, image)
        assert.deepEqual(await manifestDigests(theirs), await manifestDigests(image.reference))
        if (!image.isIndex) assert.equal(await digestAt(theirs), digest)
        await readWhole(theirs, directory)
      })

      if (image.isDocker && transport !== 'dir') continue
      test(`writes ${image.name} into ${transport}: for us`, async () => {
        await using directory = await temporaryDirectory()
        const start = `dir:${directory.join('start')}`
        await copy(image.reference, start)
        const theirs = `${transport}:${directory.join('theirs')}${name}`
        await skopeoCopy(start, theirs, image)
        assert.deepEqual(await manifestDigests(theirs), await manifestDigests(image.reference))
        assert.equal(await readWhole(theirs, directory), await skopeoDigest(theirs))
      })
    }

    if (image.isIndex) continue
    test(`reads ${image.name} from our docker-archive: with the digest we give`, async () => {
      await using directory = await temporaryDirectory()
      const ours = `docker-archive:${directory.join('ours.tar')}:example.com/app:v1`
      const digest = await copy(image.reference, ours)
      assert.equal(await skopeoDigest(ours), digest)
      const theirs = `docker-archive:${directory.join('theirs.tar')}:example.com/app:v1`
      await skopeo('copy', '--quiet', ours, theirs)
      assert.equal(await digestAt(theirs), digest)
      assert.equal(await readWhole(theirs, directory), digest)
      const plain = `dir:${directory.join('plain')}`
      await skopeo('copy', '--quiet', '--preserve-digests', ours, plain)
      assert.equal(await readWhole(plain, directory), digest)
    })
  }

  for (const name of ['app-docker-save-v1.tar.gz', 'app-docker-save-v2.tar.zst']) {
    test(`makes up the same manifest for ${name}`, async () => {
      await using directory = await temporaryDirectory()
      // skopeo 1.9 cannot read an archive in gzip.
      const plain = directory.join('plain.tar')
      await writeFileAtomically(plain, (await decompress(readFileRange(fixture(`images/${name}`)))).source)
      const { stdout } = await skopeo('inspect', '--raw', `docker-archive:${plain}`)
      await using source = await openSource(`docker-archive:${fixture(`images/${name}`)}`)
      assert.equal(Buffer.from((await source.resolve()).bytes).toString(), stdout)
    })
  }

  test('adds images to our layout, and we to theirs', async () => {
    await using directory = await temporaryDirectory()
    const layout = directory.join('layout')
    const [, multi, zstd] = IMAGES
    assert.ok(multi && zstd)
    const first = await copy(zstd.reference, `oci:${layout}:ours`)
    await copy(multi.reference, `dir:${directory.join('multi')}`)
    await skopeoCopy(`dir:${directory.join('multi')}`, `oci:${layout}:theirs`, multi)
    await copy(zstd.reference, `oci:${layout}:again`)
    assert.equal(await digestAt(`oci:${layout}:ours`), first)
    assert.equal(await skopeoDigest(`oci:${layout}:again`), first)
    assert.equal(await skopeoDigest(`oci:${layout}:theirs`), await digestAt(`oci:${layout}:theirs`))
  })
})

suite('umoci', { skip: skipWithout('umoci') }, () => {
  test('lists and unpacks an image of our layout', async () => {
    await using directory = await temporaryDirectory()
    const layout = directory.join('layout')
    const image = `oci-archive:${fixture('images/app-multi-v2.oci.tar')}`
    const member = 'sha256:ca702ec0cc16a164f72e51581267346697a4088698f2563442758084aa69bca0'
    await copy(`${image}@${member}`, `oci:${layout}:v2`)
    assert.equal((await runPeer('umoci', ['list', '--layout', layout])).stdout.trim(), 'v2')
    await runPeer('umoci', ['unpack', '--rootless', '--image', `${layout}:v2`, directory.join('bundle')])
    const config: unknown = JSON.parse(await readFile(directory.join('bundle', 'config.json'), 'utf8'))
    assert.ok(config !== null && typeof config === 'object' && 'process' in config)
    await runPeer('umoci', ['tag', '--image', `${layout}:v2`, 'theirs'])
    assert.equal(await digestAt(`oci:${layout}:theirs`), member)
  })
})

const NEEDS_ROOT = process.getuid?.() === 0 ? false : 'buildah without a user namespace needs root'

suite('buildah', { skip: skipWithout('buildah') || NEEDS_ROOT }, () => {
  test('loads an image from our docker-archive: and oci-archive:', async () => {
    await using directory = await temporaryDirectory()
    const storage = ['--storage-driver', 'vfs', '--root', directory.join('root'), '--runroot', directory.join('run')]
    const image = `docker-archive:${fixture('images/app-docker-save-v1.tar.gz')}`
    const config = 'e35eef4739c2d873e2726d47b667d6a9338d63aff577de4abe36c5425bd301dc'
    for (const to of ['docker-archive', 'oci-archive']) {
      const ours = `${to}:${directory.join(`${to}.tar`)}`
      await copy(image, `${ours}:example.com/app:v1`)
      const { stdout } = await runPeer('buildah', [...storage, 'pull', '--quiet', ours])
      assert.equal(stdout.trim(), config, to)
      const { stdout: names } = await runPeer('buildah', [...storage, 'images', '--format', '{{.Name}}:{{.Tag}}'])
      if (to === 'docker-archive') assert.match(names, /^example\.com\/app:v1$/m)
    }
  })
})

suite('GNU tar', { skip: skipWithout('tar') }, () => {
  test('unpacks our archives, and what it packs we read', async () => {
    await using directory = await temporaryDirectory()
    const archive = directory.join('a.tar')
    const digest = await copy(`oci-archive:${fixture('images/app-multi-v2.oci.tar')}`, `oci-archive:${archive}:v2`)
    await runPeer('mkdir', [directory.join('layout')])
    await runPeer('tar', ['-xf', archive, '-C', directory.join('layout')])
    assert.equal(await digestAt(`oci:${directory.join('layout')}:v2`), digest)
    for (const [name, option] of [
      ['plain.tar', '--format=pax'],
      ['gnu.tar', '--format=gnu'],
      ['gzip.tar', '-z'],
    ] as const) {
      await runPeer('tar', ['-c', option, '-f', directory.join(name), '-C', directory.join('layout'), '.'])
      assert.equal(await readWhole(`oci-archive:${directory.join(name)}:v2`, directory), digest, name)
    }
  })
})
