import { type BlockHeader, type DeflateEvent, TOKEN } from '../../kernels/index.ts'

/**
 * What a stream is expected to hold, in order of plain position. Tokens may leave gaps; whether a match still reads what it
 * should is checked where it is used, so expectations can't do more harm than cost bytes.
 */
export type Expectation =
  | { readonly kind: 'tokens'; readonly position: number; readonly tokens: Uint32Array }
  /** A block begins, and the one before it ends. */
  | { readonly kind: 'block'; readonly position: number; readonly header: BlockHeader }
  /** The last block ends. */
  | { readonly kind: 'end'; readonly position: number }

/** Expects what another deflate stream of the same plain bytes holds. */
export async function* expectStream(
  events: AsyncIterable<DeflateEvent> | Iterable<DeflateEvent>,
): AsyncGenerator<Expectation> {
  let position = 0
  for await (const event of events) {
    if (event.kind === 'block') yield { kind: 'block', position, header: event.header }
    else if (event.kind === 'tokens') {
      if (event.tokens.length > 0) yield { kind: 'tokens', position, tokens: event.tokens }
      position += event.plain.length
    } else if (event.kind === 'end') yield { kind: 'end', position }
  }
}

/** Plain bytes that are the same in baseline and target. */
export interface EqualRange {
  readonly baselineStart: number
  readonly targetStart: number
  readonly bytes: number
}

/**
 * Expects, where target and baseline are alike, what the baseline's stream holds there. Reads the baseline's stream once, so
 * of ranges that changed places only those are used that are in order in both.
 *
 * @param events - the baseline's deflate stream
 */
export async function* expectBaseline(
  events: AsyncIterable<DeflateEvent> | Iterable<DeflateEvent>,
  ranges: readonly EqualRange[],
): AsyncGenerator<Expectation> {
  const ordered = rangesInOrder(ranges)
  let next = 0
  for await (const expectation of expectStream(events)) {
    const { position } = expectation
    if (expectation.kind !== 'tokens') {
      while (endOf(ordered[next]) < position) next++
      const range = ordered[next]
      if (range !== undefined && position > range.baselineStart) {
        yield { ...expectation, position: position - range.baselineStart + range.targetStart }
      }
      continue
    }
    const { tokens } = expectation
    let at = position
    let first = 0
    let runPosition: number | undefined
    for (let i = 0; i < tokens.length; i++) {
      if (at >= endOf(ordered[next])) {
        if (runPosition !== undefined)
          yield { kind: 'tokens', position: runPosition, tokens: tokens.subarray(first, i) }
        runPosition = undefined
        while (at >= endOf(ordered[next])) next++
      }
      const range = ordered[next]
      if (range === undefined) break
      if (runPosition === undefined && at >= range.baselineStart) {
        first = i
        runPosition = at - range.baselineStart + range.targetStart
      }
      at += lengthOfToken(tokens[i] ?? 0)
    }
    if (runPosition !== undefined) yield { kind: 'tokens', position: runPosition, tokens: tokens.subarray(first) }
  }
}

function endOf(range: EqualRange | undefined): number {
  return range === undefined ? Infinity : range.baselineStart + range.bytes
}

/** Plain bytes that a token stands for. */
export function lengthOfToken(token: number): number {
  return (token & TOKEN.match) === 0 ? 1 : ((token >>> TOKEN.lengthShift) & TOKEN.lengthMask) + 3
}

/** The heaviest choice of ranges that follow one another in baseline and target alike. */
function rangesInOrder(ranges: readonly EqualRange[]): readonly EqualRange[] {
  const byTarget = ranges.filter(({ bytes }) => bytes > 0).toSorted((a, b) => a.targetStart - b.targetStart)
  const places = byTarget.map(({ baselineStart }) => baselineStart).toSorted((a, b) => a - b)
  // A Fenwick tree over baseline positions: the heaviest chain that ends at or before each.
  const chains: { readonly last: number; readonly weight: number }[] = []
  const before: number[] = []
  const best = Array.from({ length: places.length + 1 }, () => ({ last: -1, weight: 0 }))
  for (const [i, range] of byTarget.entries()) {
    let chain = { last: -1, weight: 0 }
    for (let k = rankIn(places, range.baselineStart); k > 0; k -= k & -k) {
      const other = best[k]
      if (other !== undefined && other.weight > chain.weight) chain = other
    }
    const previous = byTarget[chain.last]
    const isApart = previous === undefined || isBefore(previous, range)
    before.push(isApart ? chain.last : -1)
    const own = { last: i, weight: (isApart ? chain.weight : 0) + range.bytes }
    chains.push(own)
    for (let k = rankIn(places, range.baselineStart) + 1; k < best.length; k += k & -k) {
      if ((best[k]?.weight ?? 0) < own.weight) best[k] = own
    }
  }
  const chosen: EqualRange[] = []
  const heaviest = chains.reduce((a, b) => (b.weight > a.weight ? b : a), { last: -1, weight: 0 })
  for (let i = heaviest.last; i >= 0; i = before[i] ?? -1) {
    const range = byTarget[i]
    if (range !== undefined) chosen.push(range)
  }
  return chosen.reverse()
}

function isBefore(a: EqualRange, b: EqualRange): boolean {
  return a.baselineStart + a.bytes <= b.baselineStart && a.targetStart + a.bytes <= b.targetStart
}

/** How many of the sorted numbers are smaller. */
function rankIn(sorted: readonly number[], value: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle] ?? 0) < value) low = middle + 1
    else high = middle
  }
  return low
}
