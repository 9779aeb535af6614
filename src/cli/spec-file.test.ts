import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { isTareError } from '../errors/index.ts'
import { formatTransportReference } from '../transport/index.ts'
import { temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { FileFaultError } from './file-fault.ts'
import {
  baselineSpecOf,
  bundleSpecOf,
  outputSpecOf,
  readBaselineSpec,
  readBundleSpec,
  readOutputSpec,
} from './spec-file.ts'

test('readBundleSpec() reads diffah’s JSON and the same as YAML, with paths from the folder of the file', async () => {
  await using dir = await temporaryDirectory()
  const pair = { name: 'app', baseline: 'docker-archive:v1.tar', target: 'oci-archive:sub/v2.tar:v2' }
  await writeFile(dir.join('spec.json'), JSON.stringify({ pairs: [pair] }, null, '\t'))
  await writeFile(
    dir.join('spec.yaml'),
    `pairs:\n- name: app\n  baseline: ${pair.baseline} # what they have\n  target: ${pair.target}\n`,
  )
  const [json, yaml] = await Promise.all(['spec.json', 'spec.yaml'].map((name) => readBundleSpec(dir.join(name))))
  assert.deepEqual(json, yaml)
  assert.deepEqual(
    json?.pairs.map(({ target }) => formatTransportReference(target)),
    [`oci-archive:${dir.path}/sub/v2.tar:v2`],
  )
})

test('specs take paths with colons from what lies on the disk', async () => {
  await using dir = await temporaryDirectory()
  await mkdir(dir.join('a:b'))
  await writeFile(dir.join('spec.yaml'), 'baselines: {one: [oci:a:b, oci:new:v1]}\n')
  const { baselines } = await readBaselineSpec(dir.join('spec.yaml'))
  assert.deepEqual(baselines.get('one'), [
    { transport: 'oci', path: `${dir.path}/a:b` },
    { transport: 'oci', path: `${dir.path}/new`, pick: { kind: 'name', name: 'v1' } },
  ])
})

test('readBundleSpec() tells every fault by line and column, exit code usage', async () => {
  await using dir = await temporaryDirectory()
  const path = dir.join('spec.yaml')
  await writeFile(path, 'pairs:\n  - nmae: app\n    baseline: oci:a\n    target: app.tar\n')
  const fault: unknown = await readBundleSpec(path).catch((error: unknown) => error)
  assert.ok(fault instanceof FileFaultError)
  assert.deepEqual([fault.code, fault.category], ['INVALID_SPEC', 'usage'])
  assert.deepEqual(
    fault.problems.map(({ path: where, line, column }) => [where, line, column]),
    [
      ['$.pairs[0].nmae', 2, 5],
      ['$.pairs[0].name', 2, 5],
      ['$.pairs[0].target', 4, 5],
    ],
  )
})

test('readBundleSpec() says how bare paths of old JSON specs get their transport', async () => {
  await using dir = await temporaryDirectory()
  const path = dir.join('spec.json')
  await writeFile(path, '{"pairs": [{"name": "a", "baseline": "v1.tar", "target": "docker-archive:v2.tar"}]}')
  const fault: unknown = await readBundleSpec(path).catch((error: unknown) => error)
  assert.ok(isTareError(fault) && fault.code === 'INVALID_SPEC')
  assert.match(fault.hint ?? '', /^Put .*sed -E .* \S+spec\.json$/)
})

test('readOutputSpec() refuses a directory and misses an absent file', async () => {
  await using dir = await temporaryDirectory()
  await assert.rejects(readOutputSpec(dir.path), { code: 'INVALID_SPEC' })
  await assert.rejects(readOutputSpec(dir.join('absent.json')), { code: 'FILE_NOT_FOUND' })
})

test('bundleSpecOf() takes the last image of each pair for its target, and commas within paths', () => {
  const { pairs } = bundleSpecOf(['a=oci:v1,docker://registry.example/app:v0,oci:v2', 'b=dir:x,y,dir:z=1'])
  const shown = pairs.map(({ name, baselines, target }) => [
    name,
    ...[...baselines, target].map(formatTransportReference),
  ])
  assert.deepEqual(shown, [
    ['a', 'oci:v1', 'docker://registry.example/app:v0', 'oci:v2'],
    ['b', 'dir:x,y', 'dir:z=1'],
  ])
})

test('flags for bundles are checked like files', () => {
  const wrong: readonly (() => unknown)[] = [
    () => bundleSpecOf(['oci:a,oci:b']),
    () => bundleSpecOf(['=oci:a,oci:b']),
    () => bundleSpecOf(['a=oci:a']),
    () => bundleSpecOf(['a=oci:a,b.tar']),
    () => bundleSpecOf(['a=v1.tar,oci:b']),
    () => bundleSpecOf(['a=oci:a,oci:b', 'a=oci:a,oci:b']),
    () => bundleSpecOf(['a b=oci:a,oci:b']),
    () => bundleSpecOf([]),
    () => baselineSpecOf(['app']),
    () => baselineSpecOf(['app=v1.tar']),
    () => outputSpecOf(['app=oci:a', 'app=oci:b']),
    () => outputSpecOf(['app=oci:a', 'b=oci:a']),
    () => outputSpecOf(['__proto__=oci:a']),
  ]
  for (const parse of wrong) assert.throws(parse, { code: 'INVALID_ARGUMENT' }, parse.toString())
})

test('baselineSpecOf() and outputSpecOf() go by names', () => {
  const { baselines } = baselineSpecOf(['a=oci:a', 'b=oci:b', 'a=oci:c'])
  assert.deepEqual(
    [...baselines].map(([name, images]) => [name, ...images.map(formatTransportReference)]),
    [
      ['a', 'oci:a', 'oci:c'],
      ['b', 'oci:b'],
    ],
  )
  assert.deepEqual([...outputSpecOf(['a=dir:out']).outputs.keys()], ['a'])
})
