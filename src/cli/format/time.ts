/** A point in time for people, in UTC, to the second: `2026-01-31 17:04:05`. */
export function formatTime(time: Date): string {
  return time.toISOString().slice(0, 19).replace('T', ' ')
}
