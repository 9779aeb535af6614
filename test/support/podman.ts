import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type PeerOutput, runPeer } from './peers.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** Images and lists of podman's and buildah's, which they share, in a directory of their own; dispose to remove it. */
export interface PodmanStore extends AsyncDisposable {
  podman(...args: readonly string[]): Promise<PeerOutput>
  buildah(...args: readonly string[]): Promise<PeerOutput>
  /** One document of a list: `manifest`, `instances.json`. @param id - in full */
  listDocument(id: string, name: 'manifest' | 'instances.json'): Promise<string>
}

/** The file of a document: names that are no plain words are kept in base64. */
function fileName(document: string): string {
  return /^[a-z]+(?:\.json)?$/.test(document) ? document : `=${Buffer.from(document).toString('base64')}`
}

/**
 * Makes an empty store. Images are unpacked into plain directories, which works everywhere.
 *
 * @param insecure - host and port of a registry that speaks plain HTTP, for the verbs that have no flag for it
 */
export async function openPodmanStore(insecure?: string): Promise<PodmanStore> {
  const directory = await temporaryDirectory()
  const registries = insecure === undefined ? '' : `[[registry]]\nlocation = "${insecure}"\ninsecure = true\n`
  await writeFile(directory.join('registries.conf'), registries)
  const roots = ['--root', directory.join('root'), '--runroot', directory.join('run'), '--storage-driver', 'vfs']
  const env = {
    HOME: directory.path,
    XDG_RUNTIME_DIR: directory.path,
    CONTAINERS_REGISTRIES_CONF: directory.join('registries.conf'),
  }
  const run = (program: string, args: readonly string[]): Promise<PeerOutput> =>
    runPeer(program, [...roots, ...args], { env, cwd: directory.path })
  return {
    podman: (...args) => run('podman', args),
    buildah: (...args) => run('buildah', args),
    listDocument: (id, name) => readFile(join(directory.path, 'root', 'vfs-images', id, fileName(name)), 'utf8'),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  }
}
