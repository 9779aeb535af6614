/** Clients of container engines: Docker's Engine API, which podman speaks too, and containerd's services. */
export { ContainerdContent } from './containerd-content.ts'
export {
  ContainerdEngine,
  type ContainerdEngineOptions,
  type ContainerdImage,
  ContainerdImages,
  ContainerdNamespace,
  DEFAULT_CONTAINERD_ADDRESS,
  type LeasedContainerd,
} from './containerd-engine.ts'
export { DockerEngine, type DockerEngineOptions, type EngineImage, type EngineStorage } from './docker-engine.ts'
export { DEFAULT_DOCKER_HOST } from './docker-host.ts'
export { type EngineMessage, errorText } from './json-messages.ts'
