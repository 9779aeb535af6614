// Sizes guessed from entropy. Single precision, every operation in the order of the original: the result decides.

import { clampsEstimate } from './klauspost-families'

/** About log2: exponent and a parabola through the mantissa. */
// @ts-ignore: decorator
@inline
function log2(value: f32): f32 {
  const bits = reinterpret<u32>(value)
  const exponent = <f32>(<i32>((bits >> 23) & 255) - 128)
  const mantissa = reinterpret<f32>((bits & 0x807fffff) + (127 << 23))
  const inner: f32 = <f32>(<f32>-0.34484843 * mantissa) + <f32>2.02466578
  const outer: f32 = <f32>(inner * mantissa) - <f32>0.67487759
  return exponent + outer
}

// @ts-ignore: decorator
@inline
function clamped(bits: f32): f32 {
  if (bits < 1) return 1
  if (bits > 15) return 15
  return bits
}

/** `sum` and the bits of the symbols counted from one address up to another, each by its share. */
export function addEntropy(sum: f32, from: usize, end: usize, share: f32): f32 {
  return clampsEstimate ? addClamped(sum, from, end, share) : addPlain(sum, from, end, share)
}

/** The same with 1 to 15 bits for each symbol, as literals alone are always estimated. */
export function addClamped(sum: f32, from: usize, end: usize, share: f32): f32 {
  for (let at = from; at < end; at += 4) {
    const count = load<u32>(at)
    if (count != 0) sum += clamped(-log2(<f32>count * share)) * <f32>count
  }
  return sum
}

function addPlain(sum: f32, from: usize, end: usize, share: f32): f32 {
  for (let at = from; at < end; at += 4) {
    const count = load<u32>(at)
    if (count != 0) sum += -log2(<f32>count * share) * <f32>count
  }
  return sum
}

/** Bits of a symbol that occurs once, 1 to 15. */
export function rareBits(share: f32): f32 {
  return clamped(-log2(share))
}
