// Sizes guessed from entropy, every operation in the precision and the order of the original: the result decides.

/** About log2: exponent and a parabola through the mantissa. */
function log2(value: f32): f32 {
  const bits = reinterpret<u32>(value)
  const exponent = <f32>(<i32>((bits >> 23) & 255) - 128)
  const mantissa = reinterpret<f32>((bits & 0x807fffff) + (127 << 23))
  const inner: f32 = <f32>(<f32>-0.34484843 * mantissa) + <f32>2.02466578
  const outer: f32 = <f32>(inner * mantissa) - <f32>0.67487759
  return exponent + outer
}

/**
 * `sum` and the bits of the symbols counted from one address up to another, each by its share; none takes fewer bits than
 * `least` or more than `most`.
 */
export function addEntropy(sum: f32, from: usize, end: usize, share: f32, least: f32, most: f32): f32 {
  for (let at = from; at < end; at += 4) {
    const count = load<u32>(at)
    if (count != 0) sum += symbolBits(<f32>count, share, least, most) * <f32>count
  }
  return sum
}

/** Bits of a symbol that occurs so often. */
export function symbolBits(count: f32, share: f32, least: f32, most: f32): f32 {
  const bits = -log2(count * share)
  if (bits < least) return least
  if (bits > most) return most
  return bits
}

/** The same in whole bits, rounded up for each symbol, as the first family has it. */
export function addWholeBits(sum: f64, from: usize, end: usize, share: f64): f64 {
  for (let at = from; at < end; at += 4) {
    const count = <f64>load<u32>(at)
    if (count != 0) sum += ceil<f64>(-preciseLog2(count * share) * count)
  }
  return sum
}

/** Base 2 logarithm of a number in (0, 1]; operation by operation that of Go, after FreeBSD's. */
export function preciseLog2(value: f64): f64 {
  const bits = reinterpret<u64>(value)
  const exponent = <f64>(<i32>(bits >> 52) - 1022)
  let fraction = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3fe0000000000000)
  if (fraction == 0.5) return exponent - 1
  let k: f64 = 0
  if (fraction < 0.7071067811865476) {
    fraction *= 2
    k = -1
  }
  const f = fraction - 1
  const s = f / (2 + f)
  const s2 = s * s
  const s4 = s2 * s2
  const odd =
    s2 *
    (6.66666666666673513e-1 +
      s4 * (2.857142874366239149e-1 + s4 * (1.818357216161805012e-1 + s4 * 1.479819860511658591e-1)))
  const even = s4 * (3.999999999940941908e-1 + s4 * (2.222219843214978396e-1 + s4 * 1.531383769920937332e-1))
  const half = 0.5 * f * f
  const natural =
    k * 6.9314718036912381649e-1 - (half - (s * (half + (odd + even)) + k * 1.90821492927058770002e-10) - f)
  return natural * 1.4426950408889634 + exponent
}
