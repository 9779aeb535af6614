import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hasErrorCode } from '../../src/errors/index.ts'
import { type FieldReader, labelField, parseFilters, quoteForFilter } from '../../src/store/index.ts'

const key = fc.oneof(
  fc.stringMatching(/^[A-Za-z0-9_]{1,6}$/),
  fc.string({ minLength: 1, maxLength: 8, unit: 'grapheme' }),
)
const value = fc.oneof(fc.stringMatching(/^[a-z0-9:/.@-]{1,10}$/), fc.string({ maxLength: 8, unit: 'grapheme' }))
const labels = fc.dictionary(key, value, { maxKeys: 5 })

interface Thing {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
}

const thing: fc.Arbitrary<Thing> = fc.record({ name: value, labels })

const readerOf =
  ({ name, labels: own }: Thing): FieldReader =>
  (path) =>
    path[0] === 'name' ? name : path[0] === 'labels' ? labelField(own, path) : undefined

interface Condition {
  readonly text: string
  readonly holds: (thing: Thing) => boolean
}

const valueOf = (one: Thing, key: string): string | undefined =>
  Object.hasOwn(one.labels, key) ? one.labels[key] : undefined

/** A condition as text, with what it means said another way. */
const condition: fc.Arbitrary<Condition> = fc.oneof(
  key.map((name) => ({
    text: `labels.${quoteForFilter(name)}`,
    holds: (one: Thing) => valueOf(one, name) !== undefined,
  })),
  fc.tuple(key, value).map(([name, wanted]) => ({
    text: `labels.${quoteForFilter(name)}==${quoteForFilter(wanted)}`,
    holds: (one: Thing) => valueOf(one, name) === wanted,
  })),
  fc.tuple(key, value).map(([name, wanted]) => ({
    text: `labels.${quoteForFilter(name)} != ${quoteForFilter(wanted)}`,
    holds: (one: Thing) => (valueOf(one, name) ?? '') !== wanted,
  })),
  value.map((wanted) => ({
    text: `name==${quoteForFilter(wanted)}`,
    holds: (one: Thing) => one.name === wanted,
  })),
  fc.stringMatching(/^[a-z]{1,3}$/).map((part) => ({
    text: `name~=${part}`,
    holds: (one: Thing) => one.name.includes(part),
  })),
)

test('parseFilters() means any of its filters, and all conditions of one', () => {
  const filters = fc.array(fc.array(condition, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 })
  fc.assert(
    fc.property(filters, thing, (alternatives, one) => {
      const filter = parseFilters(alternatives.map((all) => all.map(({ text }) => text).join(',')))
      const expected = alternatives.some((all) => all.every(({ holds }) => holds(one)))
      assert.equal(filter.matches(readerOf(one)), expected)
    }),
  )
})

test('quoteForFilter() writes what a filter reads back, whatever the text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 30 }), (text) => {
      const wellFormed = text.toWellFormed()
      const [[selector] = []] = parseFilters([`f==${quoteForFilter(wellFormed)}`]).alternatives
      assert.equal(selector?.value, wellFormed)
    }),
  )
})

test('parseFilters() gives a filter or INVALID_ARGUMENT for any text', () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[a-z.=!~,"/|\\ x0-9]{0,30}$/))
  fc.assert(
    fc.property(text, thing, (any, one) => {
      try {
        assert.equal(typeof parseFilters([any]).matches(readerOf(one)), 'boolean')
      } catch (error) {
        assert.ok(hasErrorCode(error, 'INVALID_ARGUMENT'), String(error))
      }
    }),
  )
})
