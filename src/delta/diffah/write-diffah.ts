import { DEFAULT_CONCURRENCY } from '../../image/index.ts'
import type { Digest } from '../../oci/index.ts'
import { type ByteSource, bytesSource, counted, digestOf, mapLimited } from '../../stream/index.ts'
import { archiveOutput, type ArchiveOutputOptions, layoutBlobPath, TarWriter } from '../../transport/index.ts'
import { formatSidecar, type Sidecar, SIDECAR_NAME } from './sidecar.ts'

/** Gives a blob as the archive stores it; reading it to the end verifies it. */
export type StoredBlobOpener = (signal: AbortSignal | undefined) => ByteSource

/**
 * Writes an archive as diffah lays it out: the sidecar first, then the blobs by digest, nothing about whose they were.
 * It appears whole or not at all.
 *
 * @param blobs - an opener for each blob of the sidecar
 * @returns digest of the sidecar, and bytes of the file
 * @throws {TareError} `DESTINATION_EXISTS` for a directory or a device, `FILE_ACCESS`, `DISK_FULL`
 */
export async function writeDiffahArchive(
  path: string,
  sidecar: Sidecar,
  blobs: ReadonlyMap<Digest, StoredBlobOpener>,
  options: ArchiveOutputOptions,
): Promise<Digest> {
  const createFile = await archiveOutput(path, options)
  const sidecarBytes = formatSidecar(sidecar)
  await using writer = new TarWriter(path, createFile)
  const head = writer.reserve(SIDECAR_NAME, sidecarBytes.length)
  const places = [...sidecar.blobs]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([digest, { archiveSize }]) => {
      const open = blobs.get(digest)
      return open === undefined ? [] : [{ digest, open, region: writer.reserve(layoutBlobPath(digest), archiveSize) }]
    })
  await writer.fill(head, bytesSource(sidecarBytes))
  const fill = async ({ digest, open, region }: (typeof places)[number], _at: number, signal: AbortSignal) => {
    const totalBytes = region.sizeBytes
    const progress = (state: 'started' | 'running' | 'done', doneBytes: number): void =>
      options.onProgress?.({ kind: 'blob', id: digest, label: 'write', doneBytes, totalBytes, state })
    progress('started', 0)
    let doneBytes = 0
    await writer.fill(
      region,
      counted(open(signal), (length) => progress('running', (doneBytes += length))),
    )
    progress('done', totalBytes)
  }
  await mapLimited(places, DEFAULT_CONCURRENCY, fill, options)
  await writer.commit(options)
  return digestOf(sidecarBytes)
}
