import assert from 'node:assert/strict'
import { test } from 'node:test'
import { routeOf } from './route.ts'

test('routeOf() finds the endpoint of names with slashes and words of the API', () => {
  assert.deepEqual(routeOf('/v2/'), { kind: 'base' })
  assert.deepEqual(routeOf('/v2'), { kind: 'base' })
  assert.deepEqual(routeOf('/v2/_catalog'), { kind: 'catalog' })
  assert.deepEqual(routeOf('/v2/a/b/c/tags/list'), { kind: 'tags', repository: 'a/b/c' })
  assert.deepEqual(routeOf('/v2/a/blobs/uploads/'), { kind: 'uploads', repository: 'a' })
  assert.deepEqual(routeOf('/v2/a/blobs/uploads'), { kind: 'uploads', repository: 'a' })
  assert.deepEqual(routeOf('/v2/a/blobs/uploads/1'), { kind: 'upload', repository: 'a', id: '1' })
  assert.deepEqual(routeOf('/v2/a/blobs/uploads/blobs/uploads/1'), {
    kind: 'upload',
    repository: 'a/blobs/uploads',
    id: '1',
  })
  assert.deepEqual(routeOf('/v2/manifests/manifests/manifests'), {
    kind: 'manifest',
    repository: 'manifests',
    reference: 'manifests',
  })
  assert.deepEqual(routeOf('/v2/a/blobs/sha256%3Aff'), { kind: 'blob', repository: 'a', digest: 'sha256:ff' })
  assert.deepEqual(routeOf('/v2/a/referrers/sha256:ff'), { kind: 'referrers', repository: 'a', digest: 'sha256:ff' })
})

test('routeOf() knows no other paths', () => {
  for (const path of [
    '/',
    '/v1/',
    '/v2/a',
    '/v2/a/tags',
    '/v2/a/tags/list/x',
    '/v2/manifests/v1',
    '/v2//manifests/v1',
  ]) {
    assert.equal(routeOf(path), undefined, path)
  }
})

test('routeOf() refuses names out of their grammar before anything else sees them', () => {
  const names = ['..', 'a/..', '../a', 'a/../b', '%2e%2e', 'a%2f..', 'A', 'a_', '.a', 'a//b', '/a', 'a%5cb', 'a%00']
  for (const name of names) {
    assert.throws(() => routeOf(`/v2/${name}/manifests/v1`), { status: 400 }, name)
  }
  assert.throws(() => routeOf('/v2/%zz/manifests/v1'), { status: 400 })
  assert.throws(() => routeOf(`/v2/${'a'.repeat(230)}/manifests/v1`), { status: 400 })
})
