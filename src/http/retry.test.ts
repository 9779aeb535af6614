import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RetryPolicy } from './retry.ts'
import type { Timing } from './timing.ts'

const NOON = Date.UTC(2026, 0, 1, 12)

function timing(random: number, slept: number[] = []): Timing {
  return {
    now: () => NOON,
    random: () => random,
    async sleep(delayMs) {
      slept.push(delayMs)
    },
  }
}

test('RetryPolicy doubles its pauses up to a ceiling, half of each by chance', () => {
  const options = { retries: 5, baseDelayMs: 100, maxDelayMs: 1000 }
  const delays = (random: number): unknown[] => {
    const policy = new RetryPolicy(options, timing(random))
    return [1, 2, 3, 4, 5, 6].map((retry) => policy.delayBefore(retry))
  }
  assert.deepEqual(delays(0), [50, 100, 200, 400, 500, undefined])
  assert.deepEqual(delays(0.5), [75, 150, 300, 600, 750, undefined])
})

test('RetryPolicy waits as long as the first pause says, also beyond the usual ceiling', () => {
  const policy = new RetryPolicy({ retries: 2, baseDelayMs: 20_000 }, timing(1))
  assert.deepEqual(
    [1, 2].map((retry) => policy.delayBefore(retry)),
    [20_000, 20_000],
  )
})

test('RetryPolicy obeys Retry-After in seconds and as a date, and gives up on a long one', () => {
  const policy = new RetryPolicy({ baseDelayMs: 100, maxRetryAfterMs: 5000 }, timing(0))
  assert.equal(policy.delayBefore(1, '3'), 3000)
  assert.equal(policy.delayBefore(1, 'Thu, 01 Jan 2026 12:00:04 GMT'), 4000)
  assert.equal(policy.delayBefore(1, 'Thu, 01 Jan 2026 11:00:00 GMT'), 0)
  assert.equal(policy.delayBefore(1, '6'), undefined)
  assert.equal(policy.delayBefore(1, 'soon'), 50)
  assert.equal(policy.delayBefore(9, '1'), undefined)
})

test('RetryPolicy.pauseBefore() sleeps and says whether to go on', async () => {
  const slept: number[] = []
  const policy = new RetryPolicy({ retries: 1, baseDelayMs: 100 }, timing(0, slept))
  assert.equal(await policy.pauseBefore(1), true)
  assert.equal(await policy.pauseBefore(2), false)
  assert.deepEqual(slept, [50])
})

test('RetryPolicy refuses negative settings', () => {
  assert.throws(() => new RetryPolicy({ retries: -1 }), RangeError)
  assert.throws(() => new RetryPolicy({ baseDelayMs: Number.NaN }), RangeError)
})
