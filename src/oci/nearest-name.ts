/** Longer words are no slip of the fingers. */
const MAX_CHARS = 64

/**
 * The name that was likely meant by a word that is none: at most a third of its letters off, the nearest first, of
 * equally near ones the first in order.
 */
export function nearestName(word: string, names: Iterable<string>): string | undefined {
  if (word.length > MAX_CHARS) return undefined
  const wanted = word.toLowerCase()
  let nearest: string | undefined
  let fewest = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const name of names) {
    const count = editsBetween(wanted, name.toLowerCase())
    if (count < fewest) {
      nearest = name
      fewest = count
    }
  }
  return nearest
}

/** Letters to insert, drop, replace, or swap with their neighbour. */
function editsBetween(from: string, to: string): number {
  let [beforeLast, last] = [[] as readonly number[], Array.from({ length: to.length + 1 }, (_, column) => column)]
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const isSame = from[row - 1] === to[column - 1]
      const isSwapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      current.push(
        Math.min(
          (last[column] ?? 0) + 1,
          (current[column - 1] ?? 0) + 1,
          (last[column - 1] ?? 0) + (isSame ? 0 : 1),
          isSwapped ? (beforeLast[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
        ),
      )
    }
    ;[beforeLast, last] = [last, current]
  }
  return last[to.length] ?? 0
}
