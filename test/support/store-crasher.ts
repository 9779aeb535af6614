/**
 * Works on a store until it is killed: `node store-crasher.ts DIRECTORY NAME SEED`. Says on stdout what is done for
 * certain: `put IMAGE DIGEST` after a record was made or moved, `drop IMAGE` before one is deleted.
 */
import { createHash } from 'node:crypto'
import { writeSync } from 'node:fs'
import { Store, writeBlob } from '../../src/store/index.ts'
import { bytesSource, digestOf } from '../../src/stream/index.ts'
import { hasErrorCode } from '../../src/errors/index.ts'

const [directory = '', name = '', seedText = '1'] = process.argv.slice(2)
let seed = Number(seedText)

function random(below: number): number {
  seed = createHash('sha256').update(String(seed)).digest().readUInt32LE(0)
  return seed % below
}

/** Few different contents, so that two processes write the same blobs. */
function contentOf(kind: number): Buffer {
  const start = createHash('sha512').update(String(kind)).digest()
  return Buffer.concat(Array.from({ length: 1 + ((kind * 997) % 4000) }, () => start))
}

function say(line: string): void {
  writeSync(1, `${line}\n`)
}

await using store = await Store.open(directory)
const namespace = store.namespace(random(4) === 0 ? 'other' : 'default')
const prefix = `${namespace.name}/${name}`
say('ready')
for (let turn = 0; ; turn++) {
  const image = `${prefix}-${random(6)}`
  const step = random(10)
  if (step < 7) await put(image)
  else if (step < 9) await drop(image)
  else await store.collect()
}

async function put(image: string): Promise<void> {
  await using leased = await namespace.leased()
  const { content, images } = leased.namespace
  const [leaf, root] = [contentOf(random(40)), contentOf(100 + random(40))]
  const expected = { digest: digestOf(leaf), size: leaf.length }
  await writeBlob(content, `blob-${expected.digest}`, () => pieces(leaf), { expected })
  const digest = digestOf(root)
  const labels = { 'containerd.io/gc.ref.content.0': expected.digest }
  const { isPresent } = await writeBlob(content, `blob-${digest}`, () => pieces(root), {
    expected: { digest, size: root.length },
    labels,
  })
  if (isPresent)
    await content.updateLabels(
      digest,
      labels,
      Object.keys(labels).map((key) => `labels.${key}`),
    )
  await images.putAll([{ name: image, target: { mediaType: 'application/x-test', digest, size: root.length } }])
  say(`put ${image} ${digest}`)
}

async function drop(image: string): Promise<void> {
  say(`drop ${image}`)
  await namespace.images.delete(image).catch((error: unknown) => {
    if (!hasErrorCode(error, 'NOT_FOUND')) throw error
  })
}

async function* pieces(bytes: Buffer): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 16_384) yield* bytesSource(bytes.subarray(at, at + 16_384))
}
