import assert from 'node:assert/strict'
import { stat, writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { decodeZstdPatch, encodeZstdPatch, PatchDictionary } from '../../src/compress/index.ts'
import { type ByteSource, Digester, digestOf, readFileRange, writeFileAtomically } from '../../src/stream/index.ts'
import { runPeer, skipWithout } from '../support/peers.ts'
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.ts'

let scratch: TemporaryDirectory
before(async () => {
  scratch = await temporaryDirectory()
})
after(() => scratch[Symbol.asyncDispose]())

/** Half noise, half words: what layers are like, by and large. */
function sample(byteLength: number, seed: number): Buffer {
  const words = Buffer.alloc(byteLength)
  const values = new Uint32Array(words.buffer, words.byteOffset, byteLength >> 2)
  let state = seed
  for (let at = 0; at < values.length; at++) {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0
    values[at] = (at >> 12) % 2 === 0 ? state : 0x61626364 + (state >>> 27)
  }
  return words
}

/** The same with stretches changed, put in, left out and moved. */
function edited(base: Buffer, seed: number): Buffer {
  const parts: Buffer[] = []
  const step = Math.max(1000, base.length >> 4)
  for (let at = 0, turn = 0; at < base.length; at += step, turn++) {
    const part = base.subarray(at, at + step)
    if (turn % 5 === 1) parts.push(sample(Math.min(2000, step), seed + turn), part)
    else if (turn % 5 === 3) parts.unshift(part.subarray(100))
    else parts.push(part)
  }
  return Buffer.concat(parts)
}

async function dictionaryAt(path: string): Promise<PatchDictionary> {
  const { size } = await stat(path)
  return PatchDictionary.read(readFileRange(path), size, path)
}

async function encodeFile(base: string, target: string, patch: string, level: number): Promise<void> {
  const options = { level, sizeBytes: (await stat(target)).size, subject: patch }
  await writeFileAtomically(patch, encodeZstdPatch(readFileRange(target), await dictionaryAt(base), options))
}

async function digestOfDecoded(base: string, patch: string, sizeBytes: number): Promise<string> {
  return digestOfSource(decodeZstdPatch(readFileRange(patch), await dictionaryAt(base), { sizeBytes, subject: patch }))
}

async function digestOfSource(source: ByteSource): Promise<string> {
  const digester = new Digester()
  for await (const chunk of source) digester.update(chunk)
  return digester.digest()
}

/** As diffah runs the program. */
async function zstdDecode(base: string, patch: string, output: string): Promise<void> {
  await runPeer('zstd', ['-d', '--long=31', `--patch-from=${base}`, patch, '-o', output, '-f', '-q'])
}

async function zstdEncode(base: string, target: string, patch: string, ...options: readonly string[]): Promise<void> {
  await runPeer('zstd', [...options, `--patch-from=${base}`, target, '-o', patch, '-f', '-q'])
}

describe('zstd --patch-from', { skip: skipWithout('zstd') }, () => {
  test('decodes our patches, of all sizes and levels', async () => {
    const [base, target, patch, made] = ['base', 'target', 'patch.zst', 'made'].map((name) => scratch.join(name))
    assert.ok(base !== undefined && target !== undefined && patch !== undefined && made !== undefined)
    for (const size of [4, 20, 3000, 130_000, 131_072, 400_000, 3_000_000]) {
      const old = sample(size, size)
      const fresh = edited(old, size)
      await writeFile(base, old)
      await writeFile(target, fresh)
      for (const level of size > 1_000_000 ? [5, 12] : [1, 5, 12, 19, 22]) {
        await encodeFile(base, target, patch, level)
        await zstdDecode(base, patch, made)
        assert.equal(await digestOfSource(readFileRange(made)), digestOf(fresh), `${size} at ${level}`)
      }
    }
  })

  test('makes patches that we decode, of all sizes and levels', async () => {
    const [base, target, patch] = ['base', 'target', 'patch.zst'].map((name) => scratch.join(name))
    assert.ok(base !== undefined && target !== undefined && patch !== undefined)
    for (const size of [20, 3000, 131_072, 400_000, 3_000_000]) {
      const old = sample(size, size + 1)
      const fresh = edited(old, size)
      await writeFile(base, old)
      await writeFile(target, fresh)
      for (const options of [['-1'], ['-3', '--long=27'], ['-12', '--no-check'], ['-19', '--long=31']]) {
        await zstdEncode(base, target, patch, ...options)
        assert.equal(await digestOfDecoded(base, patch, fresh.length), digestOf(fresh), `${size} ${options.join(' ')}`)
      }
    }
  })

  test('takes a dictionary that looks trained as it is, and so do we', async () => {
    const [base, target, patch] = ['trained', 'target', 'patch.zst'].map((name) => scratch.join(name))
    assert.ok(base !== undefined && target !== undefined && patch !== undefined)
    const old = Buffer.concat([Buffer.of(0x37, 0xa4, 0x30, 0xec), sample(100_000, 3)])
    const fresh = Buffer.concat([Buffer.from('new'), old])
    await writeFile(base, old)
    await writeFile(target, fresh)
    await zstdEncode(base, target, patch, '-3')
    assert.equal(await digestOfDecoded(base, patch, fresh.length), digestOf(fresh))
  })

  test('layers beyond the 128 MiB that a window has by default', async () => {
    const [base, target, patch, made] = ['large', 'large2', 'large.zst', 'made'].map((name) => scratch.join(name))
    assert.ok(base !== undefined && target !== undefined && patch !== undefined && made !== undefined)
    const old = sample(144 * 1024 * 1024, 11)
    const fresh = edited(old, 12)
    await writeFile(base, old)
    await writeFile(target, fresh)
    await zstdEncode(base, target, patch, '-3', '--long=31')
    assert.ok((await stat(patch)).size < 2_000_000)
    assert.equal(await digestOfDecoded(base, patch, fresh.length), digestOf(fresh))
    await encodeFile(base, target, patch, 5)
    assert.ok((await stat(patch)).size < 2_000_000)
    await zstdDecode(base, patch, made)
    assert.equal(await digestOfSource(readFileRange(made)), digestOf(fresh))
  })
})
