import { mkdir, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { TareError } from '../errors/index.ts'
import type { TreeBlob } from '../image/index.ts'
import type { Digest } from '../oci/index.ts'
import type { Logger } from '../stream/index.ts'
import type { BaselineLayer, BaselineSet } from './baseline-set.ts'

/** How much larger a gzip or zstd layer commonly is when it is unpacked. */
const USUAL_RATIO = 3
/** What a patch may take of its layer, to be safe. */
const PATCH_SHARE = 0.25

/**
 * Scratch space for patching some layers, about, by the layer that takes it: the largest of them is there as it is and
 * unpacked, all patches, and all plain layers of the baseline.
 */
export function spoolEstimate(patched: readonly TreeBlob[], baseline: BaselineSet): ReadonlyMap<Digest, number> {
  const spooled = new Map<Digest, number>()
  if (patched.length === 0) return spooled
  for (const { descriptor } of patched) spooled.set(descriptor.digest, Math.ceil(descriptor.size * PATCH_SHARE))
  const [largest] = patched.toSorted((a, b) => b.descriptor.size - a.descriptor.size)
  if (largest !== undefined) spooled.set(largest.descriptor.digest, largest.descriptor.size * (1 + USUAL_RATIO))
  for (const layer of baseline.plainLayers) spooled.set(layer.diffId ?? layer.descriptor.digest, plainEstimate(layer))
  return spooled
}

/** Unpacked size of a baseline layer, about; nothing for one that is not there. */
export function plainEstimate(layer: BaselineLayer | undefined): number {
  if (layer === undefined) return 0
  const { descriptor, diffId } = layer
  return descriptor.digest === diffId ? descriptor.size : descriptor.size * USUAL_RATIO
}

/**
 * Refuses work that would fill the disk, before it begins.
 *
 * @param workdir - the system's temporary directory when left out
 * @param logger - is told the need
 * @throws {TareError} `DISK_FULL`
 */
export async function checkFreeSpace(workdir: string | undefined, neededBytes: number, logger?: Logger): Promise<void> {
  if (neededBytes === 0) return
  const directory = workdir ?? tmpdir()
  logger?.debug(`temporary files take about ${neededBytes} bytes in ${directory}`)
  await mkdir(directory, { recursive: true })
  const { bavail, bsize } = await statfs(directory)
  const freeBytes = bavail * bsize
  if (freeBytes >= neededBytes) return
  throw new TareError(
    'DISK_FULL',
    `${directory} has ${freeBytes} bytes free, and unpacking layers takes about ${neededBytes}`,
    { hint: 'Choose another place with --workdir' },
  )
}
