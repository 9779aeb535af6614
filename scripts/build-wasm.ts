import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { main as compile, version as compilerVersion } from 'assemblyscript/asc'

/**
 * Compiles every kernel, that is every `wasm/src/*.ts`, to `wasm/build/*.wasm`; what lies in folders below is included by
 * kernels. Does nothing when sources, settings and compiler are those of the last build.
 */
const ROOT = fileURLToPath(new URL('../', import.meta.url))
const SOURCES = join(ROOT, 'wasm/src')
const BUILD = join(ROOT, 'wasm/build')
const SETTINGS = join(ROOT, 'wasm/asconfig.json')
const FINGERPRINT = join(BUILD, 'sources.sha256')

const kernels = (await readdir(SOURCES)).filter((name) => name.endsWith('.ts')).map((name) => name.slice(0, -3))
const fingerprint = await fingerprintOfSources()
if (!(await isBuilt())) {
  await mkdir(BUILD, { recursive: true })
  for (const kernel of kernels) await compileKernel(kernel)
  await writeFile(FINGERPRINT, `${fingerprint}\n`)
}

async function compileKernel(kernel: string): Promise<void> {
  const source = `wasm/src/${kernel}.ts`
  let complaints = ''
  const stderr = {
    write: (chunk: Uint8Array | string): void => {
      complaints += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()
    },
  }
  const target = `wasm/build/${kernel}.wasm`
  const { error } = await compile([source, '--baseDir', ROOT, '--config', SETTINGS, '--outFile', target], { stderr })
  if (error !== null || complaints !== '')
    throw new Error(`${source} does not compile\n${complaints}`, { cause: error })
}

async function isBuilt(): Promise<boolean> {
  const built = await readFile(FINGERPRINT, 'utf8').catch(() => '')
  const present = new Set(await readdir(BUILD).catch(() => []))
  return built.trim() === fingerprint && kernels.every((kernel) => present.has(`${kernel}.wasm`))
}

async function fingerprintOfSources(): Promise<string> {
  const hash = createHash('sha256').update(compilerVersion)
  const names = (await readdir(SOURCES, { recursive: true })).filter((name) => name.endsWith('.ts')).sort()
  for (const path of [SETTINGS, ...names.map((name) => join(SOURCES, name))]) {
    const content = await readFile(path)
    hash.update(`\n${path.slice(ROOT.length)} ${content.length}\n`).update(content)
  }
  return hash.digest('hex')
}
