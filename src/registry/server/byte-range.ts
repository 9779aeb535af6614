/** A part of some content; both ends are included. */
export interface ByteRange {
  readonly first: number
  readonly last: number
}

/**
 * What a `Range` header asks of content of a known size. Several ranges, and units other than bytes, get the whole
 * content, as RFC 9110 allows.
 *
 * @returns undefined for the whole content, `unsatisfiable` for 416
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-14.2
 */
export function requestedRange(header: string | undefined, sizeBytes: number): ByteRange | 'unsatisfiable' | undefined {
  const match = /^bytes=\s*(\d*)-(\d*)\s*$/i.exec(header ?? '')
  if (match === null) return undefined
  const [first = '', last = ''] = match.slice(1)
  if (first === '' && last === '') return undefined
  const range =
    first === ''
      ? { first: Math.max(0, sizeBytes - Number(last)), last: sizeBytes - 1 }
      : { first: Number(first), last: last === '' ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1) }
  return range.first <= range.last ? range : 'unsatisfiable'
}

/**
 * The `Content-Range` of an upload's chunk: `first-last`, without a unit or a size. Clients that write it as RFC 9110
 * does, `bytes first-last/size`, are understood too.
 *
 * @returns undefined when the header is malformed
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-a-blob-in-chunks
 */
export function chunkRange(header: string): ByteRange | undefined {
  const match = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d{1,15}|\*))?$/.exec(header)
  if (match === null) return undefined
  const range = { first: Number(match[1]), last: Number(match[2]) }
  return range.first <= range.last ? range : undefined
}
