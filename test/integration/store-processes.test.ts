import assert from 'node:assert/strict'
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { hasErrorCode } from '../../src/errors/index.ts'
import { type Digest, isDigest } from '../../src/oci/index.ts'
import { Store, type StoreNamespace, writeBlob } from '../../src/store/index.ts'
import { bytesSource, digestOf, readAllBytes } from '../../src/stream/index.ts'
import { putContent } from '../support/store-content.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const CRASHER = fileURLToPath(new URL('../support/store-crasher.ts', import.meta.url))
/** More with `STORE_CRASH_ROUNDS=200`. */
const ROUNDS = Number(process.env['STORE_CRASH_ROUNDS'] ?? 8)

interface Worker {
  readonly process: ChildProcessByStdio<null, Readable, Readable>
  /** Everything it said. */
  readonly lines: Promise<readonly string[]>
  readonly isReady: Promise<void>
}

function startWorker(directory: string, name: string, seed: number): Worker {
  const child = spawn(process.execPath, [CRASHER, directory, name, String(seed)], { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  let complaints = ''
  const ready = Promise.withResolvers<void>()
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    if (text.startsWith('ready')) ready.resolve()
  })
  child.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString()))
  const lines = once(child, 'close').then(() => {
    const failure = new Error(`the worker failed: ${complaints}`)
    ready.reject(failure)
    if (child.signalCode !== 'SIGKILL') throw failure
    // The last line may be cut.
    return text.split('\n').slice(0, -1)
  })
  ready.promise.catch(() => {})
  lines.catch(() => {})
  return { process: child, lines, isReady: ready.promise }
}

/** What has to be there, by what the workers said. */
function apply(expected: Map<string, Digest>, lines: readonly string[]): void {
  for (const line of lines) {
    const [verb, image = '', digest] = line.split(' ')
    if (verb === 'put' && isDigest(digest)) expected.set(image, digest)
    if (verb === 'drop') expected.delete(image)
  }
}

async function readImage(namespace: StoreNamespace, name: string): Promise<readonly Digest[]> {
  const { target } = await namespace.images.get(name)
  const { labels } = await namespace.content.info(target.digest)
  const digests = [target.digest, ...Object.values(labels).filter(isDigest)]
  for (const digest of digests) {
    await using reader = await namespace.content.openReader({ digest })
    assert.equal(digestOf(await readAllBytes(reader.read(), 1e6, digest)), digest)
  }
  return digests
}

test('a store whose processes are killed at any moment loses nothing that was committed', async () => {
  await using directory = await temporaryDirectory()
  const path = directory.join('store')
  const expected = new Map<string, Digest>()
  for (let round = 0; round < ROUNDS; round++) {
    const workers = ['a', 'b'].map((name, at) => startWorker(path, name, round * 10 + at + 1))
    await Promise.all(workers.map(({ isReady }) => isReady))
    for (const { process: child } of workers) {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 250))
      child.kill('SIGKILL')
    }
    for (const { lines } of workers) apply(expected, await lines)

    await using store = await Store.open(path)
    const check = await store.check({ readBlobs: true })
    assert.deepEqual([check.problems, check.databaseProblems], [[], []], `round ${round}`)
    for (const [name, digest] of expected) {
      const namespace = store.namespace(name.split('/')[0])
      const digests = await readImage(namespace, name)
      // A later put may have been committed and not been told of any more.
      if (digests[0] !== digest) expected.set(name, digests[0] ?? digest)
      assert.equal(digests.length, 2, name)
    }
    await store.collect()
    assert.deepEqual((await store.check({ readBlobs: true })).problems, [])
    for (const name of expected.keys()) await readImage(store.namespace(name.split('/')[0]), name)
  }
  await using store = await Store.open(path, { now: () => Date.now() + 48 * 3_600_000 })
  for (const { name: namespace } of await store.namespaces.list()) {
    const { images } = store.namespace(namespace)
    for (const { name } of await images.list()) await images.delete(name)
  }
  await store.collect()
  assert.deepEqual(await readdir(`${path}/blobs/sha256`), [])
  assert.deepEqual(await readdir(`${path}/ingests`), [])
})

test('an ingest whose process was killed is taken up by another at once', async () => {
  await using directory = await temporaryDirectory()
  const path = directory.join('store')
  const script = `
    import { Store } from ${JSON.stringify(new URL('../../src/store/index.ts', import.meta.url).href)}
    const store = await Store.open(${JSON.stringify(path)})
    const writer = await store.namespace().content.openWriter('ref')
    await writer.write(Buffer.from('begun by one'))
    process.kill(process.pid, 'SIGKILL')`
  assert.throws(() => execFileSync(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' }))
  await using store = await Store.open(path)
  const { content } = store.namespace()
  await using writer = await content.openWriter('ref')
  assert.equal(writer.status().offsetBytes, 12)
  await writer.write(Buffer.from(', ended by another'))
  const { digest } = await writer.commit()
  assert.equal(digest, digestOf(Buffer.from('begun by one, ended by another')))
})

test('one process deletes and collects while another pulls: what is named is always whole', async () => {
  await using directory = await temporaryDirectory()
  const path = directory.join('store')
  await using two = await Store.open(path)
  const script = `
    import { Store } from ${JSON.stringify(new URL('../../src/store/index.ts', import.meta.url).href)}
    import { setImmediate as nextTurn } from 'node:timers/promises'
    let stopped = false
    process.stdin.on('end', () => (stopped = true)).resume()
    const store = await Store.open(${JSON.stringify(path)})
    let count = 0
    process.stdout.write('ready')
    while (!stopped) {
      await nextTurn()
      const deleted = store.namespace().images.delete('app', { synchronous: true }).then(() => count++)
      await deleted.catch((error) => { if (error.code !== 'NOT_FOUND') throw error })
    }
    process.stdout.write(' ' + count)
    await store[Symbol.asyncDispose]()`
  const deleter = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(deleter, 'close')
  let said = ''
  deleter.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
  await once(deleter.stdout, 'data')
  for (let round = 0; round < 15; round++) {
    await using leased = await two.namespace().leased()
    const { content, images } = leased.namespace
    const leaf = await putContent(content, 'leaf')
    const root = await putContent(content, 'root', { labels: { 'containerd.io/gc.ref.content.0': leaf.digest } })
    await images.putAll([{ name: 'app', target: root }])
    for (const { digest } of [leaf, root]) {
      await using reader = await content.openReader({ digest })
      assert.ok(reader.sizeBytes > 0)
    }
  }
  deleter.stdin.end()
  assert.deepEqual(await ended, [0, null])
  assert.match(said, /^ready [1-9]/, 'it did delete')
  assert.deepEqual((await two.check({ readBlobs: true })).problems, [])
})

const tmpfs = canMount()

test('a full disk is a clear error, and everything before it is kept', { skip: tmpfs }, async () => {
  await using directory = await temporaryDirectory()
  const mount = directory.join('small')
  mkdirSync(mount)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', mount])
  try {
    await using store = await Store.open(`${mount}/store`)
    const namespace = store.namespace()
    const kept: Digest[] = []
    const failure = await (async () => {
      for (let round = 0; round < 1000; round++) {
        const bytes = Buffer.alloc(100_000 + round, round)
        const expected = { digest: digestOf(bytes), size: bytes.length }
        try {
          await writeBlob(namespace.content, `blob-${round}`, () => bytesSource(bytes), { expected })
          const target = { mediaType: 'application/x-test', ...expected }
          await namespace.images.create({ name: `image-${round}`, target })
          kept.push(expected.digest)
        } catch (error) {
          return error
        }
      }
      return undefined
    })()
    assert.ok(hasErrorCode(failure, 'DISK_FULL'), String(failure))
    assert.ok(kept.length > 3)
    await using again = await Store.open(`${mount}/store`)
    assert.deepEqual((await again.check({ readBlobs: true })).problems, [])
    const { images, content } = again.namespace()
    const records = await images.list()
    assert.ok(records.length >= kept.length)
    for (const digest of kept) assert.ok((await content.info(digest)).sizeBytes > 0)
    // Room again: it goes on.
    execFileSync('mount', ['-o', 'remount,size=8m', mount])
    for (const { name } of records.slice(0, 5)) await images.delete(name)
    const { freedBytes } = await again.collect()
    assert.ok(freedBytes >= 400_000, String(freedBytes))
    await putContent(content, 'there is room again')
  } finally {
    execFileSync('umount', ['-l', mount])
  }
})

/** Why no small disk can be made here. */
function canMount(): string | false {
  if (process.getuid?.() !== 0) return 'only root can mount a small disk'
  try {
    execFileSync('unshare', ['-m', 'true'], { stdio: 'ignore' })
    return false
  } catch {
    return 'mounting is not allowed here'
  }
}
