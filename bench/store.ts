/**
 * The local store: records, ingest against `cp`, `sync` and `sha256sum` of the same file, collection and what it does to
 * readers, memory of an import.
 */
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, unlinkSync, writeFileSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parseDigest } from '../src/oci/index.ts'
import { Store, type StoreNamespace, writeBlob } from '../src/store/index.ts'
import { digestOf, readFileRange } from '../src/stream/index.ts'
import { TAR_TRAILER, tarHeader, tarPadding } from '../src/tar/index.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../test/support/temporary-directory.ts'
import { type BenchResult, median } from './support/result.ts'

const IMPORT_ONCE = fileURLToPath(new URL('./support/import-once.ts', import.meta.url))
const RECORDS = 10_000
const INGEST_BYTES = 1e9
const BLOBS = 100_000
const ARCHIVE_BYTES = 500e6
const RUNS = 5

export const name = 'store'

export async function run(): Promise<readonly BenchResult[]> {
  await using directory = await temporaryDirectory()
  return [
    ...(await records(directory)),
    ...(await ingest(directory)),
    ...(await collection(directory)),
    ...(await importing(directory)),
  ]
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}

/** Processor time that the process takes meanwhile; tells a slow program from a busy machine. */
async function processorMs(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

async function timesOf(work: () => Promise<unknown>, runs: number = RUNS): Promise<readonly number[]> {
  const times: number[] = []
  for (let at = 0; at < runs; at++) times.push(await timed(work))
  return times
}

async function records(directory: TemporaryDirectory): Promise<readonly BenchResult[]> {
  await using store = await Store.open(directory.join('records'))
  const { images } = store.namespace()
  await images.putAll(
    Array.from({ length: RECORDS }, (_, at) => ({
      name: `registry.example/team-${at % 50}/app-${at}:v1`,
      target: { mediaType: 'application/vnd.oci.image.index.v1+json', digest: digestOf(Buffer.from(`${at}`)), size: 1 },
      labels: { tier: at % 10 === 0 ? 'prod' : 'test', 'org.example.build': String(at) },
    })),
  )
  const filtered = (): Promise<unknown> => images.list(['labels.tier==prod,name~=team-1'])
  const list = await timesOf(filtered)
  const listCpu = await processorMs(filtered)
  const one = await timesOf(() => images.list([`target.digest==${digestOf(Buffer.from('77'))}`]))
  const get = await timesOf(() => images.get('registry.example/team-27/app-7777:v1'), 100)
  const what = `${RECORDS} image records`
  return [
    {
      what: `${what}, list by label and pattern`,
      value: median(list),
      unit: 'ms',
      limit: 50,
      note: `median of ${RUNS}; processor ${listCpu.toFixed(0)} ms`,
    },
    { what: `${what}, list by digest`, value: median(one), unit: 'ms', limit: 50, note: `median of ${RUNS}` },
    { what: `${what}, get`, value: median(get), unit: 'ms', limit: 1, note: 'median of 100' },
  ]
}

async function writeNoise(path: string, sizeBytes: number, before: Uint8Array = new Uint8Array(0)): Promise<void> {
  await using file = await open(path, 'w')
  await file.write(before)
  const chunk = randomBytes(1e6)
  for (let at = 0; at < sizeBytes; at += chunk.length) {
    chunk.writeUInt32LE(at / 1e6)
    await file.write(chunk)
  }
}

async function ingest(directory: TemporaryDirectory): Promise<readonly BenchResult[]> {
  const [file, copy] = [directory.join('noise'), directory.join('copy')]
  await writeNoise(file, INGEST_BYTES)
  const theirs = await timed(async () => {
    await promisify(execFile)('sh', ['-c', 'cp "$1" "$2" && sync "$2" && sha256sum "$2"', 'sh', file, copy])
  })
  await rm(copy)
  await using store = await Store.open(directory.join('ingest'))
  const namespace = store.namespace()
  const ours = await timed(() => writeBlob(namespace.content, 'noise', () => readFileRange(file)))
  await rm(file)
  return [
    {
      what: 'ingest of 1 GB, speed',
      value: theirs / ours,
      unit: '× cp, sync, sha256sum',
      minimum: 0.6,
      note: `${ours.toFixed(0)} ms, theirs ${theirs.toFixed(0)} ms`,
    },
  ]
}

/** A store of many small blobs, half of them reached by images; made without the store, which would sync each. */
async function manyBlobs(path: string): Promise<string> {
  await (await Store.open(path))[Symbol.asyncDispose]()
  mkdirSync(`${path}/blobs/sha256`, { recursive: true })
  using database = new DatabaseSync(`${path}/tare.db`)
  const blob = database.prepare(`INSERT INTO blobs VALUES (?, 'default', 2, ?, 0, 0)`)
  const image = database.prepare(`INSERT INTO images VALUES ('default', ?, 'application/x', ?, 2, '{}', '{}', 0, 0)`)
  const digests = Array.from({ length: BLOBS }, (_, at) => createHash('sha256').update(String(at)).digest('hex'))
  database.exec('BEGIN')
  for (const [at, hex] of digests.entries()) {
    writeFileSync(`${path}/blobs/sha256/${hex}`, 'ok')
    const isRoot = at % 100 === 0 && at < BLOBS / 2
    const children = isRoot ? digests.slice(at + 1, at + 100) : []
    const labels = children.map((child, position) => [`containerd.io/gc.ref.content.l.${position}`, `sha256:${child}`])
    blob.run(`sha256:${hex}`, JSON.stringify(Object.fromEntries(labels)))
    if (isRoot) image.run(`image-${at}`, `sha256:${hex}`)
  }
  database.exec('COMMIT')
  return digests[1] ?? ''
}

async function collection(directory: TemporaryDirectory): Promise<readonly BenchResult[]> {
  const path = directory.join('many')
  const kept = await manyBlobs(path)
  await using store = await Store.open(path)
  await using reading = await Store.open(path)
  const read = (): Promise<void> => readOne(reading.namespace(), kept)
  let took = 0
  const during = await waitsDuring(read, async () => {
    took = await timed(async () => {
      const { blobs } = await store.collect()
      if (blobs.length !== BLOBS / 2) throw new Error(`${blobs.length} blobs went`)
    })
  })
  const without = await waitsDuring(read, () => wait(took))
  const alone = await unlinking(directory.join('files'))
  const idle = await timed(() => store.collect())
  const what = `collection over ${BLOBS} blobs`
  return [
    {
      what,
      value: took,
      unit: 'ms',
      limit: 5_000,
      note: `${BLOBS / 2} went, while others read; as many files alone are unlinked in ${alone.toFixed(0)} ms`,
    },
    { what: `collection over ${BLOBS / 2} blobs, all of which stay`, value: idle, unit: 'ms', limit: 5_000 },
    {
      what: `${what}, longest wait of a reader`,
      value: longest(during),
      unit: 'ms',
      limit: 100,
      note: `of ${during.length}; as long without a collection ${longest(without).toFixed(0)} ms`,
    },
  ]
}

/** What the disk takes to let go of as many files as the collection removes. */
async function unlinking(path: string): Promise<number> {
  mkdirSync(path)
  const names = Array.from({ length: BLOBS }, (_, at) => createHash('sha256').update(String(at)).digest('hex'))
  for (const name of names) writeFileSync(`${path}/${name}`, 'ok')
  const took = await timed(async () => {
    for (const name of names.slice(BLOBS / 2)) unlinkSync(`${path}/${name}`)
  })
  await rm(path, { recursive: true })
  return took
}

/** How long each reading takes while something goes on. */
async function waitsDuring(read: () => Promise<void>, work: () => Promise<void>): Promise<readonly number[]> {
  let isDone = false
  const waits: number[] = []
  const reading = (async () => {
    while (!isDone) {
      waits.push(await timed(read))
      await nextTurn()
    }
  })()
  await work()
  isDone = true
  await reading
  return waits
}

function longest(waits: readonly number[]): number {
  return waits.reduce((most, one) => Math.max(most, one), 0)
}

async function readOne({ content, images }: StoreNamespace, hex: string): Promise<void> {
  await images.get('image-0')
  await using reader = await content.openReader({ digest: parseDigest(`sha256:${hex}`) })
  for await (const chunk of reader.read()) void chunk
}

async function importing(directory: TemporaryDirectory): Promise<readonly BenchResult[]> {
  const archive = directory.join('archive.tar')
  const config = Buffer.from(
    JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [] } }),
  )
  const manifest = Buffer.from(JSON.stringify([{ Config: 'c.json', RepoTags: ['app:1'], Layers: ['layer.tar'] }]))
  const file = (path: string, content: Uint8Array): readonly Uint8Array[] => [
    tarHeader({ path, sizeBytes: content.length }),
    content,
    tarPadding(content.length),
  ]
  const head = Buffer.concat([...file('c.json', config), ...file('manifest.json', manifest)])
  await writeNoise(
    archive,
    ARCHIVE_BYTES,
    Buffer.concat([head, tarHeader({ path: 'layer.tar', sizeBytes: ARCHIVE_BYTES })]),
  )
  {
    await using end = await open(archive, 'a')
    await end.write(Buffer.concat([tarPadding(ARCHIVE_BYTES), TAR_TRAILER]))
  }
  const { stdout } = await promisify(execFile)(process.execPath, [IMPORT_ONCE, archive, directory.join('imported')])
  const { ms, peakBytes } = JSON.parse(stdout) as { readonly ms: number; readonly peakBytes: number }
  const what = 'import of a 500 MB Docker archive'
  return [
    { what: `${what}, peak memory`, value: peakBytes / 1e6, unit: 'MB', limit: 200 },
    { what: `${what}, time`, value: ms, unit: 'ms' },
  ]
}
