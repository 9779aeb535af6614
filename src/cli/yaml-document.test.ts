import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TareError } from '../errors/index.ts'
import { readDocument } from '../oci/index.ts'
import { FileFaultError } from './file-fault.ts'
import { parseYaml, readYamlFile, type YamlDocument } from './yaml-document.ts'

const parse = (text: string | Uint8Array): Promise<YamlDocument> =>
  parseYaml(typeof text === 'string' ? new TextEncoder().encode(text) : text, 'f.yaml', 'INVALID_SPEC')

/** Places of the problems, as `LINE:COLUMN`. */
async function faultsOf(text: string | Uint8Array): Promise<readonly string[]> {
  const fault: unknown = await parse(text).catch((error: unknown) => error)
  assert.ok(fault instanceof FileFaultError, `${String(fault)} tells no places`)
  assert.equal(fault.code, 'INVALID_SPEC')
  return fault.problems.map(({ line, column }) => `${line}:${column}`)
}

test('parseYaml() gives the plain values of YAML and JSON alike', async () => {
  const yaml = await parse('a: 1\nb: [x, "y", off, null]\nc:\n  d: true\n  1.10: z\n')
  const json = await parse('\ufeff{\r\n\t"a": 1,\r\n\t"b": ["x", "y", "off", null],\r\n"c": {"d": true, "1.10": "z"}}')
  assert.equal(JSON.stringify(yaml.value), JSON.stringify(json.value))
  assert.equal(JSON.stringify(yaml.value), '{"a":1,"b":["x","y","off",null],"c":{"d":true,"1.10":"z"}}')
  assert.equal((await parse('')).value, null)
  assert.equal((await parse('# nothing\n')).value, null)
})

test('parseYaml() takes __proto__ for a key like any other', async () => {
  const { value } = await parse('__proto__: {x: 1}')
  assert.deepEqual(Object.keys(value as object), ['__proto__'])
})

test('YamlDocument knows where values stand, and for absent ones what lacks them', async () => {
  const document = await parse('pairs:\n- name: a\n  b c: [1,\n    2]\n-   x')
  const place = (path: string): string => {
    const { line, column } = document.placeOf(path)
    return `${line}:${column}`
  }
  assert.equal(place('$.pairs'), '1:1')
  assert.equal(place('$.pairs[0].name'), '2:3')
  assert.equal(place('$.pairs[0]["b c"][1]'), '4:5')
  assert.equal(place('$.pairs[1]'), '5:5')
  assert.equal(place('$.pairs[0].target.path'), '2:3')
  assert.equal(place('$.other'), '1:1')
})

test('YamlDocument.parse() tells every fault of a parser as FILE:LINE:COLUMN', async () => {
  const document = await parse('name: 1\nextra: x\nlist:\n  - 2\n')
  const fault: unknown = await Promise.resolve()
    .then(() =>
      document.parse((value) =>
        readDocument(value, 'spec', (root) => {
          root.only(['name', 'list']).at('name').string()
          root.at('list').list(9, (node) => node.string())
        }),
      ),
    )
    .catch((error: unknown) => error)
  assert.ok(fault instanceof FileFaultError)
  assert.deepEqual(
    fault.message.split('\n').map((line) => line.split(' ', 2).join(' ')),
    ['f.yaml:2:1: extra', 'f.yaml:1:1: name', 'f.yaml:4:5: list[0]'],
  )
})

test('parseYaml() tells faults of syntax by their places', async () => {
  assert.deepEqual(await faultsOf('a: [1\nb: 2\n'), ['2:1'])
  assert.deepEqual(await faultsOf('a:\n\tb: 1\n'), ['2:1'])
  assert.deepEqual(await faultsOf('a: "x\n'), ['2:1'])
  assert.deepEqual(await faultsOf('a: 1\n---\nb: 2\n'), ['2:1'])
  assert.deepEqual(await faultsOf('{"a": 1,,}'), ['1:9'])
})

test('parseYaml() refuses repeated keys, tags, directives, unknown aliases and keys that are no text', async () => {
  assert.deepEqual(await faultsOf('a: 1\nb: 2\na: 3\n"b": 4\n'), ['3:1', '4:1'])
  assert.deepEqual(await faultsOf('a: !!str 1\nb: !x y\nc: !!map {}\nd: !!set [1]'), ['1:1', '2:1', '3:1', '4:1'])
  assert.deepEqual(await faultsOf('%YAML 1.1\n---\na: off\n'), ['1:1'])
  assert.deepEqual(await faultsOf('a: *b\n'), ['1:1'])
  assert.deepEqual(await faultsOf('? [x]\n: 1\n'), ['1:3'])
  assert.deepEqual(await faultsOf(': 1\n'), ['1:1'])
})

test('parseYaml() follows aliases, and refuses those that swell or lead round in a circle', async () => {
  const { value } = await parse('a: &x [1, 2]\nb: *x\n')
  assert.equal(JSON.stringify(value), '{"a":[1,2],"b":[1,2]}')
  const bomb = Array.from({ length: 12 }, (_, level) =>
    level === 0 ? 'l0: &l0 [x,x,x,x,x,x,x,x,x,x]' : `l${level}: &l${level} [${`*l${level - 1},`.repeat(10)}]`,
  )
  await assert.rejects(parse(bomb.join('\n')), { code: 'INVALID_SPEC' })
  await assert.rejects(parse('a: &a [*a]\n'), { code: 'INVALID_SPEC' })
})

test('parseYaml() refuses what is no text, or too deep, with an error of its own', async () => {
  assert.deepEqual(await faultsOf(Uint8Array.of(0x61, 0x3a, 0x20, 0xff)), ['1:1'])
  assert.equal((await faultsOf('['.repeat(20_000))).length, 1)
  await assert.rejects(parse(`${'['.repeat(70)}${']'.repeat(70)}`), TareError)
})

test('readYamlFile() says that a file is missing, and reads no endless one', async () => {
  await assert.rejects(readYamlFile('/nonexistent/spec.yaml', 'INVALID_SPEC'), { code: 'FILE_NOT_FOUND' })
  await assert.rejects(readYamlFile('/dev/zero', 'INVALID_SPEC'), { code: 'INVALID_SPEC' })
})
