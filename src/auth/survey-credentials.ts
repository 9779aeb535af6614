import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { hasErrorCode, isTareError, type TareError } from '../errors/index.ts'
import type { Environment } from '../http/index.ts'
import type { AuthFile } from './auth-file.ts'
import { authFilePaths, type CredentialSources, readAuthFile } from './credential-provider.ts'

/** A helper that a credential file names. */
export interface HelperSurvey {
  /** `docker-credential-NAME` */
  readonly program: string
  /** Whether `PATH` leads to it. It was not run: it may ask for a password. */
  readonly isInstalled: boolean
}

/** A credential file. Nothing of its secrets is told. */
export interface AuthFileSurvey {
  readonly path: string
  /** Hosts, and repositories of hosts, that it has something for. */
  readonly registries: readonly string[]
  readonly helpers: readonly HelperSurvey[]
  /** Why it, or one of its entries, cannot be used. */
  readonly error?: TareError | undefined
}

/**
 * Tells which credential files there are, in the order `credentialProvider` looks at them. One that was named outright
 * is told of with its error also when it is missing; others that are missing are left out.
 */
export async function surveyCredentials(sources: CredentialSources): Promise<readonly AuthFileSurvey[]> {
  const { paths, isNamed } = authFilePaths(sources)
  const surveys = await Promise.all(
    paths.map(async (path): Promise<AuthFileSurvey | undefined> => {
      try {
        return await surveyFile(await readAuthFile(path), sources.environment ?? {})
      } catch (error) {
        if (!isTareError(error)) throw error
        if (!isNamed && hasErrorCode(error, 'FILE_NOT_FOUND')) return undefined
        return { path, registries: [], helpers: [], error }
      }
    }),
  )
  return surveys.filter((survey) => survey !== undefined)
}

async function surveyFile(file: AuthFile, environment: Environment): Promise<AuthFileSurvey> {
  const { path, registries } = file
  const helpers = await Promise.all(
    file.helpers.map(async (name): Promise<HelperSurvey> => {
      const program = `docker-credential-${name}`
      return { program, isInstalled: await isProgramThere(program, environment) }
    }),
  )
  return { path, registries, helpers, error: faultOf(file) }
}

/** Entries are decoded when they are used; here, all are. */
function faultOf(file: AuthFile): TareError | undefined {
  for (const name of file.registries) {
    const [registry = '', ...repository] = name.split('/')
    try {
      file.find({ registry, repository: repository.length === 0 ? undefined : repository.join('/') })
    } catch (error) {
      if (isTareError(error)) return error
      throw error
    }
  }
  return undefined
}

async function isProgramThere(program: string, environment: Environment): Promise<boolean> {
  for (const directory of (environment['PATH'] ?? '').split(delimiter)) {
    if (directory === '') continue
    const isThere = await access(join(directory, program), constants.X_OK).then(
      () => true,
      () => false,
    )
    if (isThere) return true
  }
  return false
}
