import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { DeflateKernel } from '../../src/kernels/deflate-kernel.ts'
import { DEFLATE_INPUTS } from '../support/deflate-inputs.ts'
import { skipWithout } from '../support/peers.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { gzipDifferences, pigzDifferences, zlibDifferences } from '../support/zlib-differential.ts'
import { encodeWithZlib } from '../support/zlib-encoders.ts'

const WRITE_BORDER = 6
const kernel = await DeflateKernel.load('zlib-deflate')

function encode(family: number, level: number, parameter: number, input: Uint8Array): Buffer {
  kernel.begin({ family, level, parameter })
  return Buffer.concat([kernel.write(input), kernel.end()])
}

describe('kernel zlib-deflate and zlib', { skip: skipWithout('python3') }, () => {
  test('agree at every level and memory level, with writes, flushes and dictionaries of any kind', () => {
    assert.deepEqual(zlibDifferences(kernel, 1, 300), [])
  })

  test('agree on the one place where the border of a write shows, when the kernel is told of it', () => {
    // The window has to move at 65,274 and the best match there starts where it will begin.
    const input = DEFLATE_INPUTS.noise(90_000, 3)
    input.copyWithin(65_274, 32_768, 33_168)
    const border = 65_535
    for (const level of [1, 6]) {
      const steps = [['write', border] as const, ['write', input.length - border] as const]
      const [wanted] = encodeWithZlib([{ level, memoryLevel: 8, dictionary: new Uint8Array(), input, steps }])
      kernel.begin({ family: 0, level, parameter: 8 })
      const first = [kernel.write(input.subarray(0, border)), kernel.flush(WRITE_BORDER)]
      assert.deepEqual(Buffer.concat([...first, kernel.write(input.subarray(border)), kernel.end()]), wanted)
      assert.notDeepEqual(encode(0, level, 8, input), wanted)
    }
  })

  test('agree at level 0 when there is room for all output at once', () => {
    // Python offers 16 KiB of room at first: longer inputs come out in other pieces.
    const inputs = [0, 1, 1000, 16_000].map((sizeBytes) => DEFLATE_INPUTS.noise(sizeBytes, 1))
    const streams = inputs.map((input) => {
      const steps = [['write', input.length]] as const
      return { level: 0, memoryLevel: 8, dictionary: new Uint8Array(), input, steps }
    })
    assert.deepEqual(
      inputs.map((input) => encode(0, 0, 8, input)),
      encodeWithZlib(streams),
    )
  })
})

describe('kernel zlib-deflate and GNU gzip', { skip: skipWithout('gzip') }, () => {
  test('agree at every level', () => {
    assert.deepEqual(gzipDifferences(kernel, 2, 200), [])
  })

  test("agree on Debian's compressed manuals", async () => {
    const directory = '/usr/share/man/man1'
    const names = await readdir(directory).catch(() => [])
    const different: string[] = []
    for (const name of names.filter((one) => one.endsWith('.gz')).slice(0, 300)) {
      const gzip = await readFile(`${directory}/${name}`)
      const isOfDebian = gzip.subarray(0, 10).toString('hex') === '1f8b0800000000000203'
      if (isOfDebian && !encode(1, 9, 0, gunzipSync(gzip)).equals(gzip.subarray(10, -8))) different.push(name)
    }
    assert.deepEqual(different, [])
  })
})

describe('PigzEncoder and pigz', { skip: skipWithout('pigz') }, () => {
  test('agree at every level, on one thread and on many, with blocks of any size', () => {
    assert.deepEqual(pigzDifferences(kernel, 3, 120), [])
  })
})

describe('kernel zlib-deflate and java.util.zip', { skip: skipWithout('java') }, () => {
  test('agree when the JDK uses the system zlib', async () => {
    await using scratch = await temporaryDirectory()
    const source = scratch.join('Gzip.java')
    await writeFile(
      source,
      `import java.io.*; import java.util.zip.*;
       public class Gzip { public static void main(String[] names) throws IOException {
         try (OutputStream out = new GZIPOutputStream(System.out)) { System.in.transferTo(out); } } }`,
    )
    const input = DEFLATE_INPUTS.mixed(700_000, 4)
    const gzip = execFileSync('java', [source], { input, maxBuffer: 2 ** 26 })
    assert.deepEqual(encode(0, 6, 8, input), gzip.subarray(10, -8))
  })
})
