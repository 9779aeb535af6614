import { InvalidArgumentError } from 'commander'

const SIZE_FACTORS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 2 ** 10,
  kib: 2 ** 10,
  kb: 1e3,
  m: 2 ** 20,
  mib: 2 ** 20,
  mb: 1e6,
  g: 2 ** 30,
  gib: 2 ** 30,
  gb: 1e9,
  t: 2 ** 40,
  tib: 2 ** 40,
  tb: 1e12,
}

/**
 * Reads a size: `1048576`, `512MiB`, `1.5G`, `200MB`. A bare letter and `…iB` count in 1,024, `…B` in 1,000.
 *
 * @returns whole bytes
 * @throws {InvalidArgumentError} when it isn't a size above zero
 */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim())
  const factor = SIZE_FACTORS[(match?.[2] ?? '').toLowerCase()]
  const bytes = match === null || factor === undefined ? Number.NaN : Math.floor(Number(match[1]) * factor)
  if (!Number.isSafeInteger(bytes) || bytes < 1) throw new InvalidArgumentError('Give a size like 512MiB, 2G or 1500MB')
  return bytes
}

/**
 * Reads a size that something must stay within; `0` is no bound.
 *
 * @returns whole bytes
 * @throws {InvalidArgumentError} when it is neither
 */
export function parseBound(text: string): number {
  return /^0+$/.test(text.trim()) ? 0 : parseSize(text)
}

const DURATION_FACTORS: Readonly<Record<string, number>> = { ms: 1, s: 1000, '': 1000, m: 60_000, h: 3_600_000 }

/**
 * Reads a span of time: `500ms`, `2s`, `1m`; a bare number counts seconds.
 *
 * @returns whole milliseconds
 * @throws {InvalidArgumentError} when it isn't a span of time
 */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|)$/.exec(text.trim())
  const factor = DURATION_FACTORS[match?.[2] ?? 's']
  if (match === null || factor === undefined) throw new InvalidArgumentError('Give a time like 500ms, 2s or 1m')
  return Math.round(Number(match[1]) * factor)
}

/**
 * Makes a reader of whole numbers within limits, both included.
 *
 * @throws {InvalidArgumentError} (the reader) when it isn't one
 */
export function parseCount(lowest: number, highest: number): (text: string) => number {
  return (text) => {
    const count = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (!(count >= lowest && count <= highest)) {
      throw new InvalidArgumentError(`Give a whole number from ${lowest} to ${highest}`)
    }
    return count
  }
}

/**
 * Reads `true` or `false`, as skopeo's flags take them.
 *
 * @throws {InvalidArgumentError} for anything else
 */
export function parseBoolean(text: string): boolean {
  if (text === 'true' || text === '1') return true
  if (text === 'false' || text === '0') return false
  throw new InvalidArgumentError('Give true or false')
}

/** Gathers the values of a repeatable option. */
export function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value]
}

/** Gathers the values of a repeatable option that may hold several, split by commas; empty ones are left out. */
export function collectList(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), ...value.split(',').filter((part) => part !== '')]
}
