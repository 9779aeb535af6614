import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { appendFile, mkdir, readdir, readFile, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { CopyError, type ErrorCode, hasErrorCode } from '../../src/errors/index.ts'
import { copyImage, readImageTree } from '../../src/image/index.ts'
import { type Descriptor, type Digest, digestHex, MEDIA_TYPE } from '../../src/oci/index.ts'
import { bytesSource, digestOf, readAllBytes } from '../../src/stream/index.ts'
import { TAR_TRAILER, tarHeader, type TarHeaderFields, tarPadding } from '../../src/tar/index.ts'
import { type ImageSource, type OpenContext, openDestination, openSource } from '../../src/transport/index.ts'
import { fixture, sharedFixture } from '../support/fixtures.ts'
import { tarOf, writeImage } from '../support/image-builder.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

const DOCKER_V1 = 'sha256:cf43158f5d24944bbd5f28a42d5af6a84d9a270f352aa883dda58ed41095a3f5'
const DOCKER_V2 = 'sha256:834750955ad1862d96c3b32cb1f8cf05c83b57826fdb31c138ec7a6aab54641c'
const MULTI_V2 = 'sha256:8688b22cfacfd5f126c047c772ef912ea650f7bf53ff122f35425e53445f21b1'
const ZSTD_V2 = 'sha256:201f6273f7c2d5518dd1b93e59cbea20dfe747b789b4f6e1bac4328d4810208f'
/** What skopeo makes up for the docker archives. */
const SAVE_V1 = 'sha256:88dfc93c8ba72ac3854e024f27cb01815cebf96914ec21d0451669ef923e6694'
const SAVE_V2 = 'sha256:ac5a892734248b5c602640f7ddba627a9c28505e1461cf49902b4321250b6a90'

/** References of carried images, with their digests. */
const CARRIED: readonly (readonly [string, Digest])[] = [
  [`oci-archive:${fixture('images/app-docker-v1.oci.tar')}`, DOCKER_V1],
  [`oci-archive:${fixture('images/app-docker-v2.oci.tar')}`, DOCKER_V2],
  [`oci-archive:${fixture('images/app-multi-v2.oci.tar')}`, MULTI_V2],
  [`oci-archive:${fixture('images/app-zstd-v2.oci.tar')}`, ZSTD_V2],
  [`docker-archive:${fixture('images/app-docker-save-v1.tar.gz')}`, SAVE_V1],
  [`docker-archive:${fixture('images/app-docker-save-v2.tar.zst')}`, SAVE_V2],
]

const SHARED: readonly (readonly [string, string, Digest])[] = [
  ['oci-archive', 'app-buildah-v1.oci.tar', 'sha256:c6a709e28bba477a4a584914924584bd71201922ddada0894956b74a04419d58'],
  ['oci-archive', 'app-buildah-v2.oci.tar', 'sha256:18291c2739e474fcbf356af3fdc382f3f4e0b3980e657a6c8740bc8411b72b88'],
  ['oci-archive', 'app-buildkit-v1.oci.tar', 'sha256:7a92c42bde626a82d775c66e4373d6f715f30fd1ad6c2ff9230743fcf6bff7de'],
  ['oci-archive', 'app-buildkit-v2.oci.tar', 'sha256:810272143cb95194e21c0306eef9a711e0ec8db7489e0e25d923ed345d2a78e6'],
  [
    'oci-archive',
    'app-docker29-save-v1.tar',
    'sha256:a4d490a4e799a718f95be9d52299145f25f4ff43278a80e6dc566e6c42e25adc',
  ],
  [
    'oci-archive',
    'app-docker29-save-v2.tar',
    'sha256:05a4d69d1547f096221e219bf3fb9fc73b66df90616360d0a9260eb024194592',
  ],
  ['oci-archive', 'app-estargz-v1.oci.tar', 'sha256:addee3228aebd468ab1ce29c1fce2e6261b86eb3e748cf97dbe129ec0a8b623b'],
  ['oci-archive', 'app-estargz-v2.oci.tar', 'sha256:91ca23192c7d353c09bfc5f02e4bc764908bb8f59735eea90aef8bcebf69d6b0'],
  ['oci-archive', 'app-multi-v1.oci.tar', 'sha256:96c9e7c4a1bdb0554dcda020f97e1fbc1d056b378d22f0931504422c9504a6d9'],
  ['oci-archive', 'app-umoci-v1.oci.tar', 'sha256:806f3cf9d86b06ebbf12a537f0a8f2c130d3ddc946ee7c07e7ee9487e868ea4b'],
  ['oci-archive', 'app-umoci-v2.oci.tar', 'sha256:92401d6f6b68630b0cca379914b4d4801ef0a0adca1bb96333e2f98ddc1c16d9'],
  ['oci-archive', 'app-zstd-v1.oci.tar', 'sha256:f55fcb99e14fd92672198b70b540e77a2c87bdb8617817318ea8ff9a2eb816b5'],
  ['docker-archive', 'app-docker-save-v1.tar', SAVE_V1],
  ['docker-archive', 'app-docker-save-v2.tar', SAVE_V2],
  ['docker-archive', 'app-docker29-save-v1.tar', SAVE_V1],
  ['docker-archive', 'app-docker29-save-v2.tar', SAVE_V2],
]

async function copy(from: string, to: string, context: OpenContext & { readonly concurrency?: number } = {}) {
  await using source = await openSource(from, context)
  await using destination = await openDestination(to, context)
  return await copyImage(source, destination, { concurrency: context.concurrency, signal: context.signal })
}

async function digestAt(reference: string): Promise<Digest> {
  await using source = await openSource(reference)
  return (await source.resolve()).descriptor.digest
}

/** Rejects with one of the codes, wherever in the chain of causes it was wrapped. */
async function rejectsWith(work: Promise<unknown>, ...codes: readonly ErrorCode[]): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(hasErrorCode(error, ...codes), `expected ${codes.join(' or ')}, got ${String(error)}`)
    return true
  })
}

type Entry = TarHeaderFields & { readonly content?: string | Uint8Array }

function tar(...entries: readonly Entry[]): Buffer {
  return Buffer.concat([
    ...entries.flatMap(({ content = '', ...fields }) => {
      const bytes = Buffer.from(content)
      return [tarHeader({ ...fields, sizeBytes: bytes.length }), bytes, tarPadding(bytes.length)]
    }),
    TAR_TRAILER,
  ])
}

/** A docker archive's parts: one image with the given plain layers. */
function dockerImage(layers: readonly Buffer[], names: readonly string[], repoTags: readonly string[] = ['app:v1']) {
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => digestOf(layer)) },
  })
  const configName = `${digestHex(digestOf(Buffer.from(config)))}.json`
  return {
    config: { path: configName, content: config },
    element: { Config: configName, RepoTags: repoTags, Layers: names },
  }
}

/** A layout's parts: one image with the given config and layers. */
function layoutImage(config: string, layers: readonly string[], configType: string = MEDIA_TYPE.OCI_CONFIG) {
  const describe = (mediaType: string, content: string): Descriptor => {
    const bytes = Buffer.from(content)
    return { mediaType, digest: digestOf(bytes), size: bytes.length }
  }
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.OCI_MANIFEST,
    config: describe(configType, config),
    layers: layers.map((layer) => describe(MEDIA_TYPE.OCI_LAYER, layer)),
  })
  const blob = (content: string): Entry => ({
    path: `blobs/sha256/${digestHex(digestOf(Buffer.from(content)))}`,
    content,
  })
  return { root: describe(MEDIA_TYPE.OCI_MANIFEST, manifest), blobs: [manifest, config, ...layers].map(blob) }
}

function indexJson(...manifests: readonly Descriptor[]): Entry {
  return { path: 'index.json', content: JSON.stringify({ schemaVersion: 2, manifests }) }
}

async function layoutOf(directory: TemporaryDirectory, name = 'layout'): Promise<string> {
  const path = directory.join(name)
  await copy(`oci-archive:${fixture('images/app-docker-v1.oci.tar')}`, `oci:${path}:v1`)
  return path
}

suite('resolve()', () => {
  for (const [reference, digest] of CARRIED) {
    test(`gives the digest of ${reference.replace(/:.*\//, ':')}`, async () => {
      assert.equal(await digestAt(reference), digest)
    })
  }
  for (const [transport, name, digest] of SHARED) {
    const { path, skip } = sharedFixture(`images/${name}`)
    test(`gives the digest of ${transport}:${name}`, { skip }, async () => {
      assert.equal(await digestAt(`${transport}:${path}`), digest)
    })
  }

  test('finds images by name, by digest, by position, and members of an index by digest', async () => {
    const multi = `oci-archive:${fixture('images/app-multi-v2.oci.tar')}`
    const member = 'sha256:ca702ec0cc16a164f72e51581267346697a4088698f2563442758084aa69bca0'
    assert.equal(await digestAt(`${multi}@${MULTI_V2}`), MULTI_V2)
    assert.equal(await digestAt(`${multi}:@0`), MULTI_V2)
    assert.equal(await digestAt(`${multi}:127.0.0.1:5098/app-multi:v2`), MULTI_V2)
    assert.equal(await digestAt(`${multi}@${member}`), member)
    const save = `docker-archive:${fixture('images/app-docker-save-v1.tar.gz')}`
    assert.equal(await digestAt(`${save}:127.0.0.1:5098/app:v1`), SAVE_V1)
    assert.equal(await digestAt(`${save}:@0`), SAVE_V1)
    for (const absent of [`${multi}:v9`, `${multi}:@1`, `${multi}@${SAVE_V1}`, `${save}:app:v9`, `${save}:@1`]) {
      await rejectsWith(digestAt(absent), 'NOT_FOUND')
    }
  })

  test('lists what an archive or layout of several images holds', async () => {
    await using directory = await temporaryDirectory()
    const path = await layoutOf(directory)
    await copy(`oci-archive:${fixture('images/app-docker-v2.oci.tar')}`, `oci:${path}:v2`)
    await assert.rejects(
      digestAt(`oci:${path}`),
      (error) =>
        hasErrorCode(error, 'AMBIGUOUS_IMAGE') &&
        [DOCKER_V1, DOCKER_V2, 'v1', 'v2'].every((part) => error.hint?.includes(part)),
    )
    const [one, two] = [Buffer.from('one'), Buffer.from('two')]
    const images = [dockerImage([one], ['one.tar'], ['app:v1']), dockerImage([two], ['two.tar'], ['host.example/app'])]
    await writeFile(
      directory.join('two.tar'),
      tar(
        ...images.map((image) => image.config),
        { path: 'one.tar', content: one },
        { path: 'two.tar', content: two },
        { path: 'manifest.json', content: JSON.stringify(images.map((image) => image.element)) },
      ),
    )
    const archive = `docker-archive:${directory.join('two.tar')}`
    await assert.rejects(
      digestAt(archive),
      (error) => hasErrorCode(error, 'AMBIGUOUS_IMAGE') && error.hint?.includes('host.example/app') === true,
    )
    assert.equal(await digestAt(`${archive}:app:v1`), await digestAt(`${archive}:@0`))
    assert.equal(await digestAt(`${archive}:host.example/app`), await digestAt(`${archive}:@1`))
    assert.notEqual(await digestAt(`${archive}:@0`), await digestAt(`${archive}:@1`))
  })
})

suite('round trips', () => {
  for (const [reference, digest] of CARRIED) {
    test(`keep the digest of ${reference.replace(/:.*\//, ':')}`, async () => {
      await using directory = await temporaryDirectory()
      const stops = [
        `oci:${directory.join('layout')}:app`,
        `dir:${directory.join('dir')}`,
        `oci-archive:${directory.join('a.tar')}:app:v1`,
        `dir:${directory.join('dir2')}`,
        `oci:${directory.join('layout2')}`,
      ]
      let from = reference
      for (const to of stops) {
        assert.equal((await copy(from, to)).digest, digest)
        assert.equal(await digestAt(to), digest)
        from = to
      }
      // Reads everything once more, verified.
      await copy(from, `oci:${directory.join('last')}`)
    })
  }

  test('write the same archive whatever the number of parallel blobs', async () => {
    await using directory = await temporaryDirectory()
    for (const name of ['app-multi-v2.oci.tar', 'app-docker-v2.oci.tar']) {
      const source = `oci-archive:${fixture(`images/${name}`)}`
      await copy(source, `oci-archive:${directory.join('1.tar')}:v2`, { concurrency: 1 })
      await copy(source, `oci-archive:${directory.join('6.tar')}:v2`, { concurrency: 6 })
      assert.deepEqual(await readFile(directory.join('6.tar')), await readFile(directory.join('1.tar')), name)
    }
    const source = `oci-archive:${fixture('images/app-docker-v2.oci.tar')}`
    await copy(source, `docker-archive:${directory.join('d1.tar')}:app:v2`, { concurrency: 1 })
    await copy(source, `docker-archive:${directory.join('d6.tar')}:app:v2`, { concurrency: 6 })
    assert.deepEqual(await readFile(directory.join('d6.tar')), await readFile(directory.join('d1.tar')))
  })

  test('skip what the destination has', async () => {
    await using directory = await temporaryDirectory()
    const source = `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`
    assert.ok((await copy(source, `oci:${directory.join('layout')}:v1`)).writtenBytes > 0)
    const again = await copy(source, `oci:${directory.join('layout')}:again`)
    assert.equal(again.writtenBytes, 0)
    assert.ok(again.blobs.every((blob) => blob.outcome === 'present'))
  })
})

suite('docker-archive:', () => {
  test('written from compressed layers reads back with the digest that skopeo gives', async () => {
    await using directory = await temporaryDirectory()
    const archive = `docker-archive:${directory.join('a.tar')}`
    const report = await copy(`oci-archive:${fixture('images/app-docker-v2.oci.tar')}`, `${archive}:example.com/app:v2`)
    assert.equal(report.digest, SAVE_V2)
    assert.equal(await digestAt(archive), SAVE_V2)
    assert.equal(await digestAt(`${archive}:example.com/app:v2`), SAVE_V2)
    assert.equal((await copy(archive, `docker-archive:${directory.join('b.tar')}`)).digest, SAVE_V2)
    const zstd = await copy(
      `oci-archive:${fixture('images/app-zstd-v2.oci.tar')}`,
      `docker-archive:${directory.join('z.tar')}`,
    )
    assert.equal(await digestAt(`docker-archive:${directory.join('z.tar')}`), zstd.digest)
  })

  test('refuses an index, and artifacts', async () => {
    await using directory = await temporaryDirectory()
    const archive = `docker-archive:${directory.join('out.tar')}`
    await rejectsWith(copy(`oci-archive:${fixture('images/app-multi-v2.oci.tar')}`, archive), 'PLATFORM_REQUIRED')
    const artifact = layoutImage('{}', ['content'], MEDIA_TYPE.OCI_EMPTY)
    await writeFile(directory.join('in.tar'), tar(indexJson(artifact.root), ...artifact.blobs))
    await rejectsWith(copy(`oci-archive:${directory.join('in.tar')}`, archive), 'UNSUPPORTED_BY_DESTINATION')
    assert.deepEqual(await readdir(directory.path), ['in.tar'])
  })

  test('follows symbolic links, knows ./ and repeated layers', async () => {
    await using directory = await temporaryDirectory()
    const layer = Buffer.from('a layer')
    const image = dockerImage([layer, layer], ['b/layer.tar', './a/layer.tar'])
    await writeFile(
      directory.join('in.tar'),
      tar(
        { path: './a/layer.tar', content: layer },
        { path: './b/layer.tar', type: 'symlink', linkPath: '../a/layer.tar' },
        { ...image.config, path: `./${image.config.path}` },
        { path: './manifest.json', content: JSON.stringify([image.element]) },
      ),
    )
    const report = await copy(
      `docker-archive:${directory.join('in.tar')}`,
      `docker-archive:${directory.join('out.tar')}`,
    )
    assert.equal(report.digest, await digestAt(`docker-archive:${directory.join('in.tar')}`))
    assert.equal(report.digest, await digestAt(`docker-archive:${directory.join('out.tar')}`))
  })

  test('takes layers in any order, also before the config', async () => {
    await using directory = await temporaryDirectory()
    const layers = [Buffer.from('one'), Buffer.alloc(2000, 'b'), Buffer.from('three')]
    const image = dockerImage(layers, [])
    const config = Buffer.from(image.config.content)
    const configDescriptor = { mediaType: MEDIA_TYPE.OCI_CONFIG, digest: digestOf(config), size: config.length }
    const bytes = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPE.OCI_MANIFEST,
        config: configDescriptor,
        layers: layers.map((layer) => ({
          mediaType: MEDIA_TYPE.OCI_LAYER,
          digest: digestOf(layer),
          size: layer.length,
        })),
      }),
    )
    const root = {
      descriptor: { mediaType: MEDIA_TYPE.OCI_MANIFEST, digest: digestOf(bytes), size: bytes.length },
      bytes,
    }
    const write = async (name: string, order: readonly number[]): Promise<Buffer> => {
      await using destination = await openDestination(`docker-archive:${directory.join(name)}`)
      for (const position of order) {
        const layer = layers[position]
        if (layer === undefined) await destination.putBlob(configDescriptor, async () => bytesSource(config))
        else await destination.putPlainLayer?.(digestOf(layer), async () => bytesSource(layer))
      }
      await destination.putManifest(root)
      await destination.commit(root)
      return await readFile(directory.join(name))
    }
    const first = await write('1.tar', [3, 0, 1, 2])
    for (const order of [
      [2, 1, 0, 3],
      [1, 3, 2, 0],
      [3, 2, 1, 0],
    ]) {
      assert.deepEqual(await write('2.tar', order), first, order.join())
    }
  })

  const layer = Buffer.from('a layer')
  const good = dockerImage([layer], ['layer.tar'])
  const broken: readonly (readonly [string, ErrorCode, readonly Entry[]])[] = [
    ['a layer that is missing', 'BLOB_NOT_FOUND', [good.config]],
    ['a config that is missing', 'BLOB_NOT_FOUND', [{ path: 'layer.tar', content: layer }]],
    [
      'a config that was changed',
      'DIGEST_MISMATCH',
      [
        { ...good.config, content: good.config.content.replace('amd64', 'arm64') },
        { path: 'layer.tar', content: layer },
      ],
    ],
    ['a layer that is a directory', 'BLOB_NOT_FOUND', [good.config, { path: 'layer.tar/', type: 'directory' }]],
    [
      'links in a circle',
      'INVALID_ARCHIVE',
      [
        good.config,
        { path: 'layer.tar', type: 'symlink', linkPath: 'other' },
        { path: 'other', type: 'symlink', linkPath: 'layer.tar' },
      ],
    ],
    [
      'a link out of the archive',
      'UNSAFE_PATH',
      [good.config, { path: 'layer.tar', type: 'symlink', linkPath: '../../x' }],
    ],
    [
      'a gzip layer that is cut off',
      'CORRUPT_GZIP',
      [good.config, { path: 'layer.tar', content: gzipSync(layer).subarray(0, -9) }],
    ],
    ['a manifest.json twice', 'INVALID_ARCHIVE', [{ path: './manifest.json', content: '[]' }]],
  ]
  for (const [what, code, entries] of broken) {
    test(`refuses ${what}`, async () => {
      await using directory = await temporaryDirectory()
      const manifest = { path: 'manifest.json', content: JSON.stringify([good.element]) }
      await writeFile(directory.join('in.tar'), tar(...entries, manifest))
      await rejectsWith(digestAt(`docker-archive:${directory.join('in.tar')}`), code)
    })
  }

  test('refuses a layer with other content when it is read, and leaves nothing', async () => {
    await using directory = await temporaryDirectory()
    const manifest = { path: 'manifest.json', content: JSON.stringify([good.element]) }
    await writeFile(directory.join('in.tar'), tar(good.config, { path: 'layer.tar', content: 'b layer' }, manifest))
    const from = `docker-archive:${directory.join('in.tar')}`
    for (const to of ['docker-archive', 'oci-archive', 'oci', 'dir']) {
      await rejectsWith(copy(from, `${to}:${directory.join(to)}`), 'DIGEST_MISMATCH')
    }
    // A layout keeps blobs that are whole for the next attempt, but no image.
    assert.deepEqual((await readdir(directory.path)).toSorted(), ['in.tar', 'oci'])
    await rejectsWith(digestAt(`oci:${directory.join('oci')}`), 'INVALID_ARCHIVE')
  })

  test('refuses another number of layers than the config has', async () => {
    await using directory = await temporaryDirectory()
    const manifest = { path: 'manifest.json', content: JSON.stringify([{ ...good.element, Layers: [] }]) }
    await writeFile(directory.join('in.tar'), tar(good.config, manifest))
    await rejectsWith(digestAt(`docker-archive:${directory.join('in.tar')}`), 'INVALID_ARCHIVE')
  })
})

suite('oci:', () => {
  test('moves a tag, keeps the others and what it does not know', async () => {
    await using directory = await temporaryDirectory()
    const path = await layoutOf(directory)
    const stranger = { ...layoutImage('{}', []).root, annotations: { 'com.example.kept': 'yes' }, 'x-unknown': 1 }
    const index = JSON.parse(await readFile(`${path}/index.json`, 'utf8'))
    index.manifests.push(stranger)
    index['x-top'] = { kept: true }
    await writeFile(`${path}/index.json`, JSON.stringify(index))
    await copy(`oci-archive:${fixture('images/app-docker-v2.oci.tar')}`, `oci:${path}:v1`)
    const after = JSON.parse(await readFile(`${path}/index.json`, 'utf8'))
    assert.deepEqual(after['x-top'], { kept: true })
    assert.deepEqual(after.manifests[1], stranger)
    assert.equal(after.manifests.length, 2)
    assert.equal(await digestAt(`oci:${path}:v1`), DOCKER_V2)
    // The image that lost its name is still there.
    assert.equal(await digestAt(`oci:${path}@${DOCKER_V1}`), DOCKER_V1)
  })

  test('takes commits of several processes at once', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('layout')
    const script = `
      import { copyImage } from ${JSON.stringify(import.meta.resolve('../../src/image/index.ts'))}
      import { openDestination, openSource } from ${JSON.stringify(import.meta.resolve('../../src/transport/index.ts'))}
      const [from, ...names] = process.argv.slice(1)
      for (const name of names) {
        await using source = await openSource(from)
        await using destination = await openDestination(name)
        await copyImage(source, destination)
      }`
    const sources = ['images/app-docker-v1.oci.tar', 'images/app-docker-v2.oci.tar', 'images/app-zstd-v2.oci.tar']
    await Promise.all(
      sources.map((name, process_) => {
        const targets = [0, 1, 2, 3, 4].map((round) => `oci:${path}:p${process_}-${round}`)
        const args = ['--input-type=module', '-e', script, `oci-archive:${fixture(name)}`, ...targets]
        return promisify(execFile)(process.execPath, args)
      }),
    )
    for (const [process_, digest] of [DOCKER_V1, DOCKER_V2, ZSTD_V2].entries()) {
      for (const round of [0, 1, 2, 3, 4]) assert.equal(await digestAt(`oci:${path}:p${process_}-${round}`), digest)
    }
    assert.deepEqual((await readdir(path)).toSorted(), ['blobs', 'index.json', 'oci-layout'])
  })

  test('stores a blob again whose size is wrong', async () => {
    await using directory = await temporaryDirectory()
    const path = await layoutOf(directory)
    const config = `${path}/blobs/sha256/e35eef4739c2d873e2726d47b667d6a9338d63aff577de4abe36c5425bd301dc`
    const manifest = `${path}/blobs/sha256/${digestHex(DOCKER_V1)}`
    await truncate(config, 100)
    await writeFile(manifest, (await readFile(manifest, 'utf8')).replace('schemaVersion', 'SchemaVersion'))
    await rejectsWith(digestAt(`oci:${path}`), 'DIGEST_MISMATCH')
    await copy(`oci-archive:${fixture('images/app-docker-v1.oci.tar')}`, `oci:${path}:v1`)
    assert.equal((await stat(config)).size, 2248)
    await copy(`oci:${path}:v1`, `oci-archive:${directory.join('a.tar')}`)
  })

  test('refuses a directory that holds something else, unless forced', async () => {
    await using directory = await temporaryDirectory()
    await writeFile(directory.join('letter.txt'), 'dear')
    const source = `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`
    await rejectsWith(copy(source, `oci:${directory.path}:v1`), 'DESTINATION_EXISTS')
    await rejectsWith(copy(source, `oci:${directory.join('letter.txt')}:v1`), 'DESTINATION_EXISTS')
    await copy(source, `oci:${directory.path}:v1`, { force: true })
    assert.equal(await readFile(directory.join('letter.txt'), 'utf8'), 'dear')
    assert.equal(await digestAt(`oci:${directory.path}`), DOCKER_V1)
  })

  for (const transport of ['oci-archive', 'docker-archive']) {
    test(`${transport}: does not take over a directory or a device`, async () => {
      await using directory = await temporaryDirectory()
      await rejectsWith(openDestination(`${transport}:${directory.path}`), 'DESTINATION_EXISTS')
      await rejectsWith(openDestination(`${transport}:/dev/null`), 'DESTINATION_EXISTS')
    })
  }

  test('docker-archive: names the source when a layer does not decompress', async () => {
    await using directory = await temporaryDirectory()
    const layer = gzipSync(tarOf({ a: 'x'.repeat(1000) })).subarray(0, -10)
    await writeImage(`oci:${directory.join('layout')}:v1`, { layers: [layer] })
    await assert.rejects(
      copy(`oci:${directory.join('layout')}:v1`, `docker-archive:${directory.join('a.tar')}`),
      (error) => error instanceof CopyError && error.code === 'CORRUPT_GZIP' && error.side === 'source',
    )
  })

  test('docker-archive: does not take a compressed layer that is not what its descriptor says', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('layout')
    const { bytes } = await writeImage(`oci:${path}:v1`, { layers: [tarOf({ a: 'x' })], compression: 'gzip' })
    const layer: string = JSON.parse(Buffer.from(bytes).toString()).layers[0].digest
    // Still gzip, and still the same tar.
    await appendFile(`${path}/blobs/sha256/${digestHex(layer as Digest)}`, gzipSync(''))
    await rejectsWith(copy(`oci:${path}:v1`, `docker-archive:${directory.join('a.tar')}`), 'SIZE_MISMATCH')
    assert.deepEqual(await readdir(directory.path), ['layout'])
  })

  test('removes the layout it made when no blob could be written', async () => {
    await using directory = await temporaryDirectory()
    {
      await using destination = await openDestination(`oci:${directory.join('deep/new')}:v1`)
      const bytes = Buffer.from('good')
      const descriptor = { mediaType: MEDIA_TYPE.OCI_LAYER, digest: digestOf(bytes), size: 4 }
      await rejectsWith(
        destination.putBlob(descriptor, async () => bytesSource(Buffer.from('evil'))),
        'DIGEST_MISMATCH',
      )
      await rejectsWith(
        destination.putBlob(descriptor, async () => bytesSource(Buffer.from('evils'))),
        'SIZE_MISMATCH',
      )
      await rejectsWith(
        destination.putBlob(descriptor, async () => bytesSource(Buffer.from('a'))),
        'SIZE_MISMATCH',
      )
    }
    assert.deepEqual(await readdir(directory.path), [])
  })

  test('refuses names that other tools could not read', async () => {
    await rejectsWith(openDestination('oci:x:a b'), 'INVALID_REFERENCE')
    await rejectsWith(openDestination(`oci:x@${DOCKER_V1}`), 'INVALID_REFERENCE')
    await rejectsWith(openDestination('oci-archive:x:@0'), 'INVALID_REFERENCE')
    await rejectsWith(openDestination('docker-archive:x:@0'), 'INVALID_REFERENCE')
  })
})

suite('oci-archive:', () => {
  const image = layoutImage(
    `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["${digestOf(Buffer.from('x'))}"]}}`,
    ['x'],
  )
  const index = indexJson(image.root)
  const huge = { ...index, content: `${String(index.content)}${' '.repeat(8 * 1024 * 1024)}` }
  const cases: readonly (readonly [string, ErrorCode, Buffer])[] = [
    [
      'an entry that climbs out',
      'UNSAFE_PATH',
      tar({ path: 'a/../../etc/passwd', content: 'x' }, index, ...image.blobs),
    ],
    ['an absolute entry', 'UNSAFE_PATH', tar({ path: '/etc/passwd', content: 'x' }, index, ...image.blobs)],
    ['an index.json twice', 'INVALID_ARCHIVE', tar(index, { ...index, path: './index.json' }, ...image.blobs)],
    ['no index.json', 'INVALID_ARCHIVE', tar(...image.blobs)],
    ['a huge index.json', 'LIMIT_EXCEEDED', tar(huge, ...image.blobs)],
    ['an index.json that is no JSON', 'INVALID_DOCUMENT', tar({ path: 'index.json', content: '{' }, ...image.blobs)],
    ['a manifest that is missing', 'BLOB_NOT_FOUND', tar(index)],
    [
      'a manifest with other bytes',
      'DIGEST_MISMATCH',
      tar(index, { path: image.blobs[0]?.path ?? '', content: '?'.repeat(image.root.size) }),
    ],
    ['a manifest of another size', 'SIZE_MISMATCH', tar(index, { path: image.blobs[0]?.path ?? '', content: '?' })],
    [
      'a newer layout',
      'UNSUPPORTED_FORMAT',
      tar({ path: 'oci-layout', content: '{"imageLayoutVersion":"2.0.0"}' }, index),
    ],
    [
      'a digest that is a path',
      'INVALID_DOCUMENT',
      tar(indexJson({ ...image.root, digest: 'sha256:../../../../etc/passwd' })),
    ],
    ['what is no tar', 'INVALID_ARCHIVE', Buffer.alloc(4096, 'not a tar ')],
    ['an archive that is cut off', 'FILE_INCOMPLETE', tar(...image.blobs, index).subarray(0, 700)],
    ['a gzip of an archive that was cut off', 'CORRUPT_TAR', gzipSync(tar(...image.blobs, index).subarray(0, 700))],
    ['a gzip of what is no tar', 'INVALID_ARCHIVE', gzipSync(Buffer.alloc(4096, 'not a tar '))],
    ['a gzip that is cut off', 'FILE_INCOMPLETE', gzipSync(tar(index, ...image.blobs)).subarray(0, -9)],
  ]
  for (const [what, code, bytes] of cases) {
    test(`refuses ${what}`, async () => {
      await using directory = await temporaryDirectory()
      await writeFile(directory.join('in.tar'), bytes)
      await rejectsWith(digestAt(`oci-archive:${directory.join('in.tar')}`), code)
      assert.deepEqual(await readdir(directory.path), ['in.tar'])
    })
  }

  test('reads members that are links, and an archive in gzip', async () => {
    await using directory = await temporaryDirectory()
    const [manifest, ...others] = image.blobs
    assert.ok(manifest)
    const entries = [
      { path: 'stored', content: manifest.content ?? '' },
      { path: `./${manifest.path}`, type: 'symlink' as const, linkPath: '../../stored' },
      ...others,
      index,
    ]
    await writeFile(directory.join('in.tar.gz'), gzipSync(tar(...entries)))
    await mkdir(directory.join('work'))
    {
      await using source = await openSource(`oci-archive:${directory.join('in.tar.gz')}`, {
        workdir: directory.join('work'),
      })
      assert.equal((await source.resolve()).descriptor.digest, image.root.digest)
      assert.equal((await readdir(directory.join('work'))).length, 1)
    }
    assert.deepEqual(await readdir(directory.join('work')), [])
  })

  test('a failed or aborted copy leaves the old file and nothing else', async () => {
    await using directory = await temporaryDirectory()
    await writeFile(directory.join('in.tar'), tar(index, ...image.blobs.slice(0, 2)))
    await writeFile(directory.join('out.tar'), 'old')
    await rejectsWith(
      copy(`oci-archive:${directory.join('in.tar')}`, `oci-archive:${directory.join('out.tar')}`),
      'BLOB_NOT_FOUND',
    )
    const reason = new Error('stop')
    const source = `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`
    await assert.rejects(
      (async () => {
        const controller = new AbortController()
        await using from = await openSource(source)
        await using to = await openDestination(`oci-archive:${directory.join('out.tar')}`)
        await copyImage(from, to, { signal: controller.signal, onProgress: () => controller.abort(reason) })
      })(),
      reason,
    )
    assert.equal(await readFile(directory.join('out.tar'), 'utf8'), 'old')
    assert.deepEqual((await readdir(directory.path)).toSorted(), ['in.tar', 'out.tar'])
  })

  test('makes directories, and removes them again when nothing comes of it', async () => {
    await using directory = await temporaryDirectory()
    const broken = directory.join('in.tar')
    await writeFile(broken, tar(index, ...image.blobs.slice(0, 2)))
    for (const to of ['oci-archive', 'docker-archive', 'dir']) {
      await rejectsWith(copy(`oci-archive:${broken}`, `${to}:${directory.join('a/b/c')}`), 'BLOB_NOT_FOUND')
      assert.deepEqual(await readdir(directory.path), ['in.tar'], to)
    }
    const good = `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`
    await copy(good, `oci-archive:${directory.join('a/b/c.tar')}`)
    assert.equal(await digestAt(`oci-archive:${directory.join('a/b/c.tar')}`), DOCKER_V1)
  })

  test('replaces the archive it is read from', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('a.tar')
    await copy(`oci-archive:${fixture('images/app-docker-v1.oci.tar')}`, `oci-archive:${path}:v1`)
    await copy(`oci-archive:${path}`, `oci-archive:${path}:v2`)
    assert.equal(await digestAt(`oci-archive:${path}:v2`), DOCKER_V1)
  })
})

suite('dir:', () => {
  const source = `oci-archive:${fixture('images/app-multi-v2.oci.tar')}`

  test('has the files that skopeo writes', async () => {
    await using directory = await temporaryDirectory()
    await copy(source, `dir:${directory.join('out')}`)
    const names = await readdir(directory.join('out'))
    assert.equal(await readFile(directory.join('out', 'version'), 'utf8'), 'Directory Transport Version: 1.1\n')
    assert.equal(digestOf(await readFile(directory.join('out', 'manifest.json'))), MULTI_V2)
    assert.equal(names.filter((name) => /^[0-9a-f]{64}\.manifest\.json$/.test(name)).length, 2)
    assert.equal(names.filter((name) => /^[0-9a-f]{64}$/.test(name)).length, 4)
    assert.equal(names.length, 8)
  })

  test('refuses a directory that is not empty; force replaces the image and keeps other files', async () => {
    await using directory = await temporaryDirectory()
    const out = directory.join('out')
    await copy(source, `dir:${out}`)
    await writeFile(`${out}/letter.txt`, 'dear')
    const other = `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`
    await rejectsWith(copy(other, `dir:${out}`), 'DESTINATION_EXISTS')
    assert.equal(await digestAt(`dir:${out}`), MULTI_V2)
    await copy(other, `dir:${out}`, { force: true })
    assert.equal(await digestAt(`dir:${out}`), DOCKER_V1)
    assert.equal(await readFile(`${out}/letter.txt`, 'utf8'), 'dear')
  })

  test('takes up what an unfinished run left', async () => {
    await using directory = await temporaryDirectory()
    const out = directory.join('out')
    const layer = '5e509b2f0250c56ac963d5e9d5da6f975ec608aa1b62e3e80ce21a9f550ff8f4'
    await copy(source, `oci:${directory.join('layout')}`)
    await mkdir(out)
    await writeFile(`${out}/${layer}`, await readFile(directory.join('layout', 'blobs/sha256', layer)))
    await writeFile(`${out}/.${layer}.0123456789abcdef01234567.tmp`, 'half')
    const report = await copy(source, `dir:${out}`)
    assert.equal(report.blobs.find((blob) => blob.digest === `sha256:${layer}`)?.outcome, 'present')
    assert.equal(await digestAt(`dir:${out}`), MULTI_V2)
  })

  test('removes what it made when a blob is wrong', async () => {
    await using directory = await temporaryDirectory()
    const layout = await layoutOf(directory)
    const layer = `${layout}/blobs/sha256/66e3a9757b96c489e5ef46a9bf87d8c714049fa537bde7e329f468b9b0b04771`
    const bytes = await readFile(layer)
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
    await writeFile(layer, bytes)
    await rejectsWith(copy(`oci:${layout}`, `dir:${directory.join('out')}`, { concurrency: 1 }), 'DIGEST_MISMATCH')
    assert.deepEqual(await readdir(directory.path), ['layout'])
  })
})

suite('openBlob()', () => {
  const references = [
    ...CARRIED.map(([reference]) => ({ reference, skip: false as string | false })),
    ...['app-docker29-save-v2.tar'].map((name) => {
      const { path, skip } = sharedFixture(`images/${name}`)
      return { reference: `docker-archive:${path}`, skip }
    }),
  ]
  for (const { reference, skip } of references) {
    test(`begins at any offset in ${reference.replace(/:.*\//, ':')}`, { skip }, async () => {
      await using source = await openSource(reference)
      const { blobs } = await readImageTree(source)
      for (const { descriptor } of blobs) {
        const whole = await read(source, descriptor, 0)
        assert.equal(digestOf(whole), descriptor.digest)
        for (const offset of [1, whole.length >> 1, whole.length - 1, whole.length]) {
          assert.ok(
            whole.subarray(offset).equals(await read(source, descriptor, offset)),
            `${descriptor.digest} at ${offset}`,
          )
        }
      }
    })
  }

  async function read(source: ImageSource, descriptor: Descriptor, offset: number): Promise<Buffer> {
    return Buffer.from(await readAllBytes(await source.openBlob(descriptor, { offset }), 64 * 1024 * 1024, 'blob'))
  }

  test('says BLOB_NOT_FOUND for what is not there', async () => {
    await using directory = await temporaryDirectory()
    await layoutOf(directory)
    await copy(`oci:${directory.join('layout')}`, `dir:${directory.join('dir')}`)
    const descriptor = { mediaType: MEDIA_TYPE.OCI_LAYER, digest: digestOf(Buffer.from('absent')), size: 6 }
    const references = [
      `oci:${directory.join('layout')}`,
      `dir:${directory.join('dir')}`,
      ...CARRIED.map(([first]) => first),
    ]
    for (const reference of references) {
      await using source = await openSource(reference)
      await rejectsWith(source.openBlob(descriptor), 'BLOB_NOT_FOUND')
      await rejectsWith(source.readManifest(descriptor), 'BLOB_NOT_FOUND')
    }
  })
})

suite('openSource()', () => {
  test('suggests the prefix of what lies at a bare path', async () => {
    await using directory = await temporaryDirectory()
    const layout = await layoutOf(directory)
    await copy(`oci:${layout}`, `dir:${directory.join('dir')}`)
    await copy(`oci:${layout}`, `docker-archive:${directory.join('saved')}`)
    await copy(`oci:${layout}`, `oci-archive:${directory.join('packed')}`)
    await symlink(layout, directory.join('link'))
    const suggestions: readonly (readonly [string, string])[] = [
      [layout, `oci:${layout}`],
      [directory.join('link'), 'oci:'],
      [`${layout}:v1`, `oci:${layout}:v1`],
      [directory.join('dir'), 'dir:'],
      [directory.join('saved'), 'docker-archive:'],
      [directory.join('packed'), 'oci-archive:'],
      ['ghcr.io/org/app', 'docker://ghcr.io/org/app'],
    ]
    for (const [text, suggestion] of suggestions) {
      await assert.rejects(
        openSource(text),
        (error) => hasErrorCode(error, 'UNKNOWN_TRANSPORT') && error.hint?.includes(` ${suggestion}`) === true,
      )
    }
  })

  test('suggests the right prefix where another one was written', async () => {
    await using directory = await temporaryDirectory()
    const layout = await layoutOf(directory)
    await copy(`oci:${layout}`, `dir:${directory.join('dir')}`)
    const wrong: readonly (readonly [string, string])[] = [
      [`oci-archive:${layout}`, 'oci:'],
      [`docker-archive:${layout}`, 'oci:'],
      [`dir:${layout}`, 'oci:'],
      [`oci:${directory.join('dir')}`, 'dir:'],
      [`oci:${fixture('images/app-docker-v1.oci.tar')}`, 'oci-archive:'],
      [`docker-archive:${fixture('images/app-docker-v1.oci.tar')}`, 'oci-archive:'],
      [`oci-archive:${fixture('images/app-docker-save-v1.tar.gz')}`, 'docker-archive:'],
    ]
    for (const [reference, prefix] of wrong) {
      await assert.rejects(
        digestAt(reference),
        (error) => hasErrorCode(error, 'INVALID_ARCHIVE') && error.hint?.includes(` ${prefix}`) === true,
        reference,
      )
    }
    for (const transport of ['oci', 'oci-archive', 'docker-archive', 'dir']) {
      await rejectsWith(digestAt(`${transport}:${directory.join('absent')}`), 'FILE_NOT_FOUND')
    }
  })

  test('reads a path with colons', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('a:b')
    await mkdir(path)
    await copy(`oci-archive:${fixture('images/app-docker-v1.oci.tar')}`, `oci:${path}:v1`)
    assert.equal(await digestAt(`oci:${path}:v1`), DOCKER_V1)
    assert.equal(await digestAt(`oci:${path}`), DOCKER_V1)
  })
})

for (const transport of ['oci', 'dir'] as const) {
  test(`a damaged blob that is there already is written again: ${transport}`, async () => {
    await using dir = await temporaryDirectory()
    const reference = `${transport}:${dir.join('there')}`
    const from = `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`
    const layer = '220d3215445ccf733f291a340a4f5c230a6e7d9d729f48a3390c7c0c56fdaf60'
    await copy(from, reference)
    const path = dir.join('there', ...(transport === 'oci' ? ['blobs', 'sha256'] : []), layer)
    const bytes = await readFile(path)
    bytes.writeUInt8(bytes.readUInt8(1000) ^ 1, 1000)
    await writeFile(path, bytes)
    await copy(from, reference, { force: true })
    assert.equal(digestOf(await readFile(path)), `sha256:${layer}`)
  })
}
