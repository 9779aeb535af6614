import { hasErrorCode } from '../../errors/index.ts'
import { parsePlatform } from '../../oci/index.ts'
import { parseBound, parseDuration } from '../option-values.ts'
import type { Setting, SettingType } from './setting-table.ts'

/** A value as it was given, of the kind that its setting has. Sizes and times stay as they were written. */
export type SettingValue = string | number | boolean | readonly string[]

/** A value that is allowed, or what is wrong with it: `must be true or false`. */
export type CheckedValue =
  | { readonly value: SettingValue; readonly problem?: undefined }
  | { readonly problem: string; readonly value?: undefined }

/** Checks a value of the file, or the text of a variable. */
export function checkValue({ type }: Setting, raw: unknown): CheckedValue {
  const value = readValue(type, raw)
  return value === undefined ? { problem: `must be ${describeType(type)}` } : { value }
}

/** A variable's text as {@link checkValue} takes it: lists are separated by commas. */
export function splitVariable({ type }: Setting, text: string): unknown {
  return type.kind === 'platforms' ? text.split(',').map((part) => part.trim()) : text
}

/** The words that would stand on the command line, one for each time that the option is given. */
export function wordsOf(value: SettingValue): readonly string[] {
  return typeof value === 'object' ? value : [String(value)]
}

/** What a type takes, as it is said to people: `a whole number from 1 to 256`. */
export function describeType(type: SettingType): string {
  switch (type.kind) {
    case 'text':
      return 'a text'
    case 'path':
      return 'a path'
    case 'url':
      return 'an http or https URL'
    case 'boolean':
      return 'true or false'
    case 'size':
      return 'a size like 512MiB, 2G or 1500MB'
    case 'duration':
      return 'a time like 500ms, 2s or 1m'
    case 'choice':
      return `one of ${type.choices.join(', ')}`
    case 'count':
      return `${type.word === undefined ? '' : `${type.word} or `}a whole number from ${type.least} to ${type.most}`
    case 'platforms':
      return 'a platform like linux/amd64, or a list of them'
  }
}

function readValue(type: SettingType, raw: unknown): SettingValue | undefined {
  switch (type.kind) {
    case 'text':
    case 'path':
      return textIn(raw)
    case 'url': {
      const url = URL.parse(textIn(raw) ?? '')
      return url?.protocol === 'https:' || url?.protocol === 'http:' ? textIn(raw) : undefined
    }
    case 'boolean':
      return readBoolean(raw)
    case 'size':
      return readQuantity(raw, parseBound)
    case 'duration':
      return readQuantity(raw, parseDuration)
    case 'choice':
      return type.choices.find((choice) => choice === raw)
    case 'count':
      if (raw === type.word) return type.word
      return readCount(type, raw)
    case 'platforms':
      return readPlatforms(raw)
  }
}

function textIn(raw: unknown): string | undefined {
  return typeof raw === 'string' && raw !== '' ? raw : undefined
}

function readBoolean(raw: unknown): boolean | undefined {
  if (raw === true || raw === 'true' || raw === '1') return true
  if (raw === false || raw === 'false' || raw === '0') return false
  return undefined
}

function readCount({ least, most }: { least: number; most: number }, raw: unknown): number | undefined {
  const count = typeof raw === 'string' && /^\d+$/.test(raw) ? Number(raw) : raw
  return typeof count === 'number' && Number.isInteger(count) && count >= least && count <= most ? count : undefined
}

/** @param parse - what the option takes; throws for everything else */
function readQuantity(raw: unknown, parse: (text: string) => number): string | number | undefined {
  if (typeof raw !== 'string' && typeof raw !== 'number') return undefined
  try {
    parse(String(raw))
    return raw
  } catch {
    return undefined
  }
}

function readPlatforms(raw: unknown): readonly string[] | undefined {
  const texts: readonly unknown[] = Array.isArray(raw) ? raw : [raw]
  const platforms = texts.filter((text) => typeof text === 'string').filter(isPlatform)
  return platforms.length === texts.length && platforms.length > 0 ? platforms : undefined
}

function isPlatform(text: string): boolean {
  try {
    parsePlatform(text)
    return true
  } catch (error) {
    if (hasErrorCode(error, 'INVALID_ARGUMENT')) return false
    throw error
  }
}
