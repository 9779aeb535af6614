import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasErrorCode, InvalidDocumentError } from '../errors/index.ts'
import { historyLayerCount, type ImageConfig, parseImageConfig, platformOfConfig } from './config.ts'

const DIFF_ID = `sha256:${'cd'.repeat(32)}`
const parse = (config: unknown): ImageConfig =>
  parseImageConfig(new TextEncoder().encode(JSON.stringify(config)), 'config test')

test('parseImageConfig() gives platform, layers and history', () => {
  const config = parse({
    architecture: 'arm64',
    os: 'linux',
    variant: 'v8',
    created: '2026-01-02T03:04:05Z',
    config: { Env: ['A=b'], Labels: null },
    rootfs: { type: 'layers', diff_ids: [DIFF_ID, DIFF_ID] },
    history: [
      { created: '2026-01-02T03:04:05Z', created_by: 'COPY a b', comment: 'c' },
      { created_by: 'ENV A=b', empty_layer: true },
      { empty_layer: false },
    ],
  })
  assert.deepEqual(config, {
    architecture: 'arm64',
    os: 'linux',
    variant: 'v8',
    created: '2026-01-02T03:04:05Z',
    rootfs: { diffIds: [DIFF_ID, DIFF_ID] },
    history: [
      { created: '2026-01-02T03:04:05Z', createdBy: 'COPY a b', comment: 'c', isEmptyLayer: false },
      { createdBy: 'ENV A=b', isEmptyLayer: true },
      { isEmptyLayer: false },
    ],
  })
  assert.equal(historyLayerCount(config), 2)
  assert.deepEqual(platformOfConfig(config), { os: 'linux', architecture: 'arm64', variant: 'v8' })
})

test('parseImageConfig() takes configs that state almost nothing', () => {
  const odd = [
    {},
    { rootfs: null, history: null, os: '', created: null },
    { rootfs: {} },
    { rootfs: { diff_ids: null } },
  ]
  for (const config of odd.map(parse)) {
    assert.deepEqual(config, { os: '', architecture: '', rootfs: { diffIds: [] }, history: [] })
    assert.equal(platformOfConfig(config), undefined)
    assert.equal(historyLayerCount(config), undefined)
  }
})

test('platformOfConfig() keeps version and features of Windows', () => {
  const platform = { os: 'windows', architecture: 'amd64', 'os.version': '10.0.20348.1', 'os.features': ['win32k'] }
  assert.deepEqual(platformOfConfig(parse({ ...platform, features: 'no field of configs' })), platform)
})

test('parseImageConfig() lists every problem with its path', () => {
  assert.throws(
    () =>
      parse({
        os: 1,
        RootFS: {},
        rootfs: { diff_ids: [DIFF_ID, 'sha256:x', null] },
        history: [{ empty_layer: 'yes' }, 5],
        'os.features': {},
      }),
    (error) => {
      assert.ok(error instanceof InvalidDocumentError)
      assert.deepEqual(error.problems.map((problem) => problem.path).toSorted(), [
        '$.RootFS',
        '$.history[0].empty_layer',
        '$.history[1]',
        '$.os',
        '$.rootfs.diff_ids[1]',
        '$.rootfs.diff_ids[2]',
        '$["os.features"]',
      ])
      return true
    },
  )
})

test('parseImageConfig() refuses what is no object, is cut off, or has too many layers', () => {
  for (const config of [null, [], 'x']) assert.throws(() => parse(config), InvalidDocumentError)
  assert.throws(() => parseImageConfig(new TextEncoder().encode('{"rootfs":'), 'config test'), InvalidDocumentError)
  assert.throws(
    () => parse({ rootfs: { diff_ids: Array(10_001).fill(DIFF_ID) } }),
    (error) => hasErrorCode(error, 'LIMIT_EXCEEDED'),
  )
})
