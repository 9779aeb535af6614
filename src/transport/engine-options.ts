import type { ContainerdEngineOptions, DockerEngineOptions } from '../engine/index.ts'
import type { OperationOptions } from '../stream/index.ts'

/** What `docker-daemon:` needs to know. */
export interface DockerDaemonOptions extends OperationOptions {
  /** Where images and layers lie on their way. @default the system's temporary directory */
  readonly workdir?: string | undefined
  readonly docker?: DockerEngineOptions | undefined
}

/** Where containerd is, and in which of its namespaces names are looked up that name none. */
export interface ContainerdPlaceOptions extends ContainerdEngineOptions {
  /** @default 'default' */
  readonly namespace?: string | undefined
}

/** What `containerd:` needs to know. */
export interface ContainerdTransportOptions extends OperationOptions {
  readonly containerd?: ContainerdPlaceOptions | undefined
}
