import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { parseGzipHeader } from '../../src/compress/index.ts'
import { skipWithout } from '../../test/support/peers.ts'
import { KlauspostEncoder } from '../../test/peers/klauspost-deflate/klauspost-encoder.ts'
import type { VectorRow } from './vector-rows.ts'

const ZLIB_NG_PROGRAM = `
import sys
from zlib_ng import zlib_ng
encoder = zlib_ng.compressobj(int(sys.argv[1]), zlib_ng.DEFLATED, 31)
sys.stdout.buffer.write(encoder.compress(open(sys.argv[2], 'rb').read()) + encoder.flush())
`

/** Runs the encoders of rows that no model makes, as far as they are on this machine. */
export class RealEncoders implements AsyncDisposable {
  readonly #scratch: string
  readonly #klauspost = new Map<string, Promise<KlauspostEncoder | string>>()

  /** @param scratch - a file to write inputs to */
  constructor(scratch: string) {
    this.#scratch = scratch
  }

  /**
   * A gzip file with the row's header and what the encoder here makes of its input: another release of it may make another.
   * Text says why there is none.
   */
  async encode(row: VectorRow, input: Uint8Array): Promise<Uint8Array | string> {
    if (row.tool === 'klauspost gzip') return this.#encodeKlauspost(row, input)
    const command = commandOf(row, this.#scratch)
    if (command === undefined) return `${row.tool} has no program`
    const [program, ...args] = command
    const absent = skipWithout(program)
    if (absent !== false) return absent
    writeFileSync(this.#scratch, input)
    const { status, stdout } = spawnSync(program, args, { maxBuffer: 2 ** 28 })
    const header = parseGzipHeader(stdout)
    if (status !== 0 || header === undefined) return `${row.tool} does not run`
    return Buffer.concat([Buffer.from(row.first10, 'hex'), stdout.subarray(header.sizeBytes)])
  }

  async #encodeKlauspost({ version, options, first10 }: VectorRow, input: Uint8Array): Promise<Uint8Array | string> {
    const absent = skipWithout('go')
    if (absent !== false) return absent
    const building = this.#klauspost.get(version) ?? KlauspostEncoder.build(version).catch(() => 'Go builds nothing')
    this.#klauspost.set(version, building)
    const encoder = await building
    if (typeof encoder === 'string') return encoder
    const level = Number(options.level)
    const job = { start: 0, level, dictionary: 0, block: 0, writes: [input.length], flushes: [] }
    const [stream] = await encoder.encode(input, [job])
    return stream === undefined ? 'klauspost fails' : gzipFile(Buffer.from(first10, 'hex'), stream, input)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const encoder of await Promise.all(this.#klauspost.values())) {
      if (typeof encoder !== 'string') await encoder[Symbol.asyncDispose]()
    }
  }
}

function commandOf({ tool, options }: VectorRow, path: string): readonly [string, ...string[]] | undefined {
  const { level, iterations } = options
  switch (tool) {
    case 'busybox gzip':
      return ['busybox', 'gzip', `-${level}`, '-c', path]
    case 'igzip':
      return ['igzip', `-${level}`, '-c', path]
    case 'libdeflate-gzip':
      return ['libdeflate-gzip', `-${level}`, '-c', path]
    case 'zopfli':
      return ['zopfli', `--i${iterations}`, '-c', path]
    case 'zlib-ng':
      return ['python3', '-c', ZLIB_NG_PROGRAM, `${level}`, path]
    default:
      return undefined
  }
}

function gzipFile(header: Uint8Array, deflate: Uint8Array, plain: Uint8Array): Uint8Array {
  const trailer = Buffer.alloc(8)
  trailer.writeUInt32LE(crc32(plain), 0)
  trailer.writeUInt32LE(plain.length % 2 ** 32, 4)
  return Buffer.concat([header, deflate, trailer])
}
