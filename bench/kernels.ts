/**
 * The difference kernels on real files: size against zstd's `--patch-from` and xz, and speed. Pairs come from two releases of
 * one image as `docker save` wrote them; each layer is coded whole, and each kind of changed file by itself.
 */
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { CODEC_IDS, CodecKernel } from '../src/kernels/index.ts'
import { bytesSource, readAllBytes } from '../src/stream/index.ts'
import { readTar } from '../src/tar/index.ts'
import { sharedFixture } from '../test/support/fixtures.ts'
import { skipWithout } from '../test/support/peers.ts'
import { temporaryDirectory } from '../test/support/temporary-directory.ts'
import type { BenchResult } from './support/result.ts'

const MAX_FILE_BYTES = 64e6

interface Pair {
  readonly what: string
  readonly reference: Uint8Array
  readonly target: Uint8Array
}

export const name = 'kernels'

export async function run(): Promise<readonly BenchResult[]> {
  const [before, after] = [1, 2].map((version) => sharedFixture(`images/app-docker-save-v${version}.tar`))
  if (before === undefined || after === undefined || before.skip !== false || after.skip !== false) return []
  const kernel = await CodecKernel.load()
  const results: BenchResult[] = []
  for (const pair of await pairsOf(before.path, after.path)) {
    const peers = await peerSizes(pair)
    for (const codec of ['lz', 'bsdiff'] as const) results.push(...measure(kernel, codec, pair, peers))
  }
  return results
}

function measure(kernel: CodecKernel, codec: 'lz' | 'bsdiff', pair: Pair, peers: string): BenchResult[] {
  const { reference, target } = pair
  const what = `${codec}: ${pair.what}, ${target.length} bytes`
  // The second of two runs: the first one also waits for the optimising compiler.
  kernel.encode(CODEC_IDS[codec], reference, target)
  const encodeStart = performance.now()
  const payload = kernel.encode(CODEC_IDS[codec], reference, target)
  const decodeStart = performance.now()
  kernel.decode(CODEC_IDS[codec], reference, payload, target.length)
  const decodeEnd = performance.now()
  const speed = (from: number, to: number): number => target.length / 1e3 / (to - from)
  return [
    { what, value: payload.length / 1e3, unit: 'KB', note: peers },
    { what: `${what}, encode`, value: speed(encodeStart, decodeStart), unit: 'MB/s' },
    { what: `${what}, decode`, value: speed(decodeStart, decodeEnd), unit: 'MB/s' },
  ]
}

/** What zstd and xz make of a pair. xz knows no reference. */
async function peerSizes(pair: Pair): Promise<string> {
  if (skipWithout('zstd', 'xz') !== false) return 'zstd or xz not installed'
  await using directory = await temporaryDirectory()
  const [reference, target] = [directory.join('reference'), directory.join('target')]
  await writeFile(reference, pair.reference)
  await writeFile(target, pair.target)
  const patch = pair.reference.length === 0 ? [] : [`--patch-from=${reference}`]
  const zstd = await outputSize('zstd', ['-q', '-19', '--long=27', ...patch, '-c', target])
  const xz = await outputSize('xz', ['-9e', '-c', target])
  return `zstd -19 ${zstd}, xz -9e alone ${xz}`
}

async function outputSize(program: string, args: readonly string[]): Promise<number> {
  const { stdout } = await promisify(execFile)(program, [...args], { encoding: 'buffer', maxBuffer: MAX_FILE_BYTES })
  return stdout.length
}

async function pairsOf(beforePath: string, afterPath: string): Promise<readonly Pair[]> {
  const [before, after] = [await layersOf(beforePath), await layersOf(afterPath)]
  const pairs: Pair[] = after.map((target, i) => ({
    what: `layer ${i}`,
    reference: before[i] ?? new Uint8Array(0),
    target,
  }))
  const [oldFiles, newFiles] = [await allFiles(before), await allFiles(after)]
  const text: [Uint8Array[], Uint8Array[]] = [[], []]
  for (const [path, target] of newFiles) {
    const reference = oldFiles.get(path) ?? new Uint8Array(0)
    if (path.endsWith('.gz') || Buffer.compare(reference, target) === 0) continue
    if (Buffer.from(target.buffer, target.byteOffset, 4).toString('latin1') === '\x7fELF') {
      pairs.push({ what: path.slice(path.lastIndexOf('/') + 1), reference, target })
    } else {
      text[0].push(reference)
      text[1].push(target)
    }
  }
  const target = Buffer.concat(text[1])
  pairs.push({ what: 'changed text files', reference: Buffer.concat(text[0]), target })
  pairs.push({ what: 'the same without reference', reference: new Uint8Array(0), target })
  return pairs
}

/** The layers of a `docker save` archive, in the order of its manifest. */
async function layersOf(path: string): Promise<readonly Uint8Array[]> {
  const files = await filesOf(await readFile(path))
  const [image] = JSON.parse(Buffer.from(files.get('manifest.json') ?? []).toString()) as { Layers: string[] }[]
  return (image?.Layers ?? []).map((layer) => files.get(layer) ?? new Uint8Array(0))
}

async function allFiles(layers: readonly Uint8Array[]): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>()
  for (const layer of layers) for (const [path, content] of await filesOf(layer)) files.set(path, content)
  return files
}

async function filesOf(archive: Uint8Array): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>()
  for await (const item of readTar(bytesSource(archive))) {
    if (item.kind !== 'entry' || item.entry.type !== 'file') continue
    files.set(item.entry.path, await readAllBytes(item.content, MAX_FILE_BYTES, item.entry.path))
  }
  return files
}
