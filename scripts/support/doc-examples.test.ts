import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commentExamples, pageExamples } from './doc-examples.ts'

test('commentExamples() takes the program out of its comment', () => {
  const text = '/**\n * Does it.\n *\n * @example\n * ```ts\n * const a = 1\n *\n * if (a) run()\n * ```\n */\n'
  assert.deepEqual(commentExamples('src/a.ts', text), [{ where: 'src/a.ts:4', code: 'const a = 1\n\nif (a) run()' }])
})

test('pageExamples() takes blocks fenced as ts and no others, in their order', () => {
  const text = '# A\n\n```sh\nrm\n```\n\n```ts\none()\n```\n\ntext\n\n```ts\ntwo()\n```\n'
  assert.deepEqual(pageExamples('docs/a.md', text), [
    { where: 'docs/a.md:7', code: 'one()\n' },
    { where: 'docs/a.md:13', code: 'two()\n' },
  ])
})
