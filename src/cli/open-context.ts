import type { CredentialProvider, Credentials } from '../auth/index.ts'
import type { OpenContext } from '../transport/index.ts'
import {
  type OptionSide,
  type RegistryOptionValues,
  type RegistrySettings,
  registrySettings,
} from './registry-options.ts'
import type { Run } from './run.ts'
import { tareVersion } from './tare-version.ts'

/**
 * What transports need to know to open an image: where spools go, how to reach registries and engines, what may be
 * replaced.
 *
 * @param side - the end of the transfer, where the verb has options for each
 * @throws {TareError} `INVALID_ARGUMENT` for malformed `--creds`
 */
export async function openContext(
  run: Run,
  values: RegistryOptionValues & { readonly force?: boolean | undefined },
  side?: OptionSide,
): Promise<OpenContext> {
  const { host, settings, signal, logger, onProgress, standard } = run
  const registry = registrySettings(values, side)
  const { engines } = settings
  const userAgent = `tare/${tareVersion()}`
  return {
    workdir: settings.workdir,
    storeDirectory: settings.storeDirectory,
    signal,
    logger,
    onProgress,
    standardInput: standard.read,
    standardOutput: standard.write,
    force: values.force === true,
    registry: {
      credentials: findCredentials(await explicitCredentials(registry), registry, run),
      tlsVerify: registry.tlsVerify,
      certDir: registry.certificateDirectory,
      retries: registry.retries,
      baseDelayMs: registry.retryDelayMs,
      environment: host.env,
      userAgent,
    },
    docker: { host: engines.dockerHost, certificateDirectory: engines.dockerCertificateDirectory, userAgent },
    containerd: { address: engines.containerdAddress, namespace: engines.containerdNamespace },
  }
}

async function explicitCredentials({ credentials, registryToken }: RegistrySettings): Promise<Credentials | undefined> {
  if (registryToken !== undefined) return { kind: 'registry-token', token: registryToken }
  if (credentials === undefined) return undefined
  if (credentials === false) return { kind: 'anonymous' }
  const { parseCredentials } = await import('../auth/index.ts')
  return parseCredentials(credentials)
}

/** Credential files are looked for, and the code that reads them is loaded, when a registry first asks. */
function findCredentials(explicit: Credentials | undefined, settings: RegistrySettings, run: Run): CredentialProvider {
  const { env: environment, homeDirectory } = run.host
  let provider: CredentialProvider | undefined
  return async (target, options) => {
    if (explicit !== undefined) return explicit
    if (provider === undefined) {
      const { credentialProvider } = await import('../auth/index.ts')
      provider = credentialProvider({ authFile: settings.authfile, environment, homeDirectory })
    }
    return provider(target, options)
  }
}
