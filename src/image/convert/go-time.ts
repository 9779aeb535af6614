const TIME = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:[.,](\d{1,30}))?(Z|[+-]\d{2}:\d{2})$/

/** A time as Go's `time.Time` writes it again: nanoseconds without final zeros. Undefined where it is no RFC 3339 time. */
export function goTime(text: string): string | undefined {
  const [, seconds, fraction = '', zone = ''] = TIME.exec(text) ?? []
  if (seconds === undefined || Number.isNaN(Date.parse(`${seconds}Z`))) return undefined
  const nanoseconds = fraction.slice(0, 9).replace(/0+$/, '')
  const offset = zone === '+00:00' || zone === '-00:00' ? 'Z' : zone
  return `${seconds}${nanoseconds === '' ? '' : `.${nanoseconds}`}${offset}`
}
