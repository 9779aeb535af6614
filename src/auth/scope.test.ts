import assert from 'node:assert/strict'
import { test } from 'node:test'
import { repositoryScope, unionScopes } from './scope.ts'

test('unionScopes() joins the actions of a resource and keeps resources apart', () => {
  assert.deepEqual(
    unionScopes(
      'repository:b/c:push,pull',
      repositoryScope('a', ['pull']),
      'repository:b/c:pull',
      'registry:catalog:*',
    ),
    ['registry:catalog:*', 'repository:a:pull', 'repository:b/c:pull,push'],
  )
})

test('unionScopes() leaves out text that is no scope', () => {
  assert.deepEqual(unionScopes('', 'pull', 'repository:x'), [])
})
