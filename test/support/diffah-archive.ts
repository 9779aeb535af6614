import { readFile, writeFile } from 'node:fs/promises'
import { parseSidecar, type Sidecar } from '../../src/delta/diffah/sidecar.ts'
import { bytesSource, readAllBytes } from '../../src/stream/index.ts'
import { readTar, TAR_TRAILER, tarHeader, tarPadding } from '../../src/tar/index.ts'

/** The files of an archive, to be changed and packed again. */
export type ArchiveFiles = Map<string, Uint8Array>

/** Reads all files of a tar, in their order. */
export async function unpackArchive(path: string): Promise<ArchiveFiles> {
  const files: ArchiveFiles = new Map()
  for await (const item of readTar(bytesSource(await readFile(path)))) {
    if (item.kind === 'entry') files.set(item.entry.path, await readAllBytes(item.content, 100_000_000, 'entry'))
  }
  return files
}

/** A tar of files, in the given order; a name may be there twice. */
export function packed(files: Iterable<readonly [string, Uint8Array]>): Uint8Array {
  const parts = [...files].flatMap(([path, bytes]) => [
    tarHeader({ path, sizeBytes: bytes.length }),
    bytes,
    tarPadding(bytes.length),
  ])
  return Buffer.concat([...parts, TAR_TRAILER])
}

/** Packs files to a path. @returns the path */
export async function packArchive(path: string, files: Iterable<readonly [string, Uint8Array]>): Promise<string> {
  await writeFile(path, packed(files))
  return path
}

/** The sidecar among the files. */
export function sidecarIn(files: ArchiveFiles): Sidecar {
  return parseSidecar(files.get('diffah.json') ?? new Uint8Array(0), 'archive')
}

/** Changes the text of the sidecar. */
export function editSidecar(files: ArchiveFiles, edit: (text: string) => string): void {
  const text = Buffer.from(files.get('diffah.json') ?? new Uint8Array(0)).toString()
  const edited = edit(text)
  if (edited === text) throw new Error('the edit changes nothing')
  files.set('diffah.json', Buffer.from(edited))
}
