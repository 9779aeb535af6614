import {
  basicAuthorization,
  type RegistryOptions,
  type RegistryRequest,
  type RunningRegistry,
  startRegistry,
} from '../../src/registry/index.ts'
import type { OpenContext } from '../../src/transport/index.ts'

/** A request as a test asks about it. */
export interface RecordedRequest {
  /** `GET /v2/app/manifests/v1` */
  readonly line: string
  readonly method: string
  readonly kind: 'manifest' | 'blob' | 'upload' | 'other'
  readonly authorization: string | undefined
}

/** A registry of our own that remembers what it was asked. */
export interface RecordingRegistry extends RunningRegistry {
  readonly requests: readonly RecordedRequest[]
  /** Forgets all requests so far. */
  forget(): void
  /** What it takes to get in. */
  readonly context: OpenContext
  /** `docker://ADDRESS/name` */
  at(name: string): string
}

/** Starts one; with a user it lets nobody else in. */
export async function recordingRegistry(
  user?: { readonly username: string; readonly password: string },
  options: RegistryOptions = {},
): Promise<RecordingRegistry> {
  const requests: RecordedRequest[] = []
  const registry = await startRegistry({
    ...options,
    ...(user === undefined
      ? {}
      : {
          authorize: basicAuthorization(
            'test',
            (name, password) => name === user.username && password === user.password,
          ),
        }),
    onRequest: async (request, exchange) => {
      requests.push(recorded(request))
      await options.onRequest?.(request, exchange)
    },
  })
  const credentials = user === undefined ? {} : { credentials: async () => ({ kind: 'basic', ...user }) as const }
  return {
    ...registry,
    requests,
    forget: () => void requests.splice(0),
    context: { registry: { tlsVerify: false, retries: 0, ...credentials } },
    at: (name) => `docker://${registry.address}/${name}`,
  }
}

function recorded({ method, path, query, headers }: RegistryRequest): RecordedRequest {
  const kind = /\/blobs\/uploads\//.test(path)
    ? 'upload'
    : /\/blobs\//.test(path)
      ? 'blob'
      : /\/manifests\//.test(path)
        ? 'manifest'
        : 'other'
  const search = query.size === 0 ? '' : `?${query.toString()}`
  return { line: `${method} ${path}${search}`, method, kind, authorization: headers.authorization }
}
