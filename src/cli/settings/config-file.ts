import { stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { type DocumentProblem, fileError, hasErrorCode, TareError } from '../../errors/index.ts'
import { isJsonObject, jsonPath, nearestName } from '../../oci/index.ts'
import { DIFFAH_SETTING_NAMES } from '../diffah-aliases.ts'
import type { Place } from '../file-fault.ts'
import type { Host } from '../host.ts'
import { CONFIG_VARIABLE, type Setting, SETTINGS } from './setting-table.ts'
import { checkValue, type SettingValue } from './setting-value.ts'

/** The part of the host that says where the file is. */
export type ConfigHost = Pick<Host, 'env' | 'homeDirectory'>

/** Which file holds the settings. */
export interface ConfigLocation {
  readonly path: string
  /** Named by `TARE_CONFIG`, so that it has to be there. */
  readonly isNamed: boolean
}

/** A setting in the file. */
export interface ConfiguredValue extends Place {
  readonly value: SettingValue
}

/** What the file says. */
export interface Config {
  readonly path: string
  readonly isThere: boolean
  /** By the names of settings. */
  readonly values: ReadonlyMap<string, ConfiguredValue>
}

/** `$TARE_CONFIG`, else `tare/config.yaml` where the XDG base directory specification says. */
export function configLocation({ env, homeDirectory }: ConfigHost): ConfigLocation {
  const named = env[CONFIG_VARIABLE] ?? ''
  if (named !== '') return { path: named, isNamed: true }
  const base = env['XDG_CONFIG_HOME'] ?? ''
  return { path: join(base === '' ? join(homeDirectory, '.config') : base, 'tare', 'config.yaml'), isNamed: false }
}

/**
 * Reads the file of settings. One that nobody named may be absent; then all that happens is a look for it.
 *
 * @throws {TareError} `INVALID_CONFIG` with the place of every fault; `FILE_NOT_FOUND` for one that `TARE_CONFIG` names;
 * `FILE_ACCESS`
 */
export async function readConfig(host: ConfigHost): Promise<Config> {
  const { path, isNamed } = configLocation(host)
  if (await isThere(path)) return readConfigAt(path, host)
  if (!isNamed) return { path, isThere: false, values: new Map() }
  throw new TareError('FILE_NOT_FOUND', `${path} does not exist, but ${CONFIG_VARIABLE} names it`, {
    hint: 'Make it with tare config init, or unset the variable',
  })
}

/** Reads a file of settings that has to be there; as {@link readConfig}. */
export async function readConfigAt(path: string, { homeDirectory }: ConfigHost): Promise<Config> {
  const { readYamlFile } = await import('../yaml-document.ts')
  const document = await readYamlFile(path, 'INVALID_CONFIG')
  const { value: root, folder } = document
  const problems: DocumentProblem[] = []
  const values = new Map<string, ConfiguredValue>()
  if (root !== null && !isJsonObject(root)) problems.push({ path: '$', message: 'the file must hold settings by name' })
  for (const [name, raw] of isJsonObject(root) ? Object.entries(root) : []) {
    if (name === '$schema') continue
    const where = jsonPath('$', name)
    const setting = SETTINGS.find((known) => known.name === name)
    if (setting === undefined) {
      problems.push({ path: where, message: unknownMessage(name) })
    } else if (raw === null) {
      problems.push({ path: where, message: 'has no value' })
    } else {
      const { value, problem } = checkValue(setting, raw)
      if (problem !== undefined) problems.push({ path: where, message: problem })
      else values.set(name, { value: rooted(setting, value, folder, homeDirectory), ...document.placeOf(where) })
    }
  }
  if (problems.length > 0) throw document.fault(problems, 'tare config init FILE writes one with every setting')
  return { path, isThere: true, values }
}

function unknownMessage(name: string): string {
  const ours = DIFFAH_SETTING_NAMES.get(name)
  if (ours !== undefined) return `is called ${ours} here`
  const meant = nearestName(
    name,
    SETTINGS.map((setting) => setting.name),
  )
  return `is not known${meant === undefined ? '' : `; did you mean ${meant}?`}`
}

/** Paths mean the same wherever Tare is run. */
function rooted({ type }: Setting, value: SettingValue, folder: string, home: string): SettingValue {
  if (type.kind !== 'path' || typeof value !== 'string') return value
  if (value === '~' || value.startsWith('~/')) return join(home, value.slice(1))
  return isAbsolute(value) ? value : join(folder, value)
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    const found = fileError(path, 'read', error)
    if (hasErrorCode(found, 'FILE_NOT_FOUND')) return false
    throw found
  }
}
