const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/** A count of bytes for people, in decimal units with three digits: `0 B`, `999 B`, `1.20 kB`, `45.1 MB`, `128 MB`. */
export function formatSize(bytes: number): string {
  let value = bytes
  let unit = 0
  // 999.5 would be printed as 1000, so it moves on to the next unit.
  while (value >= (unit === 0 ? 1000 : 999.5) && unit < UNITS.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? value : threeDigits(value)} ${UNITS[unit]}`
}

/** A part of a whole for people: `0 %`, `0.25 %`, `4.8 %`, `37 %`. A whole of nothing counts as all of it. */
export function formatPercent(part: number, whole: number): string {
  const percent = whole === 0 ? 100 : (part / whole) * 100
  if (percent === 0 || percent >= 10) return `${Math.round(percent)} %`
  return `${percent.toFixed(percent < 1 ? 2 : 1)} %`
}

function threeDigits(value: number): string {
  if (value >= 99.95) return value.toFixed(0)
  return value.toFixed(value >= 9.995 ? 1 : 2)
}
