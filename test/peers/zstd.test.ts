import assert from 'node:assert/strict'
import { appendFile, readFile, truncate, writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { decompress, gunzip, unzstd, type UnzstdOptions, zstdFrames } from '../../src/compress/index.ts'
import { hasErrorCode } from '../../src/errors/index.ts'
import { bytesSource, type ByteSource, Digester, digestOf, readFileRange } from '../../src/stream/index.ts'
import { runPeer, skipWithout } from '../support/peers.ts'
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.ts'

/** Text that compresses, then noise that doesn't: many kinds of blocks. */
function sample(byteLength: number): Buffer {
  const bytes = Buffer.alloc(byteLength)
  let state = 7
  for (let at = 0; at < byteLength; at++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    bytes[at] = at % 300_000 < 200_000 ? 0x61 + ((state >>> 16) % 7) : state >>> 16
  }
  return bytes
}

const CONTENT = sample(3_000_000)
const DIGEST = digestOf(CONTENT)

let scratch: TemporaryDirectory
let plain: string

before(async () => {
  scratch = await temporaryDirectory()
  plain = scratch.join('plain')
  await writeFile(plain, CONTENT)
})
after(() => scratch[Symbol.asyncDispose]())

async function digestOfSource(source: ByteSource): Promise<string> {
  const digester = new Digester()
  for await (const chunk of source) digester.update(chunk)
  return digester.digest()
}

async function compressed(name: string, ...args: readonly string[]): Promise<string> {
  const path = scratch.join(name)
  await runPeer('zstd', ['-q', '-f', ...args, plain, '-o', path])
  return path
}

const unzstdFile = (path: string, options?: UnzstdOptions): Promise<string> =>
  digestOfSource(unzstd(readFileRange(path), options))
const isCorrupt = (error: unknown): boolean => hasErrorCode(error, 'CORRUPT_ZSTD')

describe('unzstd() of the zstd tool', { skip: skipWithout('zstd') }, () => {
  test('decodes all levels, with and without checksum', async () => {
    const small = scratch.join('small')
    await writeFile(small, CONTENT.subarray(0, 400_000))
    for (const level of ['--fast=5', ...Array.from({ length: 19 }, (_, index) => `-${index + 1}`)]) {
      const path = scratch.join('level.zst')
      await runPeer('zstd', ['-q', '-f', level, small, '-o', path])
      assert.equal(await unzstdFile(path), digestOf(CONTENT.subarray(0, 400_000)), level)
    }
    for (const option of ['--check', '--no-check', '--no-content-size', '--long=27', '-T2']) {
      assert.equal(await unzstdFile(await compressed('option.zst', option)), DIGEST, option)
    }
  })

  test('decodes joined streams, and finds as many frames as the tool lists', async () => {
    const path = scratch.join('joined.zst')
    const parts = await Promise.all(['-1', '-9'].map((level) => compressed(`part${level}.zst`, level)))
    const skippable = Uint8Array.of(0x55, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3)
    await writeFile(path, skippable)
    for (const part of [...parts, ...parts]) {
      await appendFile(path, await readFile(part))
      await appendFile(path, skippable)
    }
    assert.equal(await unzstdFile(path), digestOf(Buffer.concat(Array.from({ length: 4 }, () => CONTENT))))
    const frames = await Array.fromAsync(zstdFrames(readFileRange(path)))
    assert.equal(frames.filter(({ kind }) => kind === 'frame').length, 4)
    assert.equal(frames.filter(({ kind }) => kind === 'skippable').length, 5)
    const { stdout } = await runPeer('zstd', ['-l', path])
    // The tool counts skippable frames in both columns.
    assert.match(stdout, /^\s*9\s+5\s/m)
  })

  test('holds windows to the bound that the tool has by default', async () => {
    // Without a known size the header asks for the whole window, however little follows.
    const path = scratch.join('window.zst')
    await runPeer('sh', ['-c', 'zstd -q --ultra --long=28 -f -o "$0" < "$1"', path, plain])
    const [frame] = await Array.fromAsync(zstdFrames(readFileRange(path)))
    assert.equal(frame?.windowBytes, 2 ** 28)
    await assert.rejects(unzstdFile(path), (error) => hasErrorCode(error, 'LIMIT_EXCEEDED'))
    await assert.rejects(runPeer('zstd', ['-q', '-d', '-c', path]))
    assert.equal(await unzstdFile(path, { maxWindowBytes: 2 ** 28 }), DIGEST)
  })

  test('refuses cut and continued streams as the tool does', async () => {
    for (const level of ['-1', '-9']) {
      const whole = await compressed('whole.zst', level)
      const { length } = await readFile(whole)
      for (const size of [0, 3, 5, 1000, length >> 1, length - 4, length - 1]) {
        const cut = scratch.join('cut.zst')
        await writeFile(cut, await readFile(whole))
        await truncate(cut, size)
        await assert.rejects(unzstdFile(cut), isCorrupt, `${size} bytes`)
        if (size > 0) await assert.rejects(runPeer('zstd', ['-q', '-t', cut]))
      }
      const continued = scratch.join('continued.zst')
      await writeFile(continued, Buffer.concat([await readFile(whole), Buffer.from('garbage')]))
      await assert.rejects(unzstdFile(continued), isCorrupt)
      await assert.rejects(runPeer('zstd', ['-q', '-t', continued]))
    }
  })

  test('refuses frames of formats before 1.0 and frames that need a dictionary', async () => {
    const old = Uint8Array.of(0x27, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0, 0)
    await assert.rejects(digestOfSource(unzstd(bytesSource(old))), isCorrupt)
    const samples = Array.from({ length: 200 }, (_, index) => scratch.join(`sample${index}`))
    for (const [index, path] of samples.entries())
      await writeFile(path, `{"number":${index},"name":"sample ${index % 9}"}`.repeat(9))
    const dictionary = scratch.join('dictionary')
    await runPeer('zstd', ['-q', '--train', ...samples, '-o', dictionary, '--maxdict=2000'])
    const path = await compressed('dictionary.zst', '-D', dictionary)
    await assert.rejects(unzstdFile(path), (error) => hasErrorCode(error, 'UNSUPPORTED_FORMAT'))
  })
})

describe('gunzip() of gzip', { skip: skipWithout('gzip') }, () => {
  test('decodes its levels and joined members', async () => {
    const [one, all] = [scratch.join('one.gz'), scratch.join('all.gz')]
    for (const level of [1, 6, 9]) {
      await runPeer('sh', ['-c', `gzip -c -${level} "$0" > "$1"; cat "$1" >> "$2"`, plain, one, all])
      assert.equal(await digestOfSource(gunzip(readFileRange(one))), DIGEST)
    }
    const joined = digestOf(Buffer.concat([CONTENT, CONTENT, CONTENT]))
    assert.equal(await digestOfSource(gunzip(readFileRange(all))), joined)
  })
})

describe('decompress() of peers', { skip: skipWithout('gzip', 'zstd') }, () => {
  test('goes by content, not by name', async () => {
    const zst = await compressed('named.gz', '-3')
    const found = await decompress(readFileRange(zst))
    assert.equal(found.compression, 'zstd')
    assert.equal(await digestOfSource(found.source), DIGEST)
  })
})
