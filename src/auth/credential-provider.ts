import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileError, hasErrorCode, TareError } from '../errors/index.ts'
import type { Environment } from '../http/index.ts'
import { AuthFile } from './auth-file.ts'
import { askCredentialHelper } from './credential-helper.ts'
import { ANONYMOUS, type CredentialProvider, type Credentials } from './credentials.ts'

/** No larger credential file is read. */
const MAX_FILE_BYTES = 4 * 1024 * 1024

/** Where {@link credentialProvider} looks. */
export interface CredentialSources {
  /** Used for whatever is asked, and no file is read: `--creds`, `--registry-token`, `--no-creds`. */
  readonly explicit?: Credentials | undefined
  /** The one file to read: `--authfile`. */
  readonly authFile?: string | undefined
  /** `REGISTRY_AUTH_FILE`, `XDG_RUNTIME_DIR`, `XDG_CONFIG_HOME`, `DOCKER_CONFIG`; helpers get all of it. */
  readonly environment?: Environment | undefined
  readonly homeDirectory?: string | undefined
  /** Longest run of a helper in milliseconds. @default 30000 */
  readonly helperTimeoutMs?: number | undefined
}

/**
 * Finds credentials as containers' tools do: those given outright; else `--authfile` or `$REGISTRY_AUTH_FILE` alone;
 * else the first of `$XDG_RUNTIME_DIR/containers/auth.json`, `~/.config/containers/auth.json` and
 * `~/.docker/config.json` that knows the target. Files are read once, when they are first needed.
 *
 * The provider throws {@link TareError} `AUTH_FILE`, `CREDENTIAL_HELPER`, and `FILE_NOT_FOUND` for a file that was
 * named outright.
 */
export function credentialProvider(sources: CredentialSources = {}): CredentialProvider {
  const { explicit } = sources
  if (explicit !== undefined) return async () => explicit
  let files: Promise<readonly AuthFile[]> | undefined
  return async (target, { signal } = {}) => {
    files ??= readAuthFiles(sources)
    for (const file of await files) {
      const location = file.find(target)
      if (location?.kind === 'found') return location.credentials
      if (location?.kind === 'helper') {
        const { environment, helperTimeoutMs: timeoutMs } = sources
        const credentials = await askCredentialHelper(location.helper, location.server, {
          environment,
          timeoutMs,
          signal,
        })
        if (credentials !== undefined) return credentials
      }
    }
    return ANONYMOUS
  }
}

async function readAuthFiles(sources: CredentialSources): Promise<readonly AuthFile[]> {
  const { paths, isNamed } = authFilePaths(sources)
  const files = await Promise.all(
    paths.map((path) =>
      readAuthFile(path).catch((error: unknown) => {
        if (!isNamed && hasErrorCode(error, 'FILE_NOT_FOUND')) return undefined
        throw error
      }),
    ),
  )
  return files.filter((file) => file !== undefined)
}

/** Files in the order they are looked at; the one that was named outright alone, which then has to be there. */
export function authFilePaths(sources: CredentialSources): {
  readonly paths: readonly string[]
  readonly isNamed: boolean
} {
  const { environment = {}, homeDirectory } = sources
  const named = sources.authFile ?? (environment['REGISTRY_AUTH_FILE'] || undefined)
  if (named !== undefined) return { paths: [named], isNamed: true }
  const inHome = (...parts: readonly string[]): string | undefined =>
    homeDirectory === undefined ? undefined : join(homeDirectory, ...parts)
  const runtime = environment['XDG_RUNTIME_DIR'] || undefined
  const config = environment['XDG_CONFIG_HOME'] || inHome('.config')
  const docker = environment['DOCKER_CONFIG'] || inHome('.docker')
  const paths = [
    runtime === undefined ? undefined : join(runtime, 'containers', 'auth.json'),
    config === undefined ? undefined : join(config, 'containers', 'auth.json'),
    docker === undefined ? undefined : join(docker, 'config.json'),
  ].filter((path) => path !== undefined)
  return { paths, isNamed: false }
}

/** @throws {TareError} `AUTH_FILE`, `FILE_NOT_FOUND`, `FILE_ACCESS` */
export async function readAuthFile(path: string): Promise<AuthFile> {
  try {
    const { size } = await stat(path)
    if (size > MAX_FILE_BYTES) throw new TareError('AUTH_FILE', `${path} is larger than ${MAX_FILE_BYTES} bytes`)
    return AuthFile.parse(await readFile(path, 'utf8'), path)
  } catch (error) {
    throw fileError(path, 'read', error)
  }
}
