import { TareError } from '../errors/index.ts'
import type { Host } from './host.ts'

/**
 * The time that what is made shall carry, in seconds since 1970; undefined without `SOURCE_DATE_EPOCH`.
 *
 * @throws {TareError} `INVALID_ARGUMENT`
 * @see https://reproducible-builds.org/specs/source-date-epoch/
 */
export function sourceDateEpoch(env: Host['env']): number | undefined {
  const text = env['SOURCE_DATE_EPOCH'] ?? ''
  if (text === '') return undefined
  // The last second whose year still has four digits.
  if (/^\d{1,12}$/.test(text) && Number(text) <= 253_402_300_799) return Number(text)
  throw new TareError('INVALID_ARGUMENT', `SOURCE_DATE_EPOCH is ${JSON.stringify(text)}, not seconds since 1970`)
}
