import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { formatChecksums, parseChecksums } from './checksum-file.ts'

const HEX = 'a'.repeat(64)

suite('formatChecksums()', () => {
  test('writes lines as sha256sum does, with names that hold its special characters marked', () => {
    assert.equal(formatChecksums([{ hex: HEX, name: 'app.tare.001' }]), `${HEX}  app.tare.001\n`)
    assert.equal(formatChecksums([{ hex: HEX, name: 'a\\b\nc' }]), `\\${HEX}  a\\\\b\\nc\n`)
  })

  test('is read back by parseChecksums()', () => {
    const lines = ['app.tare.001', 'with space', 'back\\slash', 'new\nline', 'return\r', 'é.002', '\\n'].map(
      (name) => ({
        hex: HEX,
        name,
      }),
    )
    assert.deepEqual(parseChecksums(formatChecksums(lines)), lines)
  })
})

suite('parseChecksums()', () => {
  test('takes binary marks, directories, other line ends, upper case, comments and empty lines', () => {
    const text = `# made by hand\r\n${HEX.toUpperCase()} *./out/app.001\r\n\r\n${HEX}  app.002`
    assert.deepEqual(parseChecksums(text), [
      { hex: HEX, name: 'app.001' },
      { hex: HEX, name: 'app.002' },
    ])
    assert.deepEqual(parseChecksums(''), [])
  })

  test('names the first line that is of another form', () => {
    for (const bad of ['x', `${HEX}`, `${HEX} app.001`, `${HEX.slice(1)}  app.001`, '\0\0\0', `SHA256 (a) = ${HEX}`]) {
      assert.equal(parseChecksums(`${HEX}  ok\n${bad}\n`), 2, bad)
    }
  })
})
