import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hasErrorCode } from '../../errors/index.ts'
import { type FieldReader, labelField, parseFilters } from './filter.ts'
import { compileGoExpression } from './go-expression.ts'
import { parseSelectors } from './selector.ts'

interface Entry {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
}

const ENTRIES: readonly Entry[] = [
  { name: 'one', labels: { 'a.b': 'x', plain: 'y' } },
  { name: 'two', labels: { plain: 'z', 'odd "key" \\': 'here' } },
  { name: 'three', labels: {} },
]

function reader(entry: Entry): FieldReader {
  return (path) => {
    if (path[0] === 'name') return entry.name
    return path[0] === 'labels' ? labelField(entry.labels, path) : undefined
  }
}

function picked(...filters: readonly string[]): string {
  const filter = parseFilters(filters)
  return ENTRIES.filter((entry) => filter.matches(reader(entry)))
    .map((entry) => entry.name)
    .join()
}

describe('parseFilters()', () => {
  test('matches everything without a filter and with an empty one', () => {
    assert.equal(picked(), 'one,two,three')
    assert.equal(picked(''), 'one,two,three')
    assert.equal(picked('name==one', ''), 'one,two,three')
  })

  test('asks for presence, equality, difference and a pattern', () => {
    assert.equal(picked('labels.plain'), 'one,two')
    assert.equal(picked('labels.plain==y'), 'one')
    // True as well where the field is absent.
    assert.equal(picked('labels.plain!=y'), 'two,three')
    assert.equal(picked('name~=^t'), 'two,three')
    assert.equal(picked('name~=/^t(wo|en)$/'), 'two')
    assert.equal(picked('labels.plain~=|^$|'), 'three')
  })

  test('takes a comma for and, and several filters for or', () => {
    assert.equal(picked('labels.plain,name!=one'), 'two')
    assert.equal(picked('name==one', 'name==three'), 'one,three')
    assert.equal(picked(' name == one, labels.plain ==y'), 'one')
  })

  test('joins the parts of a path behind labels, quoted or not', () => {
    assert.equal(picked('labels.a.b==x'), 'one')
    assert.equal(picked('labels."a.b"==x'), 'one')
    assert.equal(picked('labels."odd \\"key\\" \\\\"=="h\\x65re"'), 'two')
    assert.equal(picked('labels.__proto__'), '')
  })

  test('lets a malformed expression, and one with what Go does not know, match nothing', () => {
    assert.equal(picked('name~=["'), '')
    assert.equal(picked('name~="(?=one)"'), '')
  })

  test('refuses malformed filters', () => {
    const malformed = [
      ',',
      'name==one,',
      'labels.',
      'name==',
      'name=one',
      'name===one',
      'name == one ',
      'name==/x/',
      'name=="x',
      'name=="\\q"',
      'name~=/a\\.b/',
      'labels.|x|==y',
      'labels.ns/key==value',
      'labels.?x',
      'name==\u0000',
      'name ,x',
      'name==.x',
      'name=="\\400"',
      'x'.repeat(70_000),
    ]
    for (const text of malformed) {
      assert.throws(
        () => parseFilters([text]),
        (error) => hasErrorCode(error, 'INVALID_ARGUMENT'),
        text.slice(0, 50),
      )
    }
  })
})

test('parseSelectors() reads Go escapes and values of any script', () => {
  assert.deepEqual(parseSelectors('a=="\\u00e9\\U0001f600\\101\\n"'), [
    { fieldPath: ['a'], operator: '==', value: 'é😀A\n' },
  ])
  assert.deepEqual(parseSelectors('a==docker.io/library/ü:1@x'), [
    { fieldPath: ['a'], operator: '==', value: 'docker.io/library/ü:1@x' },
  ])
})

test('compileGoExpression() translates what Go spells otherwise', () => {
  assert.ok(compileGoExpression('(?i)ABC')?.test('xabcx'))
  assert.ok(compileGoExpression('^[[:alpha:]]+$')?.test('abc'))
  assert.equal(compileGoExpression('\\Aab\\z')?.test('ab\n'), false)
  assert.ok(compileGoExpression('(?P<tag>v1)\\_\\-x')?.test('v1_-x'))
  assert.equal(compileGoExpression('(a)\\1'), undefined)
  assert.equal(compileGoExpression('a'.repeat(2000)), undefined)
})
