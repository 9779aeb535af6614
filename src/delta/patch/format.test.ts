import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hasErrorCode } from '../../errors/index.ts'
import { formatFrameMeta, type PatchFrame, parseFrameMeta } from './format.ts'

const SOURCES = [
  { diffId: `sha256:${'a'.repeat(64)}`, sizeBytes: 10_000 },
  { diffId: `sha256:${'b'.repeat(64)}`, sizeBytes: 5_000 },
] as const

const FRAME: PatchFrame = {
  targetBytes: 370,
  groups: [
    { codec: 1, targetBytes: 100, payloadBytes: 40, reference: [{ source: 1, offset: 4_000, length: 1_000 }] },
    { codec: 0, targetBytes: 50, payloadBytes: 50, reference: [] },
  ],
  operations: [
    { kind: 'copy', source: 1, offset: 100, length: 100 },
    { kind: 'take', group: 1, length: 50 },
    { kind: 'take', group: 0, length: 100 },
    { kind: 'repeat', group: 0, offset: 10, length: 20 },
    { kind: 'copy', source: 0, offset: 9_900, length: 100 },
  ],
}

test('parseFrameMeta() reads what formatFrameMeta() wrote', () => {
  assert.deepEqual(parseFrameMeta(formatFrameMeta(FRAME), 370, SOURCES), FRAME)
})

const FAULTS: Readonly<Record<string, PatchFrame>> = {
  'a range behind the end of its source': {
    ...FRAME,
    operations: [{ kind: 'copy', source: 1, offset: 4_950, length: 370 }],
    groups: [],
  },
  'a source that is not there': {
    ...FRAME,
    operations: [{ kind: 'copy', source: 2, offset: 0, length: 370 }],
    groups: [],
  },
  'a group that is not there': { ...FRAME, operations: [{ kind: 'take', group: 2, length: 370 }] },
  'a repeat behind the end of its group': {
    ...FRAME,
    operations: [...FRAME.operations.slice(0, 3), { kind: 'repeat', group: 1, offset: 10, length: 120 }],
  },
  'a group that is not used up': { ...FRAME, operations: [{ kind: 'take', group: 0, length: 370 }] },
  'operations that make too little': { ...FRAME, operations: FRAME.operations.slice(0, 4) },
}

for (const [fault, frame] of Object.entries(FAULTS)) {
  test(`parseFrameMeta() refuses ${fault}`, () => {
    assert.throws(
      () => parseFrameMeta(formatFrameMeta(frame), 370, SOURCES),
      (error) => hasErrorCode(error, 'CORRUPT_PATCH'),
    )
  })
}

test('parseFrameMeta() refuses or reads any bytes, and never does anything else', () => {
  const meta = formatFrameMeta(FRAME)
  fc.assert(
    fc.property(fc.nat(meta.length - 1), fc.nat(255), fc.nat(meta.length), (at, byte, end) => {
      const damaged = meta.slice(0, end)
      if (at < damaged.length) damaged[at] = byte
      try {
        parseFrameMeta(damaged, 370, SOURCES)
      } catch (error) {
        assert.ok(hasErrorCode(error, 'CORRUPT_PATCH'))
      }
    }),
  )
})
