import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasErrorCode, InvalidDocumentError } from '../errors/index.ts'
import { isJsonObject, jsonPath, parseJson } from './json.ts'

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const parse = (text: string): unknown => parseJson(encode(text), 'test', 1024 * 1024)

function problemPaths(text: string): readonly string[] {
  try {
    parse(text)
  } catch (error) {
    if (error instanceof InvalidDocumentError) return error.problems.map((problem) => problem.path)
    throw error
  }
  return []
}

test('parseJson() reads every kind of value', () => {
  const text = ' {"a": [1, -0.5e+2, "\\u00e9\\n\\ud83d\\ude00é", true, false, null, {}, []], "": {"b": 1E3}}\r\n\t'
  assert.equal(JSON.stringify(parse(text)), JSON.stringify(JSON.parse(text)))
})

test('parseJson() makes __proto__ a key like any other', () => {
  const object = parse('{"__proto__": {"polluted": 1}, "constructor": 2}')
  assert.ok(isJsonObject(object))
  assert.deepEqual(Object.keys(object), ['__proto__', 'constructor'])
  assert.equal(object['polluted'], undefined)
  assert.equal(object['toString'], undefined)
})

test('parseJson() refuses what JSON.parse refuses', () => {
  const malformed = [
    '',
    ' ',
    '{',
    '[',
    '"',
    '"\\',
    '[1,]',
    '{"a":1,}',
    '{"a"}',
    '{a:1}',
    "'a'",
    '01',
    '+1',
    '.5',
    '1.',
    '1e',
    '-',
  ]
  const more = [
    'nul',
    'true false',
    '"\n"',
    '"\\x"',
    '"\\u12g4"',
    '[1 2]',
    '{"a" 1}',
    '\ufeff{}',
    'NaN',
    '/**/1',
    '[}',
    '\u00a01',
  ]
  for (const text of [...malformed, ...more]) {
    assert.throws(() => JSON.parse(text), SyntaxError, JSON.stringify(text))
    assert.throws(
      () => parse(text),
      (error) => hasErrorCode(error, 'INVALID_DOCUMENT'),
      JSON.stringify(text),
    )
  }
})

test('parseJson() tells where a syntax error is', () => {
  assert.throws(
    () => parse('{"layers": [\n  {},\n  {"digest": x}]}'),
    (error) => {
      assert.ok(error instanceof InvalidDocumentError)
      assert.deepEqual(error.problems, [{ path: '$.layers[1].digest', message: 'unexpected "x" at line 3, column 14' }])
      return true
    },
  )
})

test('parseJson() refuses repeated keys at any depth, and names them all', () => {
  assert.deepEqual(problemPaths('{"a": 1, "a": 1, "b": [{"c.d": 1, "\\u0063.d": 2}], "e": {"a": 1}}'), [
    '$.a',
    '$.b[0]["c.d"]',
  ])
})

test('parseJson() refuses bytes that are not UTF-8', () => {
  for (const bytes of [
    [0x22, 0xff, 0x22],
    [0x22, 0xc0, 0xaf, 0x22],
    [0x22, 0xed, 0xa0, 0x80, 0x22],
    [0x22, 0xe2, 0x82],
  ]) {
    assert.throws(() => parseJson(Uint8Array.from(bytes), 'test', 10), InvalidDocumentError)
  }
})

test('parseJson() bounds size, depth and number of values', () => {
  const isLimit = (error: unknown): boolean => hasErrorCode(error, 'LIMIT_EXCEEDED')
  assert.equal(parseJson(encode('12345'), 'test', 5), 12345)
  assert.throws(() => parseJson(encode('123456'), 'test', 5), isLimit)
  const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
  assert.ok(parse(nested(64)))
  assert.throws(() => parse(nested(65)), isLimit)
  assert.throws(() => parse('{"a":'.repeat(100_000)), isLimit)
  assert.throws(() => parseJson(encode(`[${'0,'.repeat(1_000_000)}0]`), 'test', 3_000_000), isLimit)
})

test('jsonPath() quotes what is no identifier', () => {
  assert.equal(jsonPath(jsonPath(jsonPath('$', 'layers'), 2), 'a.b'), '$.layers[2]["a.b"]')
})
