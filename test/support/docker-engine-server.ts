import type { ServerResponse } from 'node:http'
import { dockerManifestBytes, parseDockerManifest } from '../../src/transport/docker-manifest.ts'
import { type Digest, digestHex, parseImageConfig, parseManifestDocument } from '../../src/oci/index.ts'
import { bytesSource, digestOf, readAllBytes } from '../../src/stream/index.ts'
import { readTar, TAR_TRAILER, tarHeader, tarPadding } from '../../src/tar/index.ts'
import { type Script, scriptedServer, type SeenRequest } from './scripted-server.ts'

/** How a {@link DockerEngineServer} behaves. */
export interface DockerEngineServerOptions {
  /** What it keeps of images, see `EngineStorage`. @default 'layers' */
  readonly storage?: 'layers' | 'blobs' | undefined
  /** @default '1.41' */
  readonly apiVersion?: string | undefined
  /** @default false */
  readonly isPodman?: boolean | undefined
  /** Comes before the engine; what it answers is answered. */
  readonly script?: ((request: SeenRequest, response: ServerResponse) => boolean | Promise<boolean>) | undefined
}

/** An image that the engine has. */
interface StoredImage {
  readonly id: Digest
  tags: readonly string[]
  readonly diffIds: readonly Digest[]
  /** Where layers are kept: the config. Where blobs are: all files of the layout. */
  readonly files: ReadonlyMap<string, Buffer>
}

/** What moves images in Docker's API, over one process's memory; dispose to stop it. */
export interface DockerEngineServer extends AsyncDisposable {
  /** As in `DOCKER_HOST`. */
  readonly host: string
  /** `METHOD target` of all requests. */
  readonly log: readonly string[]
  /** Names of the files in each tar that was loaded. */
  readonly loads: readonly (readonly string[])[]
  /** Forgets an image, and layers that no other has. */
  remove(id: Digest): void
  /** Has the engine load a tar, as if somebody else had sent it. */
  load(tar: Uint8Array): Promise<void>
}

/** Starts an engine that keeps layers by their chain, as Docker does, or blobs, as its containerd image store does. */
export async function startDockerEngine(options: DockerEngineServerOptions = {}): Promise<DockerEngineServer> {
  const engine = new Engine(options)
  const server = await scriptedServer(engine.answer)
  return {
    host: `tcp://${server.host}`,
    get log() {
      return server.seen.map(({ method, target }) => `${method} ${target}`)
    },
    loads: engine.loads,
    remove: (id) => engine.remove(id),
    load: (tar) => engine.load(tar),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

class Engine {
  readonly loads: (readonly string[])[] = []
  readonly #options: DockerEngineServerOptions
  readonly #images = new Map<Digest, StoredImage>()
  /** Plain layers by the chain of diffIDs that ends in them. */
  readonly #layers = new Map<string, Buffer>()

  constructor(options: DockerEngineServerOptions) {
    this.#options = options
  }

  readonly answer: Script = async (request, response) => {
    if ((await this.#options.script?.(request, response)) === true) return
    const path = request.target.replace(/^\/v[0-9.]+/, '').replace(/\?.*$/, '')
    const [, name, action] = /^\/images\/(.+)\/(json|get)$/.exec(path) ?? []
    if (path === '/_ping') this.#greet(response)
    else if (path === '/info') json(response, 200, { DriverStatus: this.#driverStatus() })
    else if (path === '/images/json')
      json(
        response,
        200,
        [...this.#images.keys()].map((Id) => ({ Id })),
      )
    else if (path === '/images/load') await this.#load(request, response)
    else if (name !== undefined) this.#image(name, action ?? '', response)
    else json(response, 404, { message: 'page not found' })
  }

  remove(id: Digest): void {
    this.#images.delete(id)
    const kept = new Set(
      [...this.#images.values()].flatMap(({ diffIds }) => diffIds.map((_, at) => chain(diffIds, at))),
    )
    for (const key of this.#layers.keys()) if (!kept.has(key)) this.#layers.delete(key)
  }

  async load(tar: Uint8Array): Promise<void> {
    const files = await unpack(tar)
    this.loads.push([...files.keys()])
    if (this.#options.storage === 'blobs') this.#loadLayout(files)
    else this.#loadArchive(files)
  }

  #greet(response: ServerResponse): void {
    response.setHeader('api-version', this.#options.apiVersion ?? '1.41')
    if (this.#options.isPodman === true) response.setHeader('libpod-api-version', '4.3.1')
    response.end('OK')
  }

  #driverStatus(): unknown {
    return this.#options.storage === 'blobs'
      ? [['driver-type', 'io.containerd.snapshotter.v1']]
      : [['Backing Filesystem', 'extfs']]
  }

  #image(name: string, action: string, response: ServerResponse): void {
    const image = [...this.#images.values()].find(({ id, tags }) => id === name || tags.includes(name))
    if (image === undefined) {
      json(response, 404, { message: `No such image: ${name}` })
    } else if (action === 'get') {
      response.end(this.#options.storage === 'blobs' ? pack(image.files) : pack(this.#archive(image)))
    } else {
      json(response, 200, { Id: image.id, RepoTags: image.tags, Size: 1, RootFS: { Layers: image.diffIds } })
    }
  }

  async #load(request: SeenRequest, response: ServerResponse): Promise<void> {
    const tar = await request.body()
    try {
      await this.load(tar)
      response.end('{"stream":"Loaded image: app"}\r\n')
    } catch (error) {
      const message = String(error)
      response.end(`{"status":"Loading"}\r\n${JSON.stringify({ errorDetail: { message }, error: message })}\r\n`)
    }
  }

  #archive({ id, diffIds, files, tags }: StoredImage): ReadonlyMap<string, Buffer> {
    const config = `${digestHex(id)}.json`
    const layers = diffIds.map((diffId) => `${digestHex(diffId)}/layer.tar`)
    const plain = diffIds.map((_, at) => this.#layers.get(chain(diffIds, at)) ?? Buffer.alloc(0))
    return new Map([
      ...layers.map((layer, at) => [layer, plain[at] ?? Buffer.alloc(0)] as const),
      ...files,
      ['manifest.json', dockerManifestBytes({ config, repoTags: tags, layers })],
    ])
  }

  #loadArchive(files: ReadonlyMap<string, Buffer>): void {
    for (const { config, repoTags, layers } of parseDockerManifest(file(files, 'manifest.json'), 'tar')) {
      const bytes = file(files, config)
      const { diffIds } = parseImageConfig(bytes, 'config').rootfs
      for (const at of diffIds.keys()) {
        const key = chain(diffIds, at)
        // podman reads every layer, Docker those it does not have.
        if (this.#options.isPodman !== true && this.#layers.has(key)) continue
        const layer = file(files, layers[at] ?? '')
        if (digestOf(layer) !== diffIds[at]) throw new Error(`layer ${at} has another digest`)
        this.#layers.set(key, layer)
      }
      const id = digestOf(bytes)
      this.#add({ id, tags: repoTags, diffIds, files: new Map([[`${digestHex(id)}.json`, bytes]]) })
    }
  }

  #loadLayout(files: ReadonlyMap<string, Buffer>): void {
    const index = parseManifestDocument(file(files, 'index.json'), { subject: 'index.json' })
    if (index.kind !== 'index') throw new Error('index.json is none')
    for (const { digest, annotations } of index.manifests) {
      const name = annotations?.['io.containerd.image.name']
      this.#add({ id: digest, tags: name === undefined ? [] : [name], diffIds: diffIdsOf(files, digest), files })
    }
  }

  #add(image: StoredImage): void {
    for (const other of this.#images.values()) other.tags = other.tags.filter((tag) => !image.tags.includes(tag))
    const before = this.#images.get(image.id)
    this.#images.delete(image.id)
    this.#images.set(image.id, { ...image, tags: [...new Set([...(before?.tags ?? []), ...image.tags])] })
  }
}

/** Of a manifest; what an index leads to is left aside. */
function diffIdsOf(files: ReadonlyMap<string, Buffer>, digest: Digest): readonly Digest[] {
  const blob = (of: Digest): Buffer => file(files, `blobs/sha256/${digestHex(of)}`)
  const document = parseManifestDocument(blob(digest), { subject: 'root' })
  if (document.kind === 'index') return []
  return parseImageConfig(blob(document.config.digest), 'config').rootfs.diffIds
}

function chain(diffIds: readonly Digest[], at: number): string {
  return diffIds.slice(0, at + 1).join(' ')
}

function file(files: ReadonlyMap<string, Buffer>, name: string): Buffer {
  const found = files.get(name)
  if (found === undefined) throw new Error(`open ${name}: no such file or directory`)
  return found
}

function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

async function unpack(tar: Uint8Array): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>()
  for await (const item of readTar(bytesSource(tar))) {
    if (item.kind !== 'entry' || item.entry.type !== 'file') continue
    files.set(
      item.entry.path.replace(/^\.\//, ''),
      Buffer.from(await readAllBytes(item.content, 1024 ** 3, item.entry.path)),
    )
  }
  return files
}

function pack(files: ReadonlyMap<string, Buffer>): Buffer {
  const parts = [...files].flatMap(([path, bytes]) => [
    tarHeader({ path, sizeBytes: bytes.length }),
    bytes,
    tarPadding(bytes.length),
  ])
  return Buffer.concat([...parts, TAR_TRAILER])
}

/**
 * The tar that Docker 29 saves of an image in an OCI archive: the same files, and a `manifest.json` for older ones.
 *
 * @param isHeld - leaves out files by their name
 */
export async function dockerSaveOfLayout(
  tar: Uint8Array,
  isHeld: (name: string) => boolean = () => true,
): Promise<Buffer> {
  const files = new Map([...(await unpack(tar))].filter(([name]) => isHeld(name)))
  const index = parseManifestDocument(file(files, 'index.json'), { subject: 'index.json' })
  const [root] = index.kind === 'index' ? index.manifests : []
  if (root === undefined) throw new Error('the layout is empty')
  const document = parseManifestDocument(file(files, `blobs/sha256/${digestHex(root.digest)}`), { subject: 'root' })
  if (document.kind === 'manifest') {
    const [config, ...layers] = [document.config, ...document.layers].map(
      ({ digest }) => `blobs/sha256/${digestHex(digest)}`,
    )
    files.set('manifest.json', dockerManifestBytes({ config: config ?? '', repoTags: [], layers }))
  }
  return pack(files)
}
