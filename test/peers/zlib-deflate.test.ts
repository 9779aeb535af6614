import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { DeflateKernel } from '../../src/kernels/deflate-kernel.ts'
import { skipWithout } from '../support/peers.ts'
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.ts'
import {
  deflateSample,
  gnuGzipDifferences,
  pigzDifferences,
  seededRandom,
  zlibDifferences,
} from '../support/zlib-differential.ts'

let kernel: DeflateKernel
let scratch: TemporaryDirectory

before(async () => {
  kernel = await DeflateKernel.load('zlib-deflate')
  scratch = await temporaryDirectory()
})
after(() => scratch[Symbol.asyncDispose]())

describe('zlib-deflate against zlib', { skip: skipWithout('python3') }, () => {
  test('writes the same at every level and memory level, with writes, flushes and dictionaries of any kind', async () => {
    assert.deepEqual(await zlibDifferences(kernel, 1, 300, scratch.path), [])
  })

  test('writes at level 0 what zlib writes for a caller with room for all of it', () => {
    const program = `
import sys, zlib
encoder = zlib.compressobj(0, zlib.DEFLATED, -15)
sys.stdout.buffer.write(encoder.compress(sys.stdin.buffer.read()) + encoder.flush())`
    // Python offers 16 KiB of room at first: longer inputs come out in other pieces.
    for (const byteLength of [0, 1, 1000, 16_000]) {
      const sample = Buffer.alloc(byteLength, 7)
      kernel.begin({ family: 0, level: 0, parameter: 8 })
      const written = Buffer.concat([kernel.write(sample), kernel.end()])
      assert.deepEqual(written, execFileSync('python3', ['-c', program], { input: sample }))
    }
  })
})

describe('zlib-deflate against GNU gzip', { skip: skipWithout('gzip') }, () => {
  test('writes the same at every level', async () => {
    assert.deepEqual(await gnuGzipDifferences(kernel, 2, 200, scratch.path), [])
  })

  test("writes Debian's compressed manuals again", () => {
    const paths = manuals('/usr/share/man/man1', 200)
    const different = paths.filter((path) => {
      const gzip = readFileSync(path)
      // Header of `gzip -9n`: no name, no time.
      if (gzip.subarray(0, 10).toString('hex') !== '1f8b0800000000000203') return false
      kernel.begin({ family: 1, level: 9, parameter: 0 })
      const written = Buffer.concat([kernel.write(gunzipSync(gzip)), kernel.end()])
      return !written.equals(gzip.subarray(10, -8))
    })
    assert.deepEqual(different, [])
  })
})

describe('PigzEncoder against pigz', { skip: skipWithout('pigz') }, () => {
  test('writes the same at every level, on one thread and on many, with blocks of any size', async () => {
    assert.deepEqual(await pigzDifferences(kernel, 3, 120, scratch.path), [])
  })
})

describe("zlib-deflate against Java's GZIPOutputStream", { skip: skipWithout('java') }, () => {
  test('writes the same when the JDK uses the system zlib', async () => {
    const source = `import java.io.*; import java.util.zip.*;
public class Gzip { public static void main(String[] a) throws IOException {
  try (OutputStream o = new GZIPOutputStream(System.out)) { System.in.transferTo(o); } } }`
    await writeFile(scratch.join('Gzip.java'), source)
    const random = seededRandom(4)
    for (let i = 0; i < 3; i++) {
      const sample = Buffer.concat([deflateSample(random), deflateSample(random), deflateSample(random)])
      const gzip = execFileSync('java', [scratch.join('Gzip.java')], { input: sample, maxBuffer: 2 ** 26 })
      kernel.begin({ family: 0, level: 6, parameter: 8 })
      assert.deepEqual(Buffer.concat([kernel.write(sample), kernel.end()]), gzip.subarray(10, -8))
    }
  })
})

function manuals(directory: string, most: number): readonly string[] {
  let names: readonly string[]
  try {
    names = readdirSync(directory)
  } catch {
    return []
  }
  const paths = names.filter((name) => name.endsWith('.gz')).map((name) => join(directory, name))
  return paths.filter((path) => lstatSync(path).isFile()).slice(0, most)
}
