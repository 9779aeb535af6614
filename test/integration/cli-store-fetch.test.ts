import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { readImageTree } from '../../src/image/index.ts'
import { MEDIA_TYPE, parsePlatform } from '../../src/oci/index.ts'
import { startRegistry } from '../../src/registry/index.ts'
import { digestOf } from '../../src/stream/index.ts'
import { openSource } from '../../src/transport/index.ts'
import { type EndedInProcess, runInProcess } from '../support/command-line.ts'
import { buildImage, tarOf, writeImage, writeIndex } from '../support/image-builder.ts'
import { startContainerd } from '../support/containerd-server.ts'
import { putSchema1 } from '../support/incremental-images.ts'
import { errorIn, resultIn } from '../support/run-tare.ts'
import { SCRATCH_CACHE } from '../support/scratch-cache.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

const BASE = tarOf({ base: 'b'.repeat(5000) })
const MEMBERS = ['linux/amd64', 'linux/arm64'].map((platform) => ({
  layers: [BASE, tarOf({ app: platform })],
  compression: 'gzip' as const,
  platform: parsePlatform(platform),
}))
const SCHEMA1 = new URL('../golden/incremental/schema1/', import.meta.url)
const INSECURE = '--tls-verify=false'

/** Runs the tool over the store of a directory. */
function tare(directory: TemporaryDirectory, args: readonly string[], input?: Uint8Array): Promise<EndedInProcess> {
  const env = { TARE_STORE: directory.join('store'), XDG_CACHE_HOME: SCRATCH_CACHE }
  return runInProcess({ env, homeDirectory: directory.join('home'), input }, ...args)
}

async function done(directory: TemporaryDirectory, ...args: readonly string[]): Promise<EndedInProcess> {
  const ended = await tare(directory, args)
  assert.equal(ended.code, 0, ended.stdout + ended.stderr)
  return ended
}

describe('tare content fetch', () => {
  test('keeps an index as a whole, and takes of it what was asked for', async () => {
    await using registry = await startRegistry()
    await using directory = await temporaryDirectory()
    const name = `${registry.address}/app:v1`
    await writeIndex(`oci:${directory.join('layout')}:x`, MEMBERS)
    await done(directory, 'copy', `oci:${directory.join('layout')}:x`, `docker://${name}`, INSECURE)
    const fetch = ['content', 'fetch', INSECURE, '--json', name]
    const blobs = async (): Promise<number> => {
      const listed = (await done(directory, 'content', 'ls', '-q')).stdout
      return listed.split('\n').filter((line) => line !== '').length
    }

    const documents = resultIn(await done(directory, ...fetch, '--metadata-only'))
    await using layout = await openSource(`oci:${directory.join('layout')}:x`)
    const root = (await layout.resolve()).descriptor.digest
    assert.deepEqual([documents['digest'], documents['destination']], [root, `store:${name}`])
    // Index, two manifests, two configs.
    assert.equal(await blobs(), 5)

    const arm = ['--platform', 'linux/arm64', '--label', 'team=web']
    const one = resultIn(await done(directory, ...fetch, ...arm, '--all-metadata'))
    assert.equal(one['digest'], root)
    assert.equal(await blobs(), 7)
    const labelled = (await done(directory, 'image', 'ls', '-q', 'labels.team==web')).stdout
    assert.equal(labelled, `${name}\n`)
    // What is there of the index is an image.
    await using held = await openSource(`store:${name}`, { storeDirectory: directory.join('store') })
    assert.deepEqual(
      (await readImageTree(held)).documents.map(({ kind }) => kind),
      ['manifest'],
    )

    await done(directory, ...fetch, '--all-platforms')
    assert.equal(await blobs(), 8)
    await using whole = await openSource(`store:${name}`, { storeDirectory: directory.join('store') })
    assert.equal((await whole.resolve()).descriptor.digest, root)

    const absent = await tare(directory, [...fetch, '--platform', 'linux/s390x'])
    assert.equal(errorIn(absent)['code'], 'NO_MATCHING_PLATFORM')
  })

  test('takes one platform alone without its neighbours’ documents, by another name', async () => {
    await using directory = await temporaryDirectory()
    await writeIndex(`oci:${directory.join('layout')}:x`, MEMBERS)
    const from = `oci:${directory.join('layout')}:x`
    const nameless = await tare(directory, ['content', 'fetch', '--json', from])
    assert.equal(errorIn(nameless)['code'], 'INVALID_ARGUMENT')
    await done(directory, 'content', 'fetch', '--platform', 'linux/amd64', from, 'mine:v1')
    const listed = (await done(directory, 'content', 'ls', '-q')).stdout
    assert.equal(listed.trim().split('\n').length, 5)
    assert.match((await done(directory, 'image', 'ls')).stdout, /^docker\.io\/library\/mine:v1 /m)
  })
})

describe('tare pull', () => {
  test('takes blobs that containerd has from there, and the rest from the registry', async () => {
    await using registry = await startRegistry()
    await using containerd = await startContainerd()
    await using directory = await temporaryDirectory()
    const name = `docker://${registry.address}/app:v1`
    const recipe = { layers: [BASE, tarOf({ app: 'new' })], compression: 'gzip' } as const
    await writeImage(`oci:${directory.join('layout')}:x`, recipe)
    await done(directory, 'copy', `oci:${directory.join('layout')}:x`, name, INSECURE)
    const context = { containerd: { address: containerd.address } }
    await writeImage('containerd:base', { layers: [BASE], compression: 'gzip' }, context)
    const [, base] = buildImage(recipe).blobs
    const from = ['pull', '--json', INSECURE, '--containerd-address', containerd.address, name]
    const pulled = resultIn(await done(directory, ...from))
    assert.equal(pulled['reusedBytes'], base?.descriptor.size)
    assert.equal(pulled['fetchedBytes'], (pulled['writtenBytes'] as number) - (base?.descriptor.size ?? 0))
    assert.match((await done(directory, 'image', 'check', '--all-platforms')).stdout, /complete +3\/3/)
    const again = resultIn(await done(directory, ...from, 'again'))
    assert.deepEqual([again['fetchedBytes'], again['writtenBytes']], [0, 0])
  })
})

describe('a Docker schema 1 image', () => {
  test('is converted by tare pull and content fetch, as ctr does it', async () => {
    await using registry = await startRegistry()
    await using directory = await temporaryDirectory()
    await putSchema1(registry, SCHEMA1, 'v1')
    const name = `${registry.address}/schema1:v1`
    const pulled = await done(directory, 'pull', '--json', INSECURE, name)
    assert.match(pulled.stderr, /schema 1 image/)
    const { mediaType, digest } = resultIn(pulled)
    assert.equal(mediaType, MEDIA_TYPE.OCI_MANIFEST)
    const fetched = await done(directory, 'content', 'fetch', '--json', INSECURE, name, 'other:v1')
    assert.equal(resultIn(fetched)['digest'], digest)
    assert.match((await done(directory, 'image', 'check', '--all-platforms')).stdout, /other:v1 +complete/)
  })
})

describe('- in place of a file', () => {
  test('tare image export writes the archive to standard output, and import reads it from standard input', async () => {
    await using directory = await temporaryDirectory()
    await using other = await temporaryDirectory()
    await writeImage(`oci-archive:${directory.join('v1.tar')}:docker.io/library/app:v1`, { layers: [BASE] })
    await done(directory, 'image', 'import', directory.join('v1.tar'))
    await done(directory, 'image', 'export', directory.join('out.tar'), 'app:v1')
    const piped = await done(directory, 'image', 'export', '-', 'app:v1')
    assert.ok(piped.output.equals(await readFile(directory.join('out.tar'))))
    assert.match(piped.stderr, /standard output/)
    const imported = await tare(other, ['image', 'import', '-'], piped.output)
    assert.equal(imported.code, 0, imported.stderr)
    assert.equal((await done(other, 'image', 'ls', '-q')).stdout, 'docker.io/library/app:v1\n')
    const absent = await tare(directory, ['image', 'export', '-', 'absent'])
    assert.deepEqual([absent.code, absent.output.length], [4, 0])
  })

  test('tare content ingest reads standard input, unless the digest is there', async () => {
    await using directory = await temporaryDirectory()
    const input = Buffer.from('hello')
    const digest = digestOf(input)
    const first = await tare(directory, ['content', 'ingest', 'ref'], input)
    assert.deepEqual([first.code, first.stdout], [0, `${digest}\n`])
    const again = await tare(directory, ['content', 'ingest', 'ref', '-', '--expected-digest', digest])
    assert.deepEqual([again.code, again.stdout], [0, `${digest}\n`])
  })
})
