import { TareError } from '../errors/index.ts'
import { type Digest, formatReference, isDigest, type Reference, withDefaultTag } from '../oci/index.ts'
import { formatRecordName, parseRecordName, type RecordName } from './record-name.ts'
import { requireDigest, requireName, shown } from './reference-error.ts'

/** `docker-daemon:NAME[:TAG|@DIGEST]` and `docker-daemon:sha256:…`, an image of an engine with Docker's API. */
export interface DockerDaemonReference {
  readonly transport: 'docker-daemon'
  /** A name with its tag or digest, or an image ID. */
  readonly image: Reference | Digest
}

/** `containerd:[NAMESPACE/]NAME[:TAG][@DIGEST]`, an image record of containerd. */
export interface ContainerdReference extends RecordName {
  readonly transport: 'containerd'
  /** @default the one that is set for all */
  readonly namespace?: string | undefined
}

/** @throws {TareError} `INVALID_REFERENCE` */
export function parseDockerDaemon(text: string, rest: string): DockerDaemonReference {
  if (/^sha(?:256|512):/.test(rest)) return { transport: 'docker-daemon', image: requireDigest(text, rest) }
  return { transport: 'docker-daemon', image: withDefaultTag(requireName(text, rest)) }
}

export function formatDockerDaemon({ image }: DockerDaemonReference): string {
  return `docker-daemon:${typeof image === 'string' ? image : formatReference(image)}`
}

/** The namespace of containerd's own tools. */
export const DEFAULT_CONTAINERD_NAMESPACE = 'default'
/** Where kubelets keep their images; no registry has this name. */
const KUBERNETES_NAMESPACE = 'k8s.io'
/** What containerd takes for a namespace, but for dots: those make a registry. */
const NAMESPACE = /^[A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)*$/
const MAX_NAMESPACE_CHARS = 76

/**
 * Parses `[NAMESPACE/]NAME`. The first part is a namespace if the second looks like a registry, or if it is `k8s.io`:
 * `default/docker.io/library/app:v1`, `k8s.io/app:v1`, but not `docker.io/library/app:v1`.
 *
 * @throws {TareError} `INVALID_REFERENCE`
 */
export function parseContainerd(text: string, rest: string): ContainerdReference {
  const [, first = '', name = ''] = /^([^/]*)\/(.+)$/s.exec(rest) ?? []
  const isNamespace =
    first === KUBERNETES_NAMESPACE ||
    (NAMESPACE.test(first) && first !== 'localhost' && (name.startsWith('@') || startsWithRegistry(name)))
  if (!isNamespace) return { transport: 'containerd', ...parseRecordName(text, rest) }
  if (first.length > MAX_NAMESPACE_CHARS) {
    throw new TareError('INVALID_REFERENCE', `reference ${shown(text)}: the namespace is too long`)
  }
  return { transport: 'containerd', namespace: first, ...parseRecordName(text, name) }
}

function startsWithRegistry(name: string): boolean {
  const [, host] = /^([^/]+)\//.exec(name) ?? []
  return host !== undefined && (host === 'localhost' || /[.:]/.test(host)) && !isDigest(host)
}

export function formatContainerd(reference: ContainerdReference): string {
  const { namespace } = reference
  return `containerd:${namespace === undefined ? '' : `${namespace}/`}${formatRecordName(reference)}`
}
