import assert from 'node:assert/strict'
import { createWriteStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { suite, test } from 'node:test'
import { checkImage, exportArchive, exportTargets, importImages, readChildren } from '../../src/image/index.ts'
import { ALL_PLATFORMS, onlyPlatform, parsePlatform } from '../../src/oci/index.ts'
import type { StoreNamespace } from '../../src/store/index.ts'
import { digestOf, readFileRange } from '../../src/stream/index.ts'
import { fixture } from '../support/fixtures.ts'
import { runPeer, skipWithout } from '../support/peers.ts'
import { temporaryStore, type TemporaryStore } from '../support/store-content.ts'

const NAME = 'example.com/app:v1'

/** A store with one image, and an export of it. */
async function exported(
  ours: TemporaryStore,
  name: string,
): Promise<{ readonly path: string; readonly imageId: string }> {
  const namespace = ours.store.namespace()
  await importImages(namespace, readFileRange(fixture(`images/${name}`)), {
    translateReference: () => NAME,
    digestReference: () => NAME,
  })
  const path = ours.directory.join('export.tar')
  const platform = onlyPlatform(parsePlatform('linux/amd64'))
  const targets = await exportTargets(namespace.images, [NAME])
  await pipeline(exportArchive(namespace.content, targets, { platform }), createWriteStream(path))
  const [config] = await readChildren(namespace.content, (await namespace.images.get(NAME)).target)
  return { path, imageId: config?.digest.slice(7) ?? '' }
}

/** @param imageId - left out where the other side writes the config anew, as OCI's */
async function assertImported(namespace: StoreNamespace, path: string, imageId?: string): Promise<void> {
  const { images } = await importImages(namespace, readFileRange(path))
  const [image] = images
  assert.ok(image)
  const check = await checkImage(namespace.content, image.target, ALL_PLATFORMS)
  assert.deepEqual([check.isAvailable, check.missing], [true, []])
  if (imageId !== undefined) assert.equal(check.required[0]?.digest, `sha256:${imageId}`)
}

suite('skopeo', { skip: skipWithout('skopeo') }, () => {
  for (const name of ['app-docker-v1.oci.tar', 'app-zstd-v2.oci.tar']) {
    test(`reads our export of ${name} as docker-archive: and oci-archive:`, async () => {
      await using ours = await temporaryStore()
      const { path, imageId } = await exported(ours, name)
      const { target } = await ours.store.namespace().images.get(NAME)
      const docker = await runPeer('skopeo', ['inspect', '--raw', `docker-archive:${path}`])
      assert.equal(JSON.parse(docker.stdout).config.digest, `sha256:${imageId}`)
      const oci = await runPeer('skopeo', ['inspect', '--raw', `oci-archive:${path}`])
      assert.equal(digestOf(Buffer.from(oci.stdout)), target.digest)
    })
  }

  test('writes docker-archive: and oci-archive: that we import', async () => {
    await using ours = await temporaryStore()
    const { path, imageId } = await exported(ours, 'app-docker-v1.oci.tar')
    const namespace = ours.store.namespace('theirs')
    for (const to of [
      `docker-archive:${ours.directory.join('d.tar')}:app:v1`,
      `oci-archive:${ours.directory.join('o.tar')}:v1`,
    ]) {
      await runPeer('skopeo', ['--insecure-policy', 'copy', '--quiet', `docker-archive:${path}`, to])
    }
    await assertImported(namespace, ours.directory.join('d.tar'), imageId)
    assert.deepEqual(
      (await namespace.images.list()).map((image) => image.name),
      ['docker.io/library/app:v1'],
    )
    await assertImported(namespace, ours.directory.join('o.tar'))
  })
})

suite('podman', { skip: skipWithout('podman') }, () => {
  test('loads our export with the same image ID, and saves what we import', async () => {
    await using ours = await temporaryStore()
    const { path, imageId } = await exported(ours, 'app-docker-v1.oci.tar')
    const places = ['--root', ours.directory.join('podman'), '--runroot', ours.directory.join('podman-run')]
    const podman = (...args: readonly string[]): ReturnType<typeof runPeer> =>
      runPeer('podman', [...places, '--storage-driver', 'vfs', ...args])
    await podman('load', '--quiet', '--input', path)
    assert.equal((await podman('images', '--quiet', '--no-trunc')).stdout.trim(), `sha256:${imageId}`)
    for (const format of ['docker-archive', 'oci-archive']) {
      const saved = ours.directory.join(`${format}.tar`)
      await podman('save', '--quiet', '--format', format, '--output', saved, NAME)
      assert.ok((await readFile(saved)).length > 0)
      const keepsConfig = format === 'docker-archive'
      await assertImported(ours.store.namespace(format), saved, keepsConfig ? imageId : undefined)
    }
  })
})
