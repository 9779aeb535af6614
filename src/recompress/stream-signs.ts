import { TOKEN, TokenInflater } from '../kernels/index.ts'
import type { ByteSource } from '../stream/index.ts'

/** What the beginning and the end of a deflate stream tell of the encoder that made it. */
export interface StreamSigns {
  /** Length of the shortest match seen; undefined when there was none. */
  readonly shortestMatch: number | undefined
  readonly longestDistance: number
  /** Plain positions of empty stored blocks that are not the last: flushes, or the borders of blocks. */
  readonly syncMarkers: readonly number[]
  /** Whether dynamic blocks describe all 286 and 30 codes, used or not. */
  readonly describesAllCodes: boolean
  /** Plain bytes looked at. */
  readonly seenBytes: number
  /** The last bytes: an empty stored block; a sync marker and an empty fixed block; anything else. */
  readonly ending: 'stored' | 'sync-fixed' | 'other'
}

const MAX_LITERAL_CODES = 286
const MAX_DISTANCE_CODES = 30

/**
 * Looks at the first `maxPlainBytes` of a stream, and at its last bytes.
 *
 * @param tail - the last six bytes of the stream, fewer when it has fewer
 */
export async function readSigns(deflate: ByteSource, tail: Uint8Array, maxPlainBytes: number): Promise<StreamSigns> {
  const inflater = await TokenInflater.load()
  const syncMarkers: number[] = []
  let shortestMatch: number | undefined
  let longestDistance = 0
  let seenBytes = 0
  let dynamicBlocks = 0
  let fullDescriptions = 0
  for await (const chunk of deflate) {
    for (const event of inflater.push(chunk)) {
      if (event.kind === 'block' && event.header.type === 'dynamic') {
        const { literals, distances } = event.header.codes
        dynamicBlocks++
        if (literals === MAX_LITERAL_CODES && distances === MAX_DISTANCE_CODES) fullDescriptions++
      } else if (event.kind === 'block' && event.header.type === 'stored') {
        if (event.header.storedBytes === 0 && !event.header.isFinal) syncMarkers.push(seenBytes)
      } else if (event.kind === 'tokens') {
        seenBytes += event.plain.length
        for (const token of event.tokens) {
          if ((token & TOKEN.match) === 0) continue
          const length = ((token >>> TOKEN.lengthShift) & TOKEN.lengthMask) + 3
          if (shortestMatch === undefined || length < shortestMatch) shortestMatch = length
          longestDistance = Math.max(longestDistance, (token & TOKEN.distanceMask) + 1)
        }
      }
    }
    if (seenBytes >= maxPlainBytes || inflater.isEnded) break
  }
  return {
    shortestMatch,
    longestDistance,
    syncMarkers,
    describesAllCodes: dynamicBlocks > 0 && fullDescriptions * 2 > dynamicBlocks,
    seenBytes,
    ending: endingOf(tail),
  }
}

function endingOf(tail: Uint8Array): StreamSigns['ending'] {
  const hex = Buffer.from(tail).toString('hex')
  if (hex.endsWith('0000ffff0300')) return 'sync-fixed'
  return hex.endsWith('0000ffff') ? 'stored' : 'other'
}

/** Plain positions of all flushes in a whole stream. */
export async function findSyncMarkers(deflate: ByteSource): Promise<readonly number[]> {
  return (await readSigns(deflate, new Uint8Array(0), Number.POSITIVE_INFINITY)).syncMarkers
}
