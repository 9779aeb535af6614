import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { suite, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { applyDelta, diffImages } from '../../src/delta/index.ts'
import { type ErrorCode, hasErrorCode } from '../../src/errors/index.ts'
import { copyImage, type CopyReport, inspectImage } from '../../src/image/index.ts'
import { type Digest, digestHex } from '../../src/oci/index.ts'
import { digestOf } from '../../src/stream/index.ts'
import { openDestination, openSource, type OpenContext } from '../../src/transport/index.ts'
import { createInlineRunner } from '../../src/workers/index.ts'
import {
  type DockerEngineServer,
  type DockerEngineServerOptions,
  dockerSaveOfLayout,
  startDockerEngine,
} from '../support/docker-engine-server.ts'
import { fixture, sharedFixture } from '../support/fixtures.ts'
import { tarOf, writeImage, writeIndex } from '../support/image-builder.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const DOCKER_V1 = `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`
const MULTI_V2 = `oci-archive:${fixture('images/app-multi-v2.oci.tar')}`
const CONFIG_V1 = 'sha256:e35eef4739c2d873e2726d47b667d6a9338d63aff577de4abe36c5425bd301dc'

async function copy(from: string, to: string, context: OpenContext): Promise<CopyReport> {
  await using source = await openSource(from, context)
  await using destination = await openDestination(to, context)
  return await copyImage(source, destination, context)
}

async function rejectsWith(work: Promise<unknown>, ...codes: readonly ErrorCode[]): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(hasErrorCode(error, ...codes), `expected ${codes.join(' or ')}, got ${String(error)}`)
    return true
  })
}

function contextOf({ host }: DockerEngineServer, more: OpenContext = {}): OpenContext {
  return { docker: { host }, ...more }
}

/** Config digests and diffIDs. */
async function identity(reference: string, context: OpenContext = {}): Promise<readonly unknown[]> {
  await using source = await openSource(reference, context)
  const { manifests } = await inspectImage(source)
  return manifests.map(({ config, layers }) => [config.digest, ...layers.map((layer) => layer.diffId)])
}

suite('docker-daemon: with unpacked layers', () => {
  test('gives an image by name and by ID, and says how the engine is called', async () => {
    await using engine = await startDockerEngine()
    const context = contextOf(engine)
    const { digest } = await copy(DOCKER_V1, 'docker-daemon:app:v1', context)
    assert.equal(digest, CONFIG_V1)
    for (const name of ['app:v1', 'docker.io/library/app:v1', CONFIG_V1]) {
      await using source = await openSource(`docker-daemon:${name}`, context)
      assert.equal(source.layerForm, 'plain')
      assert.deepEqual(await identity(`docker-daemon:${name}`, context), await identity(DOCKER_V1))
    }
    assert.ok(engine.log.includes('GET /v1.41/images/docker.io/library/app:v1/json'))
  })

  test('leaves out the layers that an image of the engine is built on', async () => {
    await using dir = await temporaryDirectory()
    await using engine = await startDockerEngine()
    const context = contextOf(engine)
    const layers = ['a', 'b', 'c', 'd'].map((name) => tarOf({ [name]: name.repeat(1000) }))
    const [a, b, c, d] = layers as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
    await writeImage(`oci:${dir.join('one')}`, { layers: [a, b], compression: 'gzip' })
    await writeImage(`oci:${dir.join('two')}`, { layers: [a, b, c, a, d], compression: 'gzip' })
    await copy(`oci:${dir.join('one')}`, 'docker-daemon:one', context)
    const report = await copy(`oci:${dir.join('two')}`, 'docker-daemon:two', context)
    assert.deepEqual(
      report.blobs.map(({ outcome }) => outcome),
      ['written', 'present', 'present', 'written', 'written'],
    )
    // The lowest layer lies once more above, where the engine does not have it: the archive holds it after all.
    const names = [c, a, d].map((tar) => `${digestHex(digestOf(tar))}.tar`)
    assert.deepEqual(engine.loads.at(-1)?.slice(0, 3), names)
    assert.deepEqual(await identity('docker-daemon:two', context), await identity(`oci:${dir.join('two')}`))
    // Now it has them all.
    await copy(`oci:${dir.join('two')}`, 'docker-daemon:three', context)
    assert.deepEqual(
      engine.loads.at(-1)?.filter((name) => name.endsWith('.tar')),
      [],
    )
    assert.deepEqual(await identity('docker-daemon:three', context), await identity(`oci:${dir.join('two')}`))
  })

  test('sends every layer after all where the engine lost one between the question and the load', async () => {
    await using dir = await temporaryDirectory()
    const [a, b] = ['a', 'b'].map((name) => tarOf({ [name]: name })) as [Uint8Array, Uint8Array]
    await writeImage(`oci:${dir.join('one')}`, { layers: [a] })
    await writeImage(`oci:${dir.join('two')}`, { layers: [a, b] })
    let id: Digest | undefined
    await using engine: DockerEngineServer = await startDockerEngine({
      script: (request) => {
        if (id !== undefined && request.target.includes('/load')) engine.remove(id)
        return false
      },
    })
    const context = contextOf(engine)
    id = (await copy(`oci:${dir.join('one')}`, 'docker-daemon:one', context)).digest
    await copy(`oci:${dir.join('two')}`, 'docker-daemon:two', context)
    assert.equal(engine.loads.length, 3)
    assert.deepEqual(await identity('docker-daemon:two', context), await identity(`oci:${dir.join('two')}`))
  })

  test('leaves out nothing for podman, which reads every layer', async () => {
    await using engine = await startDockerEngine({ isPodman: true })
    await copy(DOCKER_V1, 'docker-daemon:app:v1', contextOf(engine))
    const report = await copy(DOCKER_V1, 'docker-daemon:app:again', contextOf(engine))
    assert.equal(report.savedBytes, 0)
    assert.equal(report.digest, CONFIG_V1)
  })

  test('is baseline and target of a delta, whose layers are matched by diffID', async () => {
    await using dir = await temporaryDirectory()
    await using kernels = await createInlineRunner()
    await using engine = await startDockerEngine()
    const context = contextOf(engine, { workdir: dir.join('work') })
    const words = 'All bytes are equal, but some are more equal than others. '.repeat(2000)
    const base = tarOf({ base: words })
    const [v1, v2] = [`oci:${dir.join('v1')}`, `oci:${dir.join('v2')}`]
    await writeImage(v1, { layers: [base, tarOf({ app: words, version: '1' })], compression: 'gzip' })
    await writeImage(v2, { layers: [base, tarOf({ app: words, version: '2' })], compression: 'gzip' })
    await copy(v1, 'docker-daemon:app:v1', context)
    const delta = `oci-archive:${dir.join('app.tare')}`
    {
      await using baseline = await openSource('docker-daemon:app:v1', context)
      await using target = await openSource(v2)
      await using file = await openDestination(delta)
      const report = await diffImages([baseline], target, file, { kernels, tool: 'tare/test' })
      assert.deepEqual(report.blobs.map((blob) => blob.origin).slice(2), ['baseline-tar', 'patch'])
    }
    for (const target of ['docker-daemon:app:v2', `oci:${dir.join('out')}`]) {
      await using file = await openSource(delta)
      await using baseline = await openSource('docker-daemon:app:v1', context)
      await using destination = await openDestination(target, context)
      await applyDelta(file, [baseline], destination, { kernels, workdir: dir.join('work') })
      assert.deepEqual(await identity(target, context), await identity(v2))
    }
    // The engine got the layer that is new, the layout all digests as they were.
    assert.equal(engine.loads.at(-1)?.filter((name) => name.endsWith('.tar')).length, 1)
    await using original = await openSource(v2)
    await using rebuilt = await openSource(`oci:${dir.join('out')}`)
    assert.equal((await rebuilt.resolve()).descriptor.digest, (await original.resolve()).descriptor.digest)
    // Nothing stays in the working directory.
    assert.deepEqual(await readdir(dir.join('work')), [])
  })

  test('refuses what it cannot hold, before anything is sent', async () => {
    await using engine = await startDockerEngine()
    const context = contextOf(engine)
    await rejectsWith(copy(MULTI_V2, 'docker-daemon:app', context), 'PLATFORM_REQUIRED')
    for (const text of [`docker-daemon:${CONFIG_V1}`, `docker-daemon:app@${CONFIG_V1}`]) {
      await rejectsWith(copy(DOCKER_V1, text, context), 'INVALID_REFERENCE')
    }
    assert.deepEqual(engine.loads, [])
  })

  test('sends nothing when a layer is not what it should be', async () => {
    await using dir = await temporaryDirectory()
    await using engine = await startDockerEngine()
    await writeImage(`oci:${dir.join('image')}`, { layers: [tarOf({ a: 'a' })], compression: () => gzipSync('other') })
    await rejectsWith(copy(`oci:${dir.join('image')}`, 'docker-daemon:app', contextOf(engine)), 'DIGEST_MISMATCH')
    assert.deepEqual(engine.loads, [])
  })
})

suite('docker-daemon: with blobs', () => {
  /** An engine that was given what Docker 29 saves of a layout. */
  async function withSaved(path: string): Promise<DockerEngineServer> {
    const engine = await startDockerEngine({ storage: 'blobs', apiVersion: '1.56' })
    await engine.load(await dockerSaveOfLayout(await readFile(path)))
    return engine
  }

  test('gives manifest and blobs as they are, of an archive that is docker archive and layout in one', async () => {
    await using dir = await temporaryDirectory()
    await using engine = await withSaved(fixture('images/app-docker-v1.oci.tar'))
    await using original = await openSource(DOCKER_V1)
    const { descriptor } = await original.resolve()
    const context = contextOf(engine)
    await using source = await openSource(`docker-daemon:${descriptor.digest}`, context)
    assert.equal(source.layerForm, 'stored')
    assert.deepEqual((await source.resolve()).descriptor.digest, descriptor.digest)
    const report = await copy(`docker-daemon:${descriptor.digest}`, `oci:${dir.join('out')}`, context)
    assert.equal(report.digest, descriptor.digest)
    // A newer engine is spoken to in a language that Tare knows.
    assert.ok(engine.log.every((line) => line === 'GET /_ping' || line.startsWith('GET /v1.52/')))
  })

  for (const version of ['v1', 'v2']) {
    const { path, skip } = sharedFixture(`images/app-docker29-save-${version}.tar`)
    test(`reads what Docker 29 saved: app-docker29-save-${version}.tar`, { skip }, async () => {
      await using dir = await temporaryDirectory()
      await using engine = await startDockerEngine({ storage: 'blobs' })
      await engine.load(await readFile(path))
      await using layout = await openSource(`oci-archive:${path}`)
      const { digest } = (await layout.resolve()).descriptor
      const report = await copy(`docker-daemon:${digest}`, `oci:${dir.join('out')}`, contextOf(engine))
      assert.equal(report.digest, digest)
      // The same file from an engine that unpacks is read by its manifest.json.
      assert.deepEqual(await identity(`oci:${dir.join('out')}`), await identity(`docker-archive:${path}`))
    })
  }

  test('keeps the digest of an image, and of an index', async () => {
    await using engine = await startDockerEngine({ storage: 'blobs' })
    for (const reference of [DOCKER_V1, MULTI_V2]) {
      const { digest } = await copy(reference, 'docker-daemon:app:v1', contextOf(engine))
      await using original = await openSource(reference)
      assert.equal(digest, (await original.resolve()).descriptor.digest)
    }
  })

  test('reads the one platform of an index that the engine has, and picks among several by digest', async () => {
    await using dir = await temporaryDirectory()
    const warnings: string[] = []
    await using engine = await startDockerEngine({ storage: 'blobs' })
    const logger = { warn: (message: string) => warnings.push(message), debug() {} }
    const context = contextOf(engine, { logger })
    const platforms = ['amd64', 'arm64', 's390x'].map((architecture) => ({ os: 'linux', architecture }))
    const recipes = platforms.map((platform) => ({ layers: [tarOf({ [platform.architecture]: 'x' })], platform }))
    const index = await writeIndex(`oci-archive:${dir.join('index.tar')}`, recipes)
    const { manifests } = JSON.parse(Buffer.from(index.bytes).toString()) as { manifests: { digest: Digest }[] }
    const [amd64, arm64, s390x] = manifests.map(({ digest }) => digest) as [Digest, Digest, Digest]

    await engine.load(await without(dir.join('index.tar'), arm64, s390x))
    await using source = await openSource(`docker-daemon:${index.descriptor.digest}`, context)
    assert.equal((await source.resolve({ logger })).descriptor.digest, amd64)
    assert.equal(warnings.length, 1)
    assert.equal(
      (await copy(`docker-daemon:${index.descriptor.digest}`, `oci:${dir.join('a')}`, context)).digest,
      amd64,
    )

    await using other = await startDockerEngine({ storage: 'blobs' })
    await other.load(await without(dir.join('index.tar'), s390x))
    const whole = `docker-daemon:${index.descriptor.digest}`
    await rejectsWith(copy(whole, `oci:${dir.join('b')}`, contextOf(other)), 'AMBIGUOUS_IMAGE')
  })

  test('finds a member of an index through its tag', async () => {
    await using dir = await temporaryDirectory()
    await using engine = await startDockerEngine({ storage: 'blobs' })
    const context = contextOf(engine)
    await copy(MULTI_V2, 'docker-daemon:app:v2', context)
    const member = 'sha256:ca702ec0cc16a164f72e51581267346697a4088698f2563442758084aa69bca0'
    const report = await copy(`docker-daemon:app:v2@${member}`, `oci:${dir.join('out')}`, context)
    assert.equal(report.digest, member)
    await rejectsWith(copy(`docker-daemon:app:v2@${CONFIG_V1}`, `oci:${dir.join('none')}`, context), 'NOT_FOUND')
  })

  test('says when the image cannot be unpacked, though the engine took it', async () => {
    const warnings: string[] = []
    await using engine = await startDockerEngine({
      storage: 'blobs',
      script: async (request, response) => {
        if (!request.target.includes('/load')) return false
        await engine.load(await request.body())
        response.end('{"stream":"Loaded image: app\\n"}\n{"stream":"Error unpacking image app: no space\\n"}\n')
        return true
      },
    })
    await copy(
      DOCKER_V1,
      'docker-daemon:app',
      contextOf(engine, { logger: { warn: (m) => warnings.push(m), debug() {} } }),
    )
    assert.equal(warnings.length, 1)
  })
})

/** The files of a layout's tar without some manifests. */
async function without(path: string, ...manifests: readonly Digest[]): Promise<Buffer> {
  const absent = new Set(manifests.map((digest) => `blobs/sha256/${digestHex(digest)}`))
  return dockerSaveOfLayout(await readFile(path), (name) => !absent.has(name))
}

suite('docker-daemon: with an engine that is not well', () => {
  async function reading(options: DockerEngineServerOptions, image = 'app:v1'): Promise<void> {
    await using dir = await temporaryDirectory()
    await using engine = await startDockerEngine(options)
    try {
      await copy(`docker-daemon:${image}`, `oci:${dir.join('out')}`, contextOf(engine, { workdir: dir.join('work') }))
    } finally {
      assert.deepEqual(await readdir(dir.join('work')).catch(() => []), [], 'spools are left')
    }
  }

  test('says that no engine is there', async () => {
    await using dir = await temporaryDirectory()
    for (const host of [`unix://${dir.join('none.sock')}`, 'tcp://127.0.0.1:1']) {
      const context = { docker: { host } }
      await rejectsWith(openSource('docker-daemon:app', context), 'ENGINE_UNREACHABLE')
      await rejectsWith(openDestination('docker-daemon:app', context), 'ENGINE_UNREACHABLE')
    }
    await rejectsWith(openSource('docker-daemon:app', { docker: { host: 'tcp://example.com' } }), 'INVALID_ARGUMENT')
  })

  test('speaks to a Unix socket', async () => {
    await using dir = await temporaryDirectory()
    const server = createServer((request, response) => {
      response.setHeader('api-version', '1.41')
      response.statusCode = request.url === '/_ping' ? 200 : 404
      response.end('{"message":"not here"}')
    }).listen(dir.join('d.sock'))
    await once(server, 'listening')
    try {
      await rejectsWith(
        openSource('docker-daemon:app', { docker: { host: `unix://${dir.join('d.sock')}` } }),
        'NOT_FOUND',
      )
    } finally {
      server.close()
    }
  })

  test('says that an image is not there', () => rejectsWith(reading({}), 'NOT_FOUND'))

  test('refuses an engine that is none, or speaks no API that Tare knows', async () => {
    await rejectsWith(reading({ apiVersion: '1.12' }), 'ENGINE_PROTOCOL')
    await rejectsWith(reading({ apiVersion: 'new' }), 'ENGINE_PROTOCOL')
    const page = (_request: unknown, response: { end(text: string): void }): boolean => {
      response.end('<html>')
      return true
    }
    await rejectsWith(reading({ script: page }), 'ENGINE_PROTOCOL')
  })

  test('passes on what the engine says when it refuses', async () => {
    await rejectsWith(
      reading({
        script: ({ target }, response) => {
          if (target === '/_ping') return false
          response.writeHead(500).end('{"message":"disk on fire"}')
          return true
        },
      }),
      'ENGINE_REFUSED',
    )
    await rejectsWith(
      reading({
        script: ({ target }, response) => {
          if (target === '/_ping') return false
          response.writeHead(400).end('{"message":"client version 1.41 is too old"}')
          return true
        },
      }),
      'ENGINE_PROTOCOL',
    )
  })

  /** Answers the questions about one image, and saves these bytes of it. */
  function saving(bytes: Uint8Array, end: 'end' | 'cut' = 'end'): DockerEngineServerOptions {
    return {
      script: ({ target }, response) => {
        if (target.endsWith('/app:v1/json')) {
          response.end(JSON.stringify({ Id: CONFIG_V1, Size: 1, RootFS: { Layers: [] } }))
        } else if (target.endsWith('/get')) {
          response.write(bytes)
          if (end === 'end') response.end()
          else setImmediate(() => response.destroy())
        } else {
          return false
        }
        return true
      },
    }
  }

  test('finds the words of an engine that broke off', async () => {
    const started = tarOf({ 'a/layer.tar': 'x' }).subarray(0, 1024)
    const said = Buffer.from('{"errorDetail":{"message":"layer is gone"},"error":"layer is gone"}\r\n')
    await rejectsWith(reading(saving(Buffer.concat([started, said]))), 'ENGINE_REFUSED')
    await rejectsWith(reading(saving(said)), 'ENGINE_REFUSED')
  })

  test('refuses what is cut off, empty, or no tar', async () => {
    await rejectsWith(reading(saving(tarOf({ a: 'x'.repeat(5000) }).subarray(0, 2000), 'cut')), 'NETWORK')
    await rejectsWith(reading(saving(tarOf({ a: 'x'.repeat(5000) }).subarray(0, 2000))), 'FILE_INCOMPLETE')
    await rejectsWith(reading(saving(new Uint8Array(0))), 'FILE_INCOMPLETE')
    await rejectsWith(reading(saving(Buffer.alloc(4096, 'x'))), 'INVALID_ARCHIVE')
    await rejectsWith(reading(saving(tarOf({ '../../etc/passwd': 'x' }))), 'UNSAFE_PATH')
  })

  test('refuses answers that are not what the API says', async () => {
    for (const answer of ['[]', '{"Id":"app"}', '{"Id":5}', '{', '"x"', '']) {
      await rejectsWith(
        reading({
          script: ({ target }, response) => {
            if (!target.endsWith('/app:v1/json')) return false
            response.end(answer)
            return true
          },
        }),
        'ENGINE_PROTOCOL',
      )
    }
  })

  test('ends with the reason of the signal while an image is saved, and leaves nothing', async () => {
    await using dir = await temporaryDirectory()
    const controller = new AbortController()
    const reason = new Error('enough')
    await using engine = await startDockerEngine({
      script: ({ target }, response) => {
        if (target.endsWith('/app:v1/json')) response.end(JSON.stringify({ Id: CONFIG_V1, Size: 1 }))
        else if (target.endsWith('/get')) response.write(tarOf({ a: 'x' }), () => controller.abort(reason))
        else return false
        return true
      },
    })
    const context = contextOf(engine, { workdir: dir.join('work'), signal: controller.signal })
    await assert.rejects(copy('docker-daemon:app:v1', `oci:${dir.join('out')}`, context), (error) => error === reason)
    assert.deepEqual(await readdir(dir.join('work')), [])
  })

  /** Copies into an engine whose loading is scripted. */
  async function loading(
    script: NonNullable<DockerEngineServerOptions['script']>,
    more: OpenContext = {},
  ): Promise<void> {
    await using dir = await temporaryDirectory()
    await using engine = await startDockerEngine({ script })
    try {
      await copy(DOCKER_V1, 'docker-daemon:app:v1', contextOf(engine, { workdir: dir.join('work'), ...more }))
    } finally {
      assert.deepEqual(await readdir(dir.join('work')), [], 'spools are left')
    }
  }

  test('surfaces an error in the messages of a load', async () => {
    await rejectsWith(
      loading(async (request, response) => {
        if (!request.target.includes('/load')) return false
        await request.body()
        response.end('{"status":"Loading layer"}\n{"errorDetail":{"message":"no space left on device"}}\n')
        return true
      }),
      'ENGINE_REFUSED',
    )
  })

  test('surfaces an engine that refuses before it has read everything', async () => {
    await rejectsWith(
      loading((request, response) => {
        if (!request.target.includes('/load')) return false
        response.writeHead(500).end('{"message":"read-only file system"}')
        return true
      }),
      'ENGINE_REFUSED',
      'NETWORK',
    )
  })

  test('surfaces a connection that breaks while it loads', async () => {
    await rejectsWith(
      loading((request) => {
        if (!request.target.includes('/load')) return false
        request.raw.destroy()
        return true
      }),
      'NETWORK',
    )
  })

  test('does not believe an engine that took another image', async () => {
    await rejectsWith(
      loading(async (request, response) => {
        if (!request.target.includes('/load')) return false
        await request.body()
        response.end('{"stream":"Loaded image: app:v1\\n"}\n')
        return true
      }),
      'VERIFY_FAILED',
    )
  })

  test('ends with the reason of the signal while it loads', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    await assert.rejects(
      loading(
        (request) => {
          if (!request.target.includes('/load')) return false
          controller.abort(reason)
          return true
        },
        { signal: controller.signal },
      ),
      (error) => error === reason,
    )
  })
})
