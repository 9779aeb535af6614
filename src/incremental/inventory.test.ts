import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { hasErrorCode, InvalidDocumentError } from '../errors/index.ts'
import { manifestsOf, readImageTree } from '../image/index.ts'
import { type Digest, MEDIA_TYPE } from '../oci/index.ts'
import { formatInventory, type Inventory, inventorySources, parseInventory } from './inventory.ts'

const digest = (letter: string): Digest => `sha256:${letter.repeat(64)}`

const LAYER = { mediaType: MEDIA_TYPE.OCI_LAYER_GZIP, digest: digest('a'), size: 10, diffId: digest('b') }
const INVENTORY: Inventory = {
  tool: 'tare test',
  images: [
    {
      name: 'registry.example/app:v1',
      mediaType: MEDIA_TYPE.DOCKER_LIST,
      digest: digest('1'),
      size: 100,
      manifests: ['2', '3'].map((letter, at) => ({
        mediaType: MEDIA_TYPE.DOCKER_MANIFEST,
        digest: digest(letter),
        size: 50,
        platform: { os: 'linux', architecture: at === 0 ? 'amd64' : 'arm64' },
        layers: at === 0 ? [LAYER] : [LAYER, { ...LAYER, digest: digest('c'), diffId: digest('d') }],
      })),
    },
    { name: '', mediaType: MEDIA_TYPE.DOCKER_SCHEMA1, digest: digest('4'), size: 9, manifests: [] },
  ],
}

function edited(edit: (document: Record<string, unknown>) => void): Uint8Array {
  const document = JSON.parse(Buffer.from(formatInventory(INVENTORY)).toString()) as Record<string, unknown>
  edit(document)
  return Buffer.from(JSON.stringify(document))
}

suite('formatInventory() and parseInventory()', () => {
  test('keep everything, and write a layer once however many manifests name it', () => {
    const bytes = formatInventory(INVENTORY)
    assert.deepEqual(parseInventory(bytes, 'test'), INVENTORY)
    assert.equal(Buffer.from(bytes).toString().split(LAYER.digest).length, 2)
  })

  test('refuse other documents, newer ones and broken ones', () => {
    const cases: readonly (readonly [
      code: 'INVALID_DOCUMENT' | 'UNSUPPORTED_FORMAT' | 'LIMIT_EXCEEDED',
      Uint8Array,
    ])[] = [
      ['INVALID_DOCUMENT', Buffer.from('no JSON')],
      ['INVALID_DOCUMENT', Buffer.from('{}')],
      ['INVALID_DOCUMENT', edited((document) => void (document['mediaType'] = 'application/json'))],
      ['UNSUPPORTED_FORMAT', edited((document) => void (document['schemaVersion'] = 2))],
      ['INVALID_DOCUMENT', edited((document) => void (document['layers'] = []))],
      ['INVALID_DOCUMENT', edited((document) => void (document['images'] = [{ name: 'a b' }]))],
      ['LIMIT_EXCEEDED', edited((document) => void (document['images'] = Array(100_001).fill(0)))],
    ]
    for (const [code, bytes] of cases) {
      assert.throws(
        () => parseInventory(bytes, 'test'),
        (error) => hasErrorCode(error, code),
        Buffer.from(bytes.subarray(0, 100)).toString(),
      )
    }
    assert.throws(
      () =>
        parseInventory(
          edited((document) => void (document['images'] = [{}, {}])),
          'test',
        ),
      (error) => error instanceof InvalidDocumentError && error.problems.length > 2,
    )
  })
})

suite('inventorySources()', () => {
  test('give images whose trees have the real digests, layers and diffIDs', async () => {
    const [source] = inventorySources(INVENTORY)
    assert.ok(source)
    assert.equal(source.holdsLayers, false)
    const tree = await readImageTree(source)
    assert.equal(tree.root.descriptor.digest, digest('1'))
    assert.deepEqual(
      manifestsOf(tree).map(({ descriptor, platform, config }) => [
        descriptor.digest,
        platform?.architecture,
        config?.rootfs.diffIds,
      ]),
      [
        [digest('2'), 'amd64', [digest('b')]],
        [digest('3'), 'arm64', [digest('b'), digest('d')]],
      ],
    )
  })

  test('hold no layer, and say what that is good for', async () => {
    const [source] = inventorySources(INVENTORY)
    await assert.rejects(
      source?.openBlob(LAYER) ?? Promise.resolve(),
      (error) => hasErrorCode(error, 'BASELINE_LACKS_BLOB') && error.hint !== undefined,
    )
    assert.equal(await source?.hasBlob?.(LAYER), false)
  })
})
