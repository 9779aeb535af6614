import { spawnSync } from 'node:child_process'
import type { PigzParameters } from '../../src/kernels/pigz-framing.ts'

/** The real encoders: zlib through Python, gzip and pigz as programs. */

/** A write of so many bytes, or a flush of that mode. */
export type ZlibStep = readonly ['write' | 'flush', number]

/** What zlib is asked to do. */
export interface ZlibStream {
  readonly level: number
  readonly memoryLevel: number
  readonly dictionary: Uint8Array
  readonly input: Uint8Array
  /** Their writes add up to the input. */
  readonly steps: readonly ZlibStep[]
}

const ZLIB_PROGRAM = `
import json, struct, sys, zlib
for line in iter(sys.stdin.buffer.readline, b''):
    stream = json.loads(line)
    dictionary = sys.stdin.buffer.read(stream['dictionaryBytes'])
    history = {'zdict': dictionary} if dictionary else {}
    encoder = zlib.compressobj(stream['level'], zlib.DEFLATED, -15, stream['memoryLevel'], zlib.Z_DEFAULT_STRATEGY, **history)
    written = b''
    for kind, value in stream['steps']:
        if kind == 'write': written += encoder.compress(sys.stdin.buffer.read(value))
        else: written += encoder.flush(value)
    written += encoder.flush(zlib.Z_FINISH)
    sys.stdout.buffer.write(struct.pack('<I', len(written)) + written)
`

/** Raw deflate streams of Python's zlib, in order. */
export function encodeWithZlib(streams: readonly ZlibStream[]): readonly Buffer[] {
  const question = streams.flatMap(({ level, memoryLevel, dictionary, input, steps }) => {
    const line = JSON.stringify({ level, memoryLevel, dictionaryBytes: dictionary.length, steps })
    return [Buffer.from(`${line}\n`), dictionary, input]
  })
  let answer = run('python3', ['-c', ZLIB_PROGRAM], Buffer.concat(question))
  return streams.map(() => {
    const size = answer.readUInt32LE()
    const written = answer.subarray(4, 4 + size)
    answer = answer.subarray(4 + size)
    return written
  })
}

/** The deflate stream in what the installed gzip writes. */
export function encodeWithGzip(level: number, input: Uint8Array, ...options: readonly string[]): Buffer {
  return withoutFrame(run('gzip', ['-n', `-${level}`, ...options], input))
}

/** The deflate stream in what the installed pigz writes. */
export function encodeWithPigz(parameters: PigzParameters, input: Uint8Array): Buffer {
  const { level, blockBytes, mode, isIndependent } = parameters
  const args = ['-n', `-${level}`, '-b', `${blockBytes / 1024}`, '-p', mode === 'serial' ? '1' : '2']
  return withoutFrame(run('pigz', isIndependent ? [...args, '-i'] : args, input))
}

function run(program: string, args: readonly string[], input: Uint8Array): Buffer {
  const { status, stdout, stderr } = spawnSync(program, args, { input, maxBuffer: 2 ** 30 })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr.toString()}`)
  return stdout
}

/** Header without name, trailer. */
function withoutFrame(gzip: Buffer): Buffer {
  return gzip.subarray(10, -8)
}
