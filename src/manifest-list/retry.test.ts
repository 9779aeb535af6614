import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CopyError, type ErrorCode, TareError } from '../errors/index.ts'
import { isPassing, retryIfNecessary, type RetryPushOptions } from './retry.ts'

function failure(code: ErrorCode, status?: number): unknown {
  const cause = Object.assign(new TareError(code, 'failed'), status === undefined ? {} : { status })
  return CopyError.at('destination', undefined, cause)
}

/** Runs work that fails as often as there are errors, and gives the pauses that were made. */
async function pausesOf(errors: readonly unknown[], options: RetryPushOptions = {}): Promise<readonly number[]> {
  const pauses: number[] = []
  let attempt = 0
  const work = async (): Promise<void> => {
    const error = errors[attempt++]
    if (error !== undefined) throw error
  }
  await retryIfNecessary(work, options, async (delayMs) => void pauses.push(delayMs))
  return pauses
}

const NETWORK = failure('NETWORK')

test('retryIfNecessary() tries three times more, after 1, 2 and 4 seconds', async () => {
  assert.deepEqual(await pausesOf([]), [])
  assert.deepEqual(await pausesOf([NETWORK, NETWORK, NETWORK]), [1000, 2000, 4000])
  await assert.rejects(pausesOf([NETWORK, NETWORK, NETWORK, NETWORK]), { code: 'NETWORK' })
})

test('retryIfNecessary() takes a count and a constant pause, and tells of each as a warning', async () => {
  const warnings: string[] = []
  const logger = { warn: (message: string) => warnings.push(message), debug() {} }
  const pauses = await pausesOf([NETWORK, NETWORK, NETWORK, NETWORK], { maxRetries: 4, retryDelayMs: 50, logger })
  assert.deepEqual(pauses, [50, 50, 50, 50])
  assert.deepEqual(
    warnings.map((warning) => /\((\d of \d)\)/.exec(warning)?.[1]),
    ['1 of 4', '2 of 4', '3 of 4', '4 of 4'],
  )
  await assert.rejects(pausesOf([NETWORK], { maxRetries: 0 }), { code: 'NETWORK' })
})

test('retryIfNecessary() does not try again what will fail again', async () => {
  await assert.rejects(pausesOf([failure('AUTH_REQUIRED')]), { code: 'AUTH_REQUIRED' })
  await assert.rejects(pausesOf([new RangeError('a fault')]), RangeError)
})

test('retryIfNecessary() ends with the signal, also in a pause', async () => {
  const controller = new AbortController()
  const running = retryIfNecessary(
    async () => {
      setImmediate(() => controller.abort(new RangeError('aborted')))
      throw NETWORK
    },
    { signal: controller.signal, retryDelayMs: 60_000 },
  )
  await assert.rejects(running, RangeError)
})

test('isPassing() tells what may work later from what may not', () => {
  for (const [error, expected] of [
    [failure('NETWORK'), true],
    [failure('RATE_LIMITED', 429), true],
    [failure('REGISTRY_REFUSED', 500), true],
    [failure('REGISTRY_REFUSED', 503), true],
    [failure('REGISTRY_REFUSED', 400), false],
    [failure('REGISTRY_REFUSED'), false],
    [failure('AUTH_REQUIRED', 401), false],
    [failure('AUTH_REQUIRED', 403), false],
    [failure('NOT_FOUND', 404), false],
    [failure('TLS'), false],
    [failure('DIGEST_MISMATCH'), false],
    [new Error('unknown'), false],
    [undefined, false],
  ] as const) {
    assert.equal(isPassing(error), expected)
  }
})
