import assert from 'node:assert/strict'
import { test } from 'node:test'
import { schemaCheck } from '../../test/support/json-schema.ts'
import { InvalidDocumentError } from '../errors/index.ts'
import { formatTransportReference } from '../transport/index.ts'
import { parseBaselineSpec, parseBundleSpec, parseOutputSpec } from './bundle-spec.ts'

const PARSERS = {
  bundle: (value: unknown) => parseBundleSpec(value, 'spec'),
  baselines: (value: unknown) => parseBaselineSpec(value, 'spec'),
  outputs: (value: unknown) => parseOutputSpec(value, 'spec'),
} as const

const pair = (changes: object = {}): object => ({ name: 'app', baseline: 'oci:v1', target: 'oci:v2', ...changes })

const GOOD: readonly (readonly [kind: keyof typeof PARSERS, value: unknown])[] = [
  ['bundle', { pairs: [pair()] }],
  ['bundle', { pairs: [pair({ name: 'App_1.x-y' }), pair({ name: 'app_1.x-y' })] }],
  ['bundle', { pairs: [pair({ baseline: ['oci:v0', 'docker://registry.example/app:v1'] })] }],
  ['bundle', { pairs: [pair({ platform: 'linux/arm/v7' }), pair({ name: 'b', platform: ['linux/amd64'] })] }],
  ['bundle', { $schema: 'x', pairs: [pair({ target: 'docker-archive:app.tar:app:v2' })] }],
  ['baselines', { baselines: { default: 'docker-archive:v1.tar', b: ['dir:one', 'docker-daemon:two:v1'] } }],
  ['baselines', { baselines: { a: 'store:app:v1', b: 'containerd:app:v1' } }],
  ['outputs', { outputs: { default: 'dir:out', b: 'oci-archive:b.tar' } }],
]

/** Not good, and where the fault is. */
const BAD: readonly (readonly [kind: keyof typeof PARSERS, value: unknown, paths: readonly string[]])[] = [
  ['bundle', null, ['$']],
  ['bundle', [], ['$']],
  ['bundle', {}, ['$.pairs']],
  ['bundle', { pairs: [] }, ['$.pairs']],
  ['bundle', { pairs: {} }, ['$.pairs']],
  ['bundle', { pairs: [pair()], piars: [] }, ['$.piars']],
  ['bundle', { pairs: ['app'] }, ['$.pairs[0]']],
  ['bundle', { pairs: [{}] }, ['$.pairs[0].name', '$.pairs[0].baseline', '$.pairs[0].target']],
  ['bundle', { pairs: [pair({ name: '' })] }, ['$.pairs[0].name']],
  ['bundle', { pairs: [pair({ name: '../x' })] }, ['$.pairs[0].name']],
  ['bundle', { pairs: [pair({ name: 'ä' })] }, ['$.pairs[0].name']],
  ['bundle', { pairs: [pair({ name: 1 })] }, ['$.pairs[0].name']],
  ['bundle', { pairs: [pair({ baseline: [] })] }, ['$.pairs[0].baseline']],
  ['bundle', { pairs: [pair({ baseline: ['oci:a', 'b'] })] }, ['$.pairs[0].baseline[1]']],
  ['bundle', { pairs: [pair({ target: '' })] }, ['$.pairs[0].target']],
  ['bundle', { pairs: [pair({ target: 'app.tar' })] }, ['$.pairs[0].target']],
  ['bundle', { pairs: [pair({ target: 'containers-storage:app:v1' })] }, ['$.pairs[0].target']],
  ['bundle', { pairs: [pair({ platform: 'linux' })] }, ['$.pairs[0].platform']],
  ['bundle', { pairs: [pair({ tagret: 'oci:x' })] }, ['$.pairs[0].tagret']],
  ['baselines', { baselines: {} }, ['$.baselines']],
  ['baselines', { baseline: { a: 'oci:a' } }, ['$.baseline', '$.baselines']],
  ['baselines', { baselines: { '.a': 'oci:a' } }, ['$.baselines[".a"]']],
  ['baselines', { baselines: { a: { b: 'oci:a' } } }, ['$.baselines.a']],
  ['outputs', { outputs: { a: ['oci:a'] } }, ['$.outputs.a']],
  ['outputs', { outputs: { a: 'b' } }, ['$.outputs.a']],
]

for (const kind of ['bundle', 'baselines', 'outputs'] as const) {
  test(`the ${kind} parser and its schema take the same documents`, () => {
    const isValid = schemaCheck(`${kind}.schema.json`)
    for (const [, value] of GOOD.filter(([of]) => of === kind)) {
      assert.doesNotThrow(() => PARSERS[kind](value))
      assert.equal(isValid(value), true, JSON.stringify(value))
    }
    for (const [, value, paths] of BAD.filter(([of]) => of === kind)) {
      assert.deepEqual(
        problemPaths(() => PARSERS[kind](value)),
        paths,
        JSON.stringify(value),
      )
      assert.equal(isValid(value), false, JSON.stringify(value))
    }
  })
}

test('parseBundleSpec() tells the pairs that have one name, in which case counts', () => {
  const pairs = [pair(), pair({ name: 'b' }), pair(), pair({ name: 'APP' }), pair({ name: 'b' })]
  assert.deepEqual(
    problemPaths(() => parseBundleSpec({ pairs }, 'spec')),
    ['$.pairs[2].name', '$.pairs[4].name'],
  )
})

test('parseOutputSpec() refuses one place for two images', () => {
  const outputs = { a: 'oci:out:v1', b: 'oci:out:v2', c: 'oci:out:v1' }
  assert.deepEqual(
    problemPaths(() => parseOutputSpec({ outputs }, 'spec')),
    ['$.outputs.c'],
  )
})

test('parseBundleSpec() suggests what a typo, and a path without transport, may mean', () => {
  const messages = problemsOf(() =>
    parseBundleSpec({ pairs: [pair({ basline: 'oci:a', target: 'app.tar' })] }, 'spec'),
  ).map((problem) => problem.message)
  assert.match(messages[0] ?? '', /did you mean baseline\?/)
  assert.match(messages[1] ?? '', /did you mean oci-archive:app\.tar\?/)
})

test('specs take relative paths from their folder, whatever its name, and leave other references alone', () => {
  const folder = '/specs:of/site'
  const there = new Set(['/specs:of/site/v1:old.tar'])
  const options = { folder, exists: (path: string) => there.has(path) }
  const baseline = ['docker-archive:v1:old.tar:app:v1', 'dir:./one', 'oci:/abs:v1', 'docker://registry.example/app']
  const { pairs } = parseBundleSpec({ pairs: [pair({ baseline })] }, 'spec', options)
  assert.deepEqual(pairs[0]?.baselines.map(formatTransportReference), [
    'docker-archive:/specs:of/site/v1:old.tar:docker.io/library/app:v1',
    'dir:/specs:of/site/one',
    'oci:/abs:v1',
    'docker://registry.example/app',
  ])
  assert.deepEqual(parseOutputSpec({ outputs: { a: 'oci:out:v2' } }, 'spec', options).outputs.get('a'), {
    transport: 'oci',
    path: '/specs:of/site/out',
    pick: { kind: 'name', name: 'v2' },
  })
})

function problemsOf(parse: () => unknown): InvalidDocumentError['problems'] {
  try {
    parse()
  } catch (error) {
    if (error instanceof InvalidDocumentError) return error.problems
    throw error
  }
  return []
}

function problemPaths(parse: () => unknown): readonly string[] {
  return problemsOf(parse).map((problem) => problem.path)
}
