import { type DeflateEvent, type EncoderSpec, TOKEN, TokenInflater } from '../kernels/index.ts'
import { bytesSource } from '../stream/index.ts'
import type { KernelRunner } from '../workers/index.ts'

/** The beginning of a member, or all of it. */
export interface Trial {
  readonly plain: Uint8Array
  readonly deflate: Uint8Array
  readonly isWhole: boolean
}

/** An encoder that shares fewer of its tokens is no help. */
const MIN_SHARED = 0.9

/**
 * Of some encoders, the one whose tokens agree most with a stream's. Bits need not agree: one other token changes the
 * codes of its whole block.
 *
 * @returns undefined where none agrees in nine tokens of ten
 */
export async function nearestEncoder(
  kernels: KernelRunner,
  specs: readonly EncoderSpec[],
  trial: Trial,
  signal: AbortSignal | undefined,
): Promise<EncoderSpec | undefined> {
  const actual = tokensByPosition(await readEvents(trial.deflate))
  let nearest: { readonly spec: EncoderSpec; readonly shared: number } | undefined
  for (const spec of specs) {
    const parts: Uint8Array[] = []
    for await (const { deflate } of kernels.deflateStream({ spec, flushes: [] }, bytesSource(trial.plain), signal)) {
      parts.push(deflate)
    }
    const shared = sharedTokens(actual, tokensByPosition(await readEvents(Buffer.concat(parts))))
    if (shared > (nearest?.shared ?? MIN_SHARED)) nearest = { spec, shared }
    if (shared > 0.9999) break
  }
  return nearest?.spec
}

interface TokenPositions {
  readonly positions: readonly number[]
  readonly tokens: readonly number[]
}

async function readEvents(deflate: Uint8Array): Promise<readonly DeflateEvent[]> {
  const inflater = await TokenInflater.load()
  return [...inflater.push(deflate)]
}

function tokensByPosition(events: readonly DeflateEvent[]): TokenPositions {
  const positions: number[] = []
  const tokens: number[] = []
  let position = 0
  for (const event of events) {
    if (event.kind !== 'tokens') continue
    let at = position
    for (const token of event.tokens) {
      positions.push(at)
      tokens.push(token)
      at += (token & TOKEN.match) === 0 ? 1 : ((token >>> TOKEN.lengthShift) & TOKEN.lengthMask) + 3
    }
    position += event.plain.length
  }
  return { positions, tokens }
}

/** The part of the first one's tokens that the other has in the same place. */
function sharedTokens(first: TokenPositions, second: TokenPositions): number {
  let [a, b, shared, matches] = [0, 0, 0, 0]
  while (a < first.positions.length && b < second.positions.length) {
    const [here, there] = [first.positions[a] ?? 0, second.positions[b] ?? 0]
    // Literals agree by themselves; only matches tell encoders apart.
    const isMatch = ((first.tokens[a] ?? 0) & TOKEN.match) !== 0
    if (here === there) {
      if (isMatch) matches++
      if (isMatch && first.tokens[a] === second.tokens[b]) shared++
      a++
      b++
    } else if (here < there) {
      if (isMatch) matches++
      a++
    } else b++
  }
  return matches === 0 ? 0 : shared / matches
}
