import { TareError } from '../errors/index.ts'
import type { Labels } from '../oci/index.ts'

/** Bytes of a key and its value together. */
const MAX_LABEL_BYTES = 4096

/**
 * Checks labels; those with an empty value are left out, since an empty value takes a label away.
 *
 * @param subject - what has them, for errors
 * @throws {TareError} `INVALID_ARGUMENT`
 */
export function checkedLabels(labels: Labels, subject: string): Labels {
  const kept = Object.entries(labels).filter(([, value]) => value !== '')
  for (const [key, value] of kept) checkLabel(key, value, subject)
  return Object.fromEntries(kept)
}

function checkLabel(key: string, value: string, subject: string): void {
  if (key === '' || Buffer.byteLength(key) + Buffer.byteLength(value) > MAX_LABEL_BYTES) {
    throw new TareError(
      'INVALID_ARGUMENT',
      `${subject}: label ${JSON.stringify(key.slice(0, 80))} is too long, or has no key`,
      { hint: `A key and its value have at most ${MAX_LABEL_BYTES} bytes together` },
    )
  }
}

/**
 * Changes the labels that some field paths name, and leaves the others.
 *
 * @param field - what the paths begin with: `labels`, `annotations`
 * @param paths - `FIELD` for all, `FIELD.KEY` for one; each begins with the field
 */
export function mergedLabels(before: Labels, wanted: Labels, field: string, paths: readonly string[]): Labels {
  const merged = new Map(Object.entries(before))
  for (const path of paths) {
    if (path === field) {
      merged.clear()
      for (const [key, value] of Object.entries(wanted)) merged.set(key, value)
      continue
    }
    const key = path.slice(field.length + 1)
    const value = Object.hasOwn(wanted, key) ? wanted[key] : undefined
    if (value === undefined || value === '') merged.delete(key)
    else merged.set(key, value)
  }
  return Object.fromEntries(merged)
}

/** Whether a field path is a field, or a key in it. */
export function isWithin(field: string, path: string): boolean {
  return path === field || (path.startsWith(`${field}.`) && path.length > field.length + 1)
}

/** The error for a field path that names nothing which can be changed. */
export function unknownPath(path: string, subject: string): TareError {
  return new TareError('INVALID_ARGUMENT', `${subject} has no field ${JSON.stringify(path.slice(0, 160))} to change`)
}

/** Whether two sets of labels are the same. */
export function hasLabels(labels: Labels, wanted: Labels): boolean {
  return Object.entries(wanted).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value)
}
