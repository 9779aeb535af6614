import { mkdtempDisposable, open, stat, statfs } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import process from 'node:process'
import { fileError } from '../../errors/index.ts'
import { checkKernels as findKernelFaults } from '../../kernels/index.ts'
import { startCodecs } from '../delta-tools.ts'
import { formatSize } from '../format/size.ts'
import type { Run } from '../run.ts'
import { requiredNode } from '../tare-version.ts'
import { type Check, failedCheck } from './check.ts'

/** Node itself. */
export function checkNode(): Check {
  const { versions, platform, arch } = process
  const needed = requiredNode()
  const detail = `${versions.node} on ${platform} ${arch}`
  if (!isOlder(versions.node, needed)) return { name: 'node', status: 'ok', detail }
  const hint = `Install Node.js ${needed} or newer`
  return { name: 'node', status: 'fail', detail: `${detail}, which is too old`, hint }
}

/** Whether one version, `MAJOR.MINOR.PATCH`, comes before another. */
export function isOlder(version: string, other: string): boolean {
  const [numbers, others] = [version, other].map((text) => text.split('.').map(Number))
  const at = [0, 1, 2].find((index) => numbers?.[index] !== others?.[index])
  return at !== undefined && (numbers?.[at] ?? 0) < (others?.[at] ?? 0)
}

/** Whether the kernels give the answers that they should. */
export async function checkKernels(): Promise<Check> {
  const kernels = await findKernelFaults()
  const names = kernels.map((kernel) => kernel.name).join(', ')
  const broken = kernels.find((kernel) => kernel.error !== undefined)
  if (broken === undefined) return { name: 'kernels', status: 'ok', detail: `${names} give the right answers` }
  const { error } = broken
  const detail = `${broken.name}: ${error instanceof Error ? error.message : String(error)}`
  return { name: 'kernels', status: 'fail', detail, hint: 'Install Tare again; its files are damaged' }
}

/** Whether worker threads start and work, within the memory that the settings allow. */
export async function checkThreads(run: Run): Promise<Check> {
  const { host, signal } = run
  try {
    await using codecs = await startCodecs(run)
    const text = new TextEncoder().encode('threads are pure: bytes in, bytes out; bytes in, bytes out')
    const { codec, payload } = await codecs.encode(
      { reference: text.slice(), target: text.slice(), codecs: [1] },
      signal,
    )
    const job = { codec, payload, reference: text.slice(), targetBytes: text.length }
    const isRight = Buffer.compare(await codecs.decode(job, signal), text) === 0
    const detail = `they start and work; ${host.cpus} processors, ${formatSize(host.memoryBytes)} of memory`
    if (isRight) return { name: 'threads', status: 'ok', detail }
    return { name: 'threads', status: 'fail', detail: 'a worker thread gave a wrong answer' }
  } catch (error) {
    signal.throwIfAborted()
    return failedCheck('threads', error)
  }
}

/** Less than this, and layers of a usual size do not fit unpacked. */
const SCARCE_BYTES = 2 ** 30

/** Whether temporary files can be written, and how much. */
export async function checkWorkdir(path: string): Promise<Check> {
  const hint = 'Choose another place with --workdir'
  try {
    const freeBytes = await tryWriting(path)
    const detail = `${path} can be written, ${formatSize(freeBytes)} free`
    if (freeBytes >= SCARCE_BYTES) return { name: 'workdir', status: 'ok', detail }
    return { name: 'workdir', status: 'warn', detail, hint: `Free some space there. ${hint}` }
  } catch (error) {
    return { ...failedCheck('workdir', error), hint }
  }
}

/** Whether what was found out can be kept for the next run. */
export async function checkCache(path: string): Promise<Check> {
  try {
    const freeBytes = await tryWriting(path)
    return { name: 'cache', status: 'ok', detail: `${path} can be written, ${formatSize(freeBytes)} free` }
  } catch (error) {
    return { ...failedCheck('cache', error), hint: 'Set XDG_CACHE_HOME to a directory that can be written' }
  }
}

/**
 * Writes a small file into a directory, or where it would be made, and removes it.
 *
 * @returns bytes free
 * @throws {TareError} `FILE_ACCESS`, `DISK_FULL`
 */
async function tryWriting(path: string): Promise<number> {
  try {
    const directory = await deepestExisting(resolve(path))
    await using scratch = await mkdtempDisposable(join(directory, '.tare-doctor-'))
    const file = await open(join(scratch.path, 'probe'), 'wx')
    try {
      await file.write(Buffer.alloc(1024, 'tare'))
      await file.sync()
    } finally {
      await file.close()
    }
    const { bavail, bsize } = await statfs(directory)
    return bavail * bsize
  } catch (error) {
    throw fileError(path, 'write', error)
  }
}

async function deepestExisting(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined)
  return found !== undefined || dirname(path) === path ? path : deepestExisting(dirname(path))
}

const SIGNING_PACKAGES = ['@sigstore/bundle', '@sigstore/verify', '@sigstore/tuf']

/** Whether the parts are there that keyless signatures need; everything else of Tare works without. */
export function checkSigning(): Check {
  const missing = SIGNING_PACKAGES.filter((name) => !isInstalled(name))
  if (missing.length === 0) {
    return { name: 'signing', status: 'ok', detail: 'keys, and keyless by sigstore' }
  }
  const detail = `keys alone: ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not installed`
  return { name: 'signing', status: 'warn', detail, hint: 'Install Tare again, with all its dependencies' }
}

function isInstalled(name: string): boolean {
  try {
    import.meta.resolve(name)
    return true
  } catch {
    return false
  }
}
