import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { hasErrorCode, InvalidDocumentError } from '../errors/index.ts'
import type { Digest } from '../oci/index.ts'
import {
  annotatedDigest,
  formatBases,
  formatRecipes,
  type LayerRecipe,
  parseBases,
  parseRecipes,
  recordedName,
} from './archive-format.ts'

const digest = (letter: string): Digest => `sha256:${letter.repeat(64)}`

suite('formatBases() and parseBases()', () => {
  test('write and read base images, those without a name too', () => {
    const bases = [
      { name: 'registry.example:5000/app:v1', digest: digest('a') },
      { name: '', digest: digest('b') },
    ]
    assert.deepEqual(parseBases(formatBases(bases)), bases)
  })

  test('pass over what is malformed', () => {
    assert.deepEqual(parseBases(`app:v1 x@sha256:12 ${digest('a')} @`), [{ name: '', digest: digest('a') }])
    assert.deepEqual(parseBases(''), [])
  })
})

test('recordedName() is the full reference in a registry, and of a path the last part alone', () => {
  assert.equal(recordedName('docker://registry.example/app:v1'), 'registry.example/app:v1')
  assert.equal(recordedName(`docker://registry.example/app@${digest('a')}`), 'registry.example/app')
  assert.equal(recordedName('inventory:registry.example/app:v1'), 'registry.example/app:v1')
  assert.equal(recordedName('oci:/home/somebody/layout:v1'), 'layout:v1')
  assert.equal(recordedName('dir:/home/some body'), 'some_body')
})

suite('formatRecipes() and parseRecipes()', () => {
  const recipe: LayerRecipe = {
    digest: digest('a'),
    size: 10,
    diffId: digest('b'),
    sources: [{ mediaType: 'application/x', digest: digest('c'), size: 5 }],
    recipe: { kind: 'inline', bytes: Buffer.from([1, 2, 3]) },
  }

  test('write and read recipes that stand there, lie elsewhere, or are none', () => {
    const { recipe: _, ...none } = recipe
    const recipes: readonly LayerRecipe[] = [
      recipe,
      { ...recipe, digest: digest('d'), recipe: { kind: 'blob', digest: digest('e'), size: 7 } },
      { ...none, digest: digest('f') },
    ]
    assert.deepEqual(parseRecipes(formatRecipes(recipes), 'test'), recipes)
  })

  test('refuse what they do not know, and broken documents', () => {
    const edited = (edit: (document: Record<string, unknown>) => void): Uint8Array => {
      const document = JSON.parse(Buffer.from(formatRecipes([recipe])).toString()) as Record<string, unknown>
      edit(document)
      return Buffer.from(JSON.stringify(document))
    }
    assert.throws(
      () =>
        parseRecipes(
          edited((document) => void (document['schemaVersion'] = 2)),
          'test',
        ),
      (error) => hasErrorCode(error, 'UNSUPPORTED_FORMAT'),
    )
    const strange = edited((document) => {
      const [first] = document['recipes'] as Record<string, unknown>[]
      if (first !== undefined) first['recipe'] = { url: 'https://example.com' }
    })
    assert.throws(
      () => parseRecipes(strange, 'test'),
      (error) => hasErrorCode(error, 'UNSUPPORTED_FORMAT'),
    )
    const broken = edited((document) => void (document['recipes'] = [{ digest: 'x', size: -1, sources: [{}] }]))
    assert.throws(
      () => parseRecipes(broken, 'test'),
      (error) => error instanceof InvalidDocumentError && error.problems.length >= 4,
    )
  })
})

test('annotatedDigest() refuses what is no digest', () => {
  assert.equal(annotatedDigest({ a: digest('a') }, 'a', 'test'), digest('a'))
  assert.equal(annotatedDigest(undefined, 'a', 'test'), undefined)
  assert.throws(
    () => annotatedDigest({ a: '../../etc/passwd' }, 'a', 'test'),
    (error) => hasErrorCode(error, 'INVALID_DOCUMENT'),
  )
})
