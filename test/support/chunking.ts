/** Cuts bytes at the given places, each a fraction of the length from 0 to 1. */
export function cutAt(bytes: Uint8Array, fractions: readonly number[]): readonly Uint8Array[] {
  const places = fractions.map((fraction) => Math.floor(fraction * bytes.length)).toSorted((a, b) => a - b)
  return [...places, bytes.length].map((end, index) => bytes.subarray(places[index - 1] ?? 0, end))
}
