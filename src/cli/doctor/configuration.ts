import type { Command } from 'commander'
import { type AuthFileSurvey, surveyCredentials } from '../../auth/index.ts'
import { nearestName } from '../../oci/index.ts'
import { registrySettings, type RegistryOptionValues } from '../registry-options.ts'
import type { Host } from '../host.ts'
import { readConfig } from '../settings/config-file.ts'
import { CONFIG_VARIABLE, SETTINGS, variableOf } from '../settings/setting-table.ts'
import { surveySettings } from '../settings/survey-settings.ts'
import { type Check, failedCheck } from './check.ts'

/** Whether the configuration file and the variables are right. */
export async function checkConfig(program: Command, host: Host): Promise<Check> {
  try {
    const config = await readConfig(host)
    const count = surveySettings(program, host, config).filter(({ source }) => source === 'env').length
    const settings = `${config.values.size} of ${SETTINGS.length} settings`
    const detail = [
      config.isThere ? `${config.path}, ${settings}` : `no file at ${config.path}`,
      ...(count === 0 ? [] : [`${count} by variables`]),
    ].join('; ')
    const unknown = unknownVariable(host.env)
    if (unknown === undefined) return { name: 'config', status: 'ok', detail }
    return { name: 'config', status: 'warn', detail: `${detail}; ${unknown.name} means nothing`, hint: unknown.hint }
  } catch (error) {
    return failedCheck('config', error)
  }
}

function unknownVariable(env: Host['env']): { readonly name: string; readonly hint: string } | undefined {
  const known = [CONFIG_VARIABLE, ...SETTINGS.map(variableOf)]
  const name = Object.keys(env).find((variable) => variable.startsWith('TARE_') && !known.includes(variable))
  if (name === undefined) return undefined
  const meant = nearestName(name, known)
  return { name, hint: meant === undefined ? 'Variables: tare config show' : `Did you mean ${meant}?` }
}

/** Which credentials there are. */
export async function checkCredentials(values: RegistryOptionValues, host: Host): Promise<Check> {
  const name = 'credentials'
  const { credentials, registryToken, authfile } = registrySettings(values)
  if (credentials === false) return { name, status: 'ok', detail: 'none are sent, as --no-creds says' }
  if (credentials !== undefined || registryToken !== undefined) {
    return { name, status: 'ok', detail: 'given on the command line' }
  }
  const { env: environment, homeDirectory } = host
  const files = await surveyCredentials({ authFile: authfile, environment, homeDirectory })
  const broken = files.find((file) => file.error !== undefined)
  if (broken?.error !== undefined) return failedCheck(name, broken.error)
  if (files.length === 0) {
    const detail = 'no credential file; public images only'
    return { name, status: 'warn', detail, hint: 'Log in with podman, skopeo or docker login, or pass --authfile' }
  }
  const detail = files.map(fileText).join('; ')
  const missing = files.flatMap((file) => file.helpers).find((helper) => !helper.isInstalled)
  if (missing === undefined) return { name, status: 'ok', detail }
  const hint = `Install ${missing.program}, or take it out of the file`
  return { name, status: 'warn', detail: `${detail}; ${missing.program} is not installed`, hint }
}

/** Registries that are worth listing. */
const MAX_SHOWN = 8

function fileText({ path, registries, helpers }: AuthFileSurvey): string {
  const shown = registries.slice(0, MAX_SHOWN).join(', ')
  const more = registries.length > MAX_SHOWN ? ` and ${registries.length - MAX_SHOWN} more` : ''
  const by = helpers.length === 0 ? '' : ` (by ${helpers.map((helper) => helper.program).join(', ')})`
  return `${path}: ${registries.length === 0 ? 'no registries' : shown}${more}${by}`
}
