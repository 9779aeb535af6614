import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkKernels } from './self-check.ts'

test('checkKernels() finds every kernel well', async () => {
  const checks = await checkKernels()
  assert.deepEqual(
    checks.filter((check) => check.error !== undefined),
    [],
  )
  assert.deepEqual(checks.map((check) => check.name).sort(), [
    'codec',
    'deflate-tokens',
    'go-deflate',
    'klauspost-deflate',
    'token-coder',
    'zlib-deflate',
  ])
})
