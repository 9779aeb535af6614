import { createHash } from 'node:crypto'
import { hasErrorCode } from '../../errors/index.ts'
import type { ByteSource } from '../../stream/index.ts'
import { readTar } from '../../tar/index.ts'
import type { PlainLayer } from '../patch/plain-layer.ts'

/**
 * A stretch of a plain layer: the headers of an entry, its content, or the filling behind it. The pieces of a layer
 * laid end to end are the layer.
 */
export interface LayerPiece {
  readonly kind: 'header' | 'content' | 'filling'
  readonly offset: number
  readonly length: number
  /** Stands for the bytes: equal hashes mean equal bytes; the producer's proof would catch the contrary. */
  readonly hash: string
}

/** An entry of a layer, as pieces. */
export interface LayerEntry {
  /** Normalised path; empty for what is not an entry (the archive's end, or a layer that is no tar). */
  readonly path: string
  readonly header: LayerPiece | undefined
  readonly content: LayerPiece | undefined
  readonly filling: LayerPiece | undefined
}

/**
 * Cuts a layer into entries and hashes their pieces. A layer that is no tar, or a damaged one, becomes one entry of
 * pure content.
 */
export async function indexLayer(layer: PlainLayer, signal?: AbortSignal): Promise<readonly LayerEntry[]> {
  try {
    const entries: LayerEntry[] = []
    for await (const entry of tarEntries(layer)) {
      signal?.throwIfAborted()
      entries.push(entry)
    }
    return entries
  } catch (error) {
    if (!hasErrorCode(error, 'CORRUPT_TAR', 'LIMIT_EXCEEDED')) throw error
    const content = await hashedPiece('content', 0, layer.stream())
    return [{ path: '', header: undefined, content, filling: undefined }]
  }
}

async function* tarEntries(layer: PlainLayer): AsyncGenerator<LayerEntry, void, undefined> {
  for await (const item of readTar(layer.stream())) {
    if (item.kind === 'trailer') {
      const filling = await hashedPiece('filling', item.offset, item.content)
      yield { path: '', header: undefined, content: undefined, filling }
      continue
    }
    const { entry } = item
    const header = bytesPiece('header', entry.headerOffset, entry.headerBytes)
    const content = await hashedPiece('content', entry.contentOffset, item.content)
    const filling = bytesPiece('filling', entry.contentOffset + entry.sizeBytes, await item.padding())
    yield { path: normalisePath(entry.path), header, content, filling }
  }
}

function bytesPiece(kind: LayerPiece['kind'], offset: number, bytes: Uint8Array): LayerPiece | undefined {
  if (bytes.length === 0) return undefined
  return { kind, offset, length: bytes.length, hash: createHash('sha256').update(bytes).digest('base64').slice(0, 22) }
}

async function hashedPiece(
  kind: LayerPiece['kind'],
  offset: number,
  source: ByteSource,
): Promise<LayerPiece | undefined> {
  const hash = createHash('sha256')
  let length = 0
  for await (const chunk of source) {
    hash.update(chunk)
    length += chunk.length
  }
  return length === 0 ? undefined : { kind, offset, length, hash: hash.digest('base64').slice(0, 22) }
}

/** Paths are compared without a leading `./` or `/`; nothing here touches the file system. */
function normalisePath(path: string): string {
  return path.replace(/^(?:\.?\/+)+/, '')
}
