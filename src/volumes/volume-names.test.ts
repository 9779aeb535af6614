import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { digitsFor, parseVolumeName, splitVolumePath, volumePath } from './volume-names.ts'

test('volumePath() has three digits, or four for every volume of a set beyond 999', () => {
  assert.deepEqual([volumePath('d/x', 1, digitsFor(999)), volumePath('d/x', 999, 3)], ['d/x.001', 'd/x.999'])
  assert.deepEqual([volumePath('d/x', 1, digitsFor(1000)), volumePath('d/x', 1000, 4)], ['d/x.0001', 'd/x.1000'])
})

suite('parseVolumeName()', () => {
  test('reads the number of a volume of that file', () => {
    assert.deepEqual(parseVolumeName('x.tar.012', 'd/x.tar'), { number: 12, digits: 3 })
    assert.deepEqual(parseVolumeName('x.tar.0012', 'x.tar'), { number: 12, digits: 4 })
  })

  test('gives undefined for everything else', () => {
    for (const name of ['x.tar', 'x.tar.000', 'x.tar.01', 'x.tar.00001', 'x.tar.0x1', 'y.tar.001', 'x.tar.sha256']) {
      assert.equal(parseVolumeName(name, 'x.tar'), undefined, name)
    }
  })
})

test('splitVolumePath() finds the file that a volume belongs to', () => {
  assert.deepEqual(splitVolumePath('d/x.tar.001'), { path: 'd/x.tar', number: 1 })
  assert.deepEqual(splitVolumePath('x.0002'), { path: 'x', number: 2 })
  for (const path of ['x', 'x.01', '.001', 'd/.001']) assert.equal(splitVolumePath(path), undefined, path)
})
