import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasErrorCode } from '../../errors/index.ts'
import {
  addReferencePrefix,
  digestTranslator,
  familiarName,
  filterReferencePrefix,
  normalName,
  referenceObject,
} from './reference-names.ts'

const DIGEST = `sha256:${'a'.repeat(64)}` as const

test('addReferencePrefix() makes names of bare tags only', () => {
  const translate = addReferencePrefix('example.com/app')
  assert.equal(translate('v1'), 'example.com/app:v1')
  for (const name of ['other/app', 'app:v1', `app@${DIGEST}`]) assert.equal(translate(name), name)
})

test('filterReferencePrefix() drops names that go on otherwise', () => {
  const translate = filterReferencePrefix('example.com/app')
  assert.equal(translate('v1'), 'example.com/app:v1')
  for (const name of ['example.com/app/sub', 'example.com/app:v1', `example.com/app@${DIGEST}`]) {
    assert.equal(translate(name), name)
  }
  for (const name of ['example.com/apple:v1', 'example.com/app-x:v1', 'other/app', 'a:b']) {
    assert.equal(translate(name), '')
  }
})

test('digestTranslator() makes a name of a prefix and a digest, and none without a prefix', () => {
  assert.equal(digestTranslator('app')(DIGEST), `app@${DIGEST}`)
  assert.equal(digestTranslator('')(DIGEST), '')
})

test('referenceObject() tells what containerd takes for the tag', () => {
  const table: readonly (readonly [string, string])[] = [
    ['docker.io/library/app:v1', 'v1'],
    [`docker.io/library/app@${DIGEST}`, `@${DIGEST}`],
    [`docker.io/library/app:v1@${DIGEST}`, `v1@${DIGEST}`],
    ['docker.io/library/app', ''],
    ['localhost:5000/app:v1', 'v1'],
    ['app:1', ''],
    ['app', ''],
    ['app:latest', 'app:latest'],
    [`app@${DIGEST}`, `app@${DIGEST}`],
    ['v1 beta', 'v1 beta'],
    ['http://example.com/app:v1', 'http://example.com/app:v1'],
    ['', ''],
  ]
  for (const [name, object] of table) assert.equal(referenceObject(name), object, name)
})

test('familiarName() and normalName() are Docker’s short and full forms', () => {
  assert.equal(familiarName('docker.io/library/a:1'), 'a:1')
  assert.equal(familiarName('docker.io/library/a'), 'a:latest')
  assert.equal(familiarName(`docker.io/x/a@${DIGEST}`), `x/a@${DIGEST}`)
  assert.equal(normalName('a'), 'docker.io/library/a:latest')
  assert.equal(normalName(`a:1@${DIGEST}`), `docker.io/library/a@${DIGEST}`)
  for (const call of [familiarName, normalName]) {
    assert.throws(
      () => call('Not A Name'),
      (error) => hasErrorCode(error, 'INVALID_REFERENCE'),
    )
  }
})
