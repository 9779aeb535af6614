import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseChallenges } from './challenge.ts'

function parse(...fields: readonly string[]): readonly [string, Record<string, string>][] {
  return parseChallenges(fields).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)])
}

test('parseChallenges() reads quoted commas, escapes, bare values and odd spacing', () => {
  assert.deepEqual(parse('Bearer realm="https://auth.example/token",service = reg,SCOPE="repository:a/b:pull,push"'), [
    ['bearer', { realm: 'https://auth.example/token', service: 'reg', scope: 'repository:a/b:pull,push' }],
  ])
  assert.deepEqual(parse('Basic realm="say \\"hi\\", \\\\ friend"'), [['basic', { realm: 'say "hi", \\ friend' }]])
})

test('parseChallenges() tells several challenges apart, in one field and in many', () => {
  const both = [
    ['basic', { realm: 'a' }],
    ['bearer', { realm: 'https://t', error: 'invalid_token' }],
  ] as const
  assert.deepEqual(parse('Basic realm="a", Bearer realm="https://t", error="invalid_token"'), both)
  assert.deepEqual(parse('Basic realm="a"', 'Bearer realm="https://t",error=invalid_token'), both)
  assert.deepEqual(parse('Negotiate, NTLM abc+/=, Basic realm=x'), [
    ['negotiate', {}],
    ['ntlm', {}],
    ['basic', { realm: 'x' }],
  ])
})

test('parseChallenges() keeps the first of a repeated parameter', () => {
  assert.deepEqual(parse('Bearer realm="https://good",realm="https://evil"'), [['bearer', { realm: 'https://good' }]])
})

test('parseChallenges() leaves out what follows a fault', () => {
  assert.deepEqual(parse('Bearer realm="https://t'), [['bearer', {}]])
  assert.deepEqual(parse('Bearer realm="https://t", "junk", Basic realm="x"'), [['bearer', { realm: 'https://t' }]])
  assert.deepEqual(parse('', ',,,', '"'), [])
})
