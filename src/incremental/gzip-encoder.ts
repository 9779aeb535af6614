import { containersImageEncoder, type Recipe, regenerate } from '../recompress/index.ts'
import type { ByteSource } from '../stream/index.ts'
import type { KernelRunner } from '../workers/index.ts'

/** pgzip's: no flags, the time that Go calls zero, no hint, unknown system. */
const HEADER = Uint8Array.of(0x1f, 0x8b, 0x08, 0, 0x00, 0x09, 0x6e, 0x88, 0, 0xff)

/** How {@link gzipLikeContainersImage} compresses. */
export interface GzipOptions {
  readonly kernels: KernelRunner
  readonly signal?: AbortSignal | undefined
  /** Of klauspost/compress: releases differ in their bytes. @default '1.18.6' */
  readonly klauspostRelease?: string | undefined
}

/**
 * Compresses a plain layer byte for byte as containers/image does: pgzip at its default level, in blocks of 1 MiB.
 *
 * @param plainBytes - how many bytes `plain` has
 */
export function gzipLikeContainersImage(plain: ByteSource, plainBytes: number, options: GzipOptions): ByteSource {
  const { klauspostRelease, kernels, signal } = options
  const encoder = containersImageEncoder({ klauspostRelease })
  const recipe: Recipe = {
    blobBytes: 0,
    members: [
      {
        header: HEADER,
        plainBytes,
        encoder,
        flushes: [],
        checkpoints: [],
        corrections: new Uint8Array(0),
        trailer: { kind: 'standard' },
      },
    ],
    trailing: new Uint8Array(0),
  }
  return regenerate(recipe, plain, { kernels, signal })
}
