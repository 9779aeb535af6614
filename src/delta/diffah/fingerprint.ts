import { createHash } from 'node:crypto'
import { decompress } from '../../compress/index.ts'
import { hasErrorCode } from '../../errors/index.ts'
import type { Digest } from '../../oci/index.ts'
import type { ByteSource } from '../../stream/index.ts'
import { readTar } from '../../tar/index.ts'

/** What is in the regular files of a layer: hash of a content to its bytes, each content once. */
export type Fingerprint = ReadonlyMap<string, number>

/**
 * Takes the fingerprint of a layer, looking inside its compression; media types of docker archives are not to be
 * believed, so the bytes say what that is.
 *
 * @returns undefined for what is no tar, or damaged: such a layer is ranked by its size alone
 */
export async function fingerprintOf(layer: ByteSource): Promise<Fingerprint | undefined> {
  const contents = new Map<string, number>()
  try {
    const { source } = await decompress(layer)
    for await (const item of readTar(source)) {
      if (item.kind === 'trailer' || item.entry.type !== 'file') continue
      const hash = createHash('sha256')
      for await (const chunk of item.content) hash.update(chunk)
      contents.set(hash.digest('base64'), item.entry.sizeBytes)
    }
    return contents
  } catch (error) {
    if (hasErrorCode(error, 'CORRUPT_TAR', 'CORRUPT_GZIP', 'CORRUPT_ZSTD', 'LIMIT_EXCEEDED', 'UNSUPPORTED_FORMAT')) {
      return undefined
    }
    throw error
  }
}

/** A layer that another may be patched from, or that may be patched. */
export interface RankedLayer {
  readonly digest: Digest
  readonly size: number
  readonly fingerprint?: Fingerprint | undefined
}

/**
 * Orders layers by what they promise as the source of a patch: those that share most content first, of equal ones the
 * nearest in size, then by digest.
 */
export function rankSources<Layer extends RankedLayer>(
  target: RankedLayer,
  sources: readonly Layer[],
): readonly Layer[] {
  const ranked = sources.map((layer) => ({
    layer,
    sharedBytes: sharedBytes(target.fingerprint, layer.fingerprint),
    distance: Math.abs(layer.size - target.size),
  }))
  ranked.sort(
    (a, b) => b.sharedBytes - a.sharedBytes || a.distance - b.distance || (a.layer.digest < b.layer.digest ? -1 : 1),
  )
  return ranked.map(({ layer }) => layer)
}

function sharedBytes(target: Fingerprint | undefined, source: Fingerprint | undefined): number {
  if (target === undefined || source === undefined) return 0
  let sum = 0
  for (const [hash, sizeBytes] of target) if (source.has(hash)) sum += sizeBytes
  return sum
}
