import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasErrorCode, InvalidDocumentError } from '../errors/index.ts'
import { type DeltaPlan, formatPlan, parsePlan } from './plan.ts'

const DIGESTS = ['1', '2', '3', '4', '5'].map((digit) => `sha256:${digit.repeat(64)}` as const)
const [TARGET, CONFIG, LAYER, PATCH, BASE] = DIGESTS as [
  `sha256:${string}`,
  `sha256:${string}`,
  `sha256:${string}`,
  `sha256:${string}`,
  `sha256:${string}`,
]

const PLAN: DeltaPlan = {
  schemaVersion: 1,
  tool: 'tare/test',
  target: { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: TARGET, size: 10 },
  baselines: [
    { name: 'app:v1', descriptor: { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: BASE, size: 9 } },
  ],
  needs: [{ digest: BASE, diffId: BASE, size: 100 }],
  blobs: [
    {
      role: 'manifest',
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest: TARGET,
      size: 10,
      diffId: undefined,
      from: { kind: 'archive' },
    },
    { role: 'config', mediaType: 'a/b', digest: CONFIG, size: 2, diffId: undefined, from: { kind: 'archive' } },
    {
      role: 'layer',
      mediaType: 'c/d',
      digest: LAYER,
      size: 2000,
      diffId: LAYER,
      from: {
        kind: 'patch',
        patch: { digest: PATCH, size: 20 },
        sources: [BASE],
        recipe: { kind: 'inline', recipe: Buffer.of(1, 2, 3) },
      },
    },
  ],
}

/** The plan's JSON with one value replaced. */
function planWith(change: (plan: { readonly blobs: readonly object[] }) => void): Uint8Array {
  const document = JSON.parse(new TextDecoder().decode(formatPlan(PLAN))) as { readonly blobs: readonly object[] }
  change(document)
  return new TextEncoder().encode(JSON.stringify(document))
}

test('parsePlan() reads what formatPlan() wrote', () => {
  assert.deepEqual(parsePlan(formatPlan(PLAN), 'plan'), PLAN)
})

test('parsePlan() refuses a newer schema version', () => {
  const bytes = planWith((plan) => Object.assign(plan, { schemaVersion: 2 }))
  assert.throws(
    () => parsePlan(bytes, 'plan'),
    (error) => hasErrorCode(error, 'UNSUPPORTED_FORMAT'),
  )
})

test('parsePlan() refuses a kind of origin it does not know, and an unknown key in one', () => {
  for (const from of [{ kind: 'telepathy' }, { kind: 'baseline-tar', recipe: { spell: 1 } }]) {
    const bytes = planWith((plan) => Object.assign(plan.blobs[2] ?? {}, { from }))
    assert.throws(
      () => parsePlan(bytes, 'plan'),
      (error) => hasErrorCode(error, 'UNSUPPORTED_FORMAT'),
    )
  }
})

test('parsePlan() lists every problem with its path', () => {
  const bytes = planWith((plan) => {
    Object.assign(plan.blobs[1] ?? {}, { digest: '../../etc/passwd', size: -1, role: 'king' })
  })
  assert.throws(
    () => parsePlan(bytes, 'plan'),
    (error) => {
      assert.ok(error instanceof InvalidDocumentError)
      const paths = error.problems.map((problem) => problem.path).toSorted()
      assert.deepEqual(paths, ['$.blobs[1].digest', '$.blobs[1].role', '$.blobs[1].size'])
      return true
    },
  )
})

test('parsePlan() ignores unknown keys that do not say how bytes are made', () => {
  const bytes = planWith((plan) => Object.assign(plan, { comment: 'hello' }))
  assert.deepEqual(parsePlan(bytes, 'plan'), PLAN)
})
