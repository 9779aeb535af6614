import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareGoKeys, encodeGoJson, escapeGoJson, formatGoJson, type GoJson } from './go-json.ts'

function encoded(value: GoJson, indent?: number): string {
  return new TextDecoder().decode(encodeGoJson(value, { indent }))
}

// Expected texts are what Go 1.26's json.Marshal and json.MarshalIndent print.
test('encodeGoJson() escapes what could be taken for HTML or a line break, and nothing else that JSON allows', () => {
  assert.equal(
    encoded('<&>\u2028\u2029"\\/\b\f\n\r\t\u0001\u007fé😀'),
    '"\\u003c\\u0026\\u003e\\u2028\\u2029\\"\\\\/\\b\\f\\n\\r\\t\\u0001\u007fé😀"',
  )
})

test('encodeGoJson() writes maps in the order of their UTF-8 bytes, numbers as keys included', () => {
  const map = new Map(['😀', '\uffee', 'a', 'ab', '2', '10', '__proto__', ''].map((key) => [key, 'x']))
  assert.equal(encoded(map), '{"":"x","10":"x","2":"x","__proto__":"x","a":"x","ab":"x","\uffee":"x","😀":"x"}')
})

test('encodeGoJson() keeps the order of fields and leaves undefined ones out', () => {
  assert.equal(encoded({ b: 1, a: undefined, c: null, d: [], e: [true] }), '{"b":1,"c":null,"d":[],"e":[true]}')
})

test('encodeGoJson() indents as json.MarshalIndent does', () => {
  assert.equal(
    encoded({ a: [], b: {}, c: [{ x: 1 }], d: new Map() }, 4),
    '{\n    "a": [],\n    "b": {},\n    "c": [\n        {\n            "x": 1\n        }\n    ],\n    "d": {}\n}',
  )
})

test('encodeGoJson() replaces unpaired surrogates', () => {
  assert.equal(encoded('\ud800x'), '"\ufffdx"')
})

test('formatGoJson() is the text of the same, escapeGoJson() its escapes and compareGoKeys() its order', () => {
  const value: GoJson = {
    b: '<é\ud800>',
    a: new Map([
      ['10', 1],
      ['2', null],
      ['\u{1f600}', 4],
      ['\uffff', 3],
    ]),
  }
  assert.equal(formatGoJson(value), encoded(value))
  assert.equal(escapeGoJson('{"a":"<b>&\u2028"}'), '{"a":"\\u003cb\\u003e\\u0026\\u2028"}')
  assert.deepEqual(['\u{1f600}', 'b', '\uffff', 'a', ''].sort(compareGoKeys), ['', 'a', 'b', '\uffff', '\u{1f600}'])
})
