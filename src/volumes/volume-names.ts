import { basename } from 'node:path'

/** Names have four digits at the most. */
export const MAX_VOLUMES = 9999

/** Digits of every name of a set: equal, so that the order of names is that of the volumes. */
export type VolumeDigits = 3 | 4

/** Digits for a set of that many volumes. */
export function digitsFor(volumeCount: number): VolumeDigits {
  return volumeCount > 999 ? 4 : 3
}

/** Path of a volume: `app.tare.001`. Numbers begin at 1. */
export function volumePath(path: string, number: number, digits: VolumeDigits): string {
  return `${path}.${String(number).padStart(digits, '0')}`
}

/** Path of the list of checksums of a set. */
export function checksumPath(path: string): string {
  return `${path}.sha256`
}

/** What the name of a file says when it is a volume of `path`. */
export function parseVolumeName(
  name: string,
  path: string,
): { readonly number: number; readonly digits: VolumeDigits } | undefined {
  const base = basename(path)
  if (!name.startsWith(`${base}.`)) return undefined
  const text = name.slice(base.length + 1)
  if (!/^\d{3,4}$/.test(text) || Number(text) === 0) return undefined
  return { number: Number(text), digits: text.length === 3 ? 3 : 4 }
}

/** The path that a set goes by, and the number, where `path` looks like one of its volumes. */
export function splitVolumePath(path: string): { readonly path: string; readonly number: number } | undefined {
  const [, whole, digits] = /^(.*[^/])\.(\d{3,4})$/s.exec(path) ?? []
  return whole === undefined ? undefined : { path: whole, number: Number(digits) }
}
