import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SharedFlight } from './shared-flight.ts'

test('SharedFlight lets one caller leave and brings the others their outcome', async () => {
  const work = Promise.withResolvers<string>()
  const flight = new SharedFlight(() => work.promise)
  const stop = new AbortController()
  const reason = new Error('stop')
  const leaving = flight.join(stop.signal)
  const staying = flight.join(undefined)
  stop.abort(reason)
  await assert.rejects(leaving, reason)
  assert.equal(flight.isAbandoned, false)
  work.resolve('done')
  assert.equal(await staying, 'done')
  assert.equal(await flight.join(undefined), 'done')
  assert.equal(flight.isAbandoned, false)
})

test('SharedFlight ends its work when the last caller has left', async () => {
  let seen: AbortSignal | undefined
  const flight = new SharedFlight<never>((signal) => {
    seen = signal
    return Promise.withResolvers<never>().promise
  })
  const stop = new AbortController()
  const waiting = [flight.join(stop.signal), flight.join(stop.signal)]
  stop.abort(new Error('stop'))
  for (const outcome of await Promise.allSettled(waiting)) assert.equal(outcome.status, 'rejected')
  assert.equal(seen?.aborted, true)
  assert.equal(flight.isAbandoned, true)
})

test('SharedFlight gives everybody the failure', async () => {
  const failure = new Error('no')
  const flight = new SharedFlight(() => Promise.reject(failure))
  await assert.rejects(flight.join(undefined), failure)
  await assert.rejects(flight.join(undefined), failure)
})
