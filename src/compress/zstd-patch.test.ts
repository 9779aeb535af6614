import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { constants, zstdCompressSync } from 'node:zlib'
import { hasErrorCode } from '../errors/index.ts'
import { bytesSource, type ByteSource, readAllBytes } from '../stream/index.ts'
import {
  decodeZstdPatch,
  encodeZstdPatch,
  PatchDictionary,
  patchEncodingMemoryBytes,
  patchMemoryBytes,
  zstdFrames,
} from './index.ts'

/** Noise: nothing but the dictionary makes it smaller. */
function noise(byteLength: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(byteLength)
  let state = seed
  for (let at = 0; at < byteLength; at++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    bytes[at] = state >>> 16
  }
  return bytes
}

const BASE = noise(300_000)
const TARGET = Buffer.concat([noise(100, 7), BASE.subarray(200_000), noise(3000, 9), BASE.subarray(1000, 200_000)])
const TRAINED = Buffer.concat([Buffer.of(0x37, 0xa4, 0x30, 0xec), BASE])

const dictionaryOf = (bytes: Uint8Array): Promise<PatchDictionary> =>
  PatchDictionary.read(bytesSource(bytes), bytes.length, 'dictionary')

async function encoded(
  target: Uint8Array,
  base: Uint8Array,
  options: { readonly level?: number; readonly windowLog?: number; readonly chunk?: number } = {},
): Promise<Uint8Array> {
  const { level = 12, windowLog, chunk = target.length } = options
  const sizeBytes = target.length
  const source = bytesSource(...chunks(target, chunk))
  const patch = encodeZstdPatch(source, await dictionaryOf(base), { level, windowLog, sizeBytes, subject: 'patch' })
  return readAllBytes(patch, 10_000_000, 'patch')
}

async function decoded(patch: Uint8Array, base: Uint8Array, sizeBytes = TARGET.length): Promise<Uint8Array> {
  const source = decodeZstdPatch(bytesSource(patch), await dictionaryOf(base), { sizeBytes, subject: 'patch' })
  return readAllBytes(source, 10_000_000, 'target')
}

function chunks(bytes: Uint8Array, length: number): readonly Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / length) }, (_, index) =>
    bytes.subarray(index * length, (index + 1) * length),
  )
}

const rejectsWith = async (promise: Promise<unknown>, code: 'CORRUPT_ZSTD' | 'SIZE_MISMATCH'): Promise<void> =>
  assert.rejects(promise, (error) => hasErrorCode(error, code))

describe('encodeZstdPatch() and decodeZstdPatch()', () => {
  test('a patch holds little more than what is new, at every level', async () => {
    for (const level of [1, 3, 5, 9, 13, 19, 22]) {
      const patch = await encoded(TARGET, BASE, { level })
      assert.ok(patch.length < 3400, `level ${level}: ${patch.length}`)
      assert.deepEqual(await decoded(patch, BASE), TARGET)
    }
  })

  test('the frame states its size, a window that covers it, and a checksum', async () => {
    const [frame, ...rest] = await Array.fromAsync(zstdFrames(bytesSource(await encoded(TARGET, BASE))))
    assert.equal(frame?.contentBytes, TARGET.length)
    assert.equal(frame?.windowBytes, TARGET.length)
    assert.equal(frame?.hasChecksum, true)
    assert.equal(frame?.dictionaryId, 0)
    assert.deepEqual(rest, [])
  })

  test('the bytes do not depend on how the source is cut', async () => {
    const whole = await encoded(TARGET, BASE)
    for (const chunk of [1, 777, 65_536, 131_072, 200_000]) {
      // One byte at a time is slow, so just of the beginning.
      const target = chunk === 1 ? TARGET.subarray(0, 5000) : TARGET
      const expected = chunk === 1 ? await encoded(target, BASE) : whole
      assert.deepEqual(await encoded(target, BASE, { chunk }), expected, `${chunk}`)
    }
  })

  test('a window smaller than the target is stated, and makes the patch larger', async () => {
    const patch = await encoded(TARGET, BASE, { windowLog: 17 })
    const [frame] = await Array.fromAsync(zstdFrames(bytesSource(patch)))
    assert.equal(frame?.windowBytes, 2 ** 17)
    assert.ok(patch.length > 100_000)
    assert.deepEqual(await decoded(patch, BASE), TARGET)
  })

  test('a dictionary with the first bytes of a trained one is taken as it is', async () => {
    const dictionary = await dictionaryOf(TRAINED)
    assert.equal(dictionary.looksTrained, true)
    assert.equal((await dictionaryOf(BASE)).looksTrained, false)
    const target = Buffer.concat([noise(50, 3), TRAINED])
    const patch = await encoded(target, TRAINED)
    assert.ok(patch.length < 200)
    assert.deepEqual(await decoded(patch, TRAINED, target.length), target)
  })

  test('empty and tiny targets and dictionaries', async () => {
    for (const base of [Buffer.alloc(0), Buffer.from('ab'), Buffer.from('1234567'), BASE]) {
      for (const target of [Buffer.alloc(0), Buffer.from('x'), Buffer.from('1234567 and more')]) {
        const patch = await encoded(target, base)
        assert.deepEqual(Buffer.from(await decoded(patch, base, target.length)), target)
      }
    }
  })

  test('another dictionary is noticed', async () => {
    const patch = await encoded(TARGET, BASE)
    await rejectsWith(decoded(patch, noise(300_000, 5)), 'CORRUPT_ZSTD')
    await rejectsWith(decoded(patch, BASE.subarray(0, -1000)), 'CORRUPT_ZSTD')
    const flipped = Buffer.from(BASE)
    flipped[250_000] = (flipped[250_000] ?? 0) ^ 1
    await rejectsWith(decoded(patch, flipped), 'CORRUPT_ZSTD')
  })

  test('a source of another size than announced fails', async () => {
    const options = { level: 5, sizeBytes: TARGET.length + 1, subject: 'patch' }
    const patch = encodeZstdPatch(bytesSource(TARGET), await dictionaryOf(BASE), options)
    await rejectsWith(readAllBytes(patch, 10_000_000, 'patch'), 'SIZE_MISMATCH')
  })

  test('levels and windows that there are not are refused', async () => {
    for (const options of [{ level: 0 }, { level: 23 }, { level: 1.5 }, { windowLog: 9 }, { windowLog: 32 }]) {
      await assert.rejects(encoded(TARGET, BASE, options), RangeError)
    }
  })

  test('an abort ends encoding with its reason', async () => {
    const reason = new Error('enough')
    const controller = new AbortController()
    async function* source(): ByteSource {
      yield TARGET.subarray(0, 200_000)
      controller.abort(reason)
      yield TARGET.subarray(200_000)
    }
    const options = { level: 5, sizeBytes: TARGET.length, subject: 'patch', signal: controller.signal }
    const patch = encodeZstdPatch(source(), await dictionaryOf(BASE), options)
    await assert.rejects(readAllBytes(patch, 10_000_000, 'patch'), reason)
  })
})

describe('decodeZstdPatch()', () => {
  test('refuses a patch that is cut off, anywhere', async () => {
    const patch = await encoded(TARGET, BASE)
    for (const length of [0, 1, 5, 12, 13, 100, patch.length - 5, patch.length - 1]) {
      await rejectsWith(decoded(patch.subarray(0, length), BASE), 'CORRUPT_ZSTD')
    }
  })

  test('refuses whatever follows the frame, and frames before it', async () => {
    const patch = await encoded(TARGET, BASE)
    const skippable = Buffer.of(0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9)
    for (const parts of [
      [patch, Buffer.of(0)],
      [patch, Buffer.alloc(1000)],
      [patch, patch],
      [patch, skippable],
    ]) {
      await rejectsWith(decoded(Buffer.concat(parts), BASE), 'CORRUPT_ZSTD')
    }
    await rejectsWith(decoded(Buffer.concat([skippable, patch]), BASE), 'CORRUPT_ZSTD')
    await rejectsWith(decoded(Buffer.from('no frame at all'), BASE), 'CORRUPT_ZSTD')
  })

  test('refuses a flipped bit wherever it is', async () => {
    const patch = await encoded(TARGET, BASE)
    for (let at = 0; at < patch.length; at += 97) {
      const damaged = Buffer.from(patch)
      damaged[at] = (damaged[at] ?? 0) ^ 0x10
      await assert.rejects(decoded(damaged, BASE), (error) =>
        hasErrorCode(error, 'CORRUPT_ZSTD', 'SIZE_MISMATCH', 'LIMIT_EXCEEDED', 'UNSUPPORTED_FORMAT'),
      )
    }
  })

  test('refuses another size than the one expected before it makes anything', async () => {
    const patch = await encoded(TARGET, BASE)
    for (const size of [0, TARGET.length - 1, TARGET.length + 1]) {
      await rejectsWith(decoded(patch, BASE, size), 'SIZE_MISMATCH')
    }
  })

  test('stops a bomb whose header does not state its size', async () => {
    const streamed = zstdCompressSync(Buffer.alloc(5_000_000), { params: { [constants.ZSTD_c_contentSizeFlag]: 0 } })
    let seen = 0
    const target = { sizeBytes: 1000, subject: 'patch' }
    const reading = async (): Promise<void> => {
      const source = decodeZstdPatch(bytesSource(streamed), await dictionaryOf(BASE), target)
      for await (const chunk of source) seen += chunk.length
    }
    await rejectsWith(reading(), 'SIZE_MISMATCH')
    assert.equal(seen, 0)
  })

  test('refuses a window out of all proportion, and a frame that names a dictionary', async () => {
    // Magic, a descriptor without content size, a window of 2 GiB, an empty last block.
    const huge = Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3, 1, 0, 0)
    await assert.rejects(decoded(huge, BASE), (error) => hasErrorCode(error, 'LIMIT_EXCEEDED'))
    const named = Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 1, 0, 42, 1, 0, 0)
    await assert.rejects(decoded(named, BASE), (error) => hasErrorCode(error, 'UNSUPPORTED_FORMAT'))
  })
})

test('PatchDictionary.read() refuses another size than announced, and more than anyone could decode', async () => {
  const short = PatchDictionary.read(bytesSource(BASE), BASE.length + 1, 'dictionary')
  await assert.rejects(short, (error) => hasErrorCode(error, 'SIZE_MISMATCH'))
  const large = PatchDictionary.read(bytesSource(BASE), 2 ** 31 + 1, 'dictionary')
  await assert.rejects(large, (error) => hasErrorCode(error, 'LIMIT_EXCEEDED'))
})

test('patchMemoryBytes() and patchEncodingMemoryBytes() grow with what they hold', () => {
  const mib = 1024 * 1024
  assert.ok(patchMemoryBytes(100 * mib, 50 * mib) >= 250 * mib)
  const encoding = (level: number): number => patchEncodingMemoryBytes(64 * mib, { level, sizeBytes: 64 * mib })
  // Measured: 359 MiB and 646 MiB with the dictionary.
  assert.ok(encoding(12) >= 340 * mib && encoding(12) <= 512 * mib)
  assert.ok(encoding(19) >= 580 * mib && encoding(19) <= 768 * mib)
})
