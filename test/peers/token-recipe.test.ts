import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import {
  compileTokenCoderKernel,
  type DeflateEvent,
  TokenCoderKernel,
  TokenInflater,
  TokenWriter,
} from '../../src/kernels/index.ts'
import { chooseSearch, decodeTokens, encodeTokens, expectBaseline } from '../../src/recompress/tokens/index.ts'
import { skipWithout } from '../support/peers.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const inflater = await TokenInflater.load()
const writer = await TokenWriter.load()
const kernel = new TokenCoderKernel(await compileTokenCoderKernel())

/** Encoders without an exact model. */
const ENCODERS: readonly (readonly [string, ...string[]])[] = [
  ['igzip', '-0'],
  ['igzip', '-1'],
  ['igzip', '-2'],
  ['igzip', '-3'],
  ['libdeflate-gzip', '-1'],
  ['libdeflate-gzip', '-6'],
  ['libdeflate-gzip', '-12'],
  ['zopfli', '--i1'],
  ['busybox', 'gzip'],
]

for (const [program, ...options] of ENCODERS) {
  test(`a token recipe carries ${program} ${options.join(' ')}`, { skip: skipWithout(program) }, async () => {
    await using directory = await temporaryDirectory()
    const [baseline, target] = [release(1), release(2)]
    const [baselineEvents, events] = [eventsOf(compress(baseline)), eventsOf(compress(target))]
    const stream = compress(target).subarray(0, sizeOf(events))
    const search = await chooseSearch(kernel, events)

    const alone = await encodeTokens(kernel, events, { search })
    assert.ok(alone.length <= stream.length * 0.25, `${alone.length} of ${stream.length} bytes`)
    assert.ok((await decoded(alone)).equals(stream))

    const ranges = [{ baselineStart: 40_000, targetStart: 50_000, bytes: 460_000 }]
    const expected = () => expectBaseline(baselineEvents, ranges)
    const withBaseline = await encodeTokens(kernel, events, { search, expected: expected() })
    assert.ok(withBaseline.length <= stream.length * 0.05, `${withBaseline.length} of ${stream.length} bytes`)
    assert.ok((await decoded(withBaseline, expected())).equals(stream))

    function compress(plain: Buffer): Buffer {
      const file = directory.join('plain')
      writeFileSync(file, plain)
      const gzip = execFileSync(program, [...options, '-c', file], { maxBuffer: 2 ** 26 })
      return gzip.subarray(headerBytes(gzip))
    }

    async function decoded(payload: Uint8Array, expectations = undefined as ReturnType<typeof expected> | undefined) {
      const parts: Uint8Array[] = []
      const options = { maxBytes: stream.length, expected: expectations }
      for await (const part of decodeTokens(kernel, writer, payload, source(target), options)) parts.push(part)
      return Buffer.concat(parts)
    }
  })
}

function headerBytes(gzip: Buffer): number {
  const hasName = ((gzip[3] ?? 0) & 8) !== 0
  return hasName ? gzip.indexOf(0, 10) + 1 : 10
}

function eventsOf(stream: Uint8Array): DeflateEvent[] {
  inflater.begin()
  return [...inflater.push(stream)]
}

function sizeOf(events: readonly DeflateEvent[]): number {
  const end = events.at(-1)
  return end?.kind === 'end' ? end.sizeBytes : 0
}

async function* source(plain: Uint8Array): AsyncGenerator<Uint8Array> {
  yield plain
}

/** Two releases of something like source text: 460,000 bytes in common, 50,000 of a release's own before them. */
function release(version: 1 | 2): Buffer {
  return Buffer.concat([text(version, version === 1 ? 40_000 : 50_000), text(9, 460_000)])
}

function text(seed: number, bytes: number): Buffer {
  const words = Array.from({ length: 4_000 }, (_, i) => ((i * 2_654_435_761) % 0xffffff).toString(36))
  let [out, x] = ['', seed]
  while (out.length < bytes) {
    x = (x * 48_271) % 0x7fffffff
    const word = words[Math.floor(((x % 4_000) * ((x >> 12) % 1_000)) / 1_000)] ?? ''
    out += x % 11 === 0 ? `${word}(${x % 97})\n    ` : `${word} `
  }
  return Buffer.from(out).subarray(0, bytes)
}
