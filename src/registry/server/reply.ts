import type { ByteSource } from '../../stream/index.ts'

/** Header names in their usual spelling. Several values are several header lines. */
export type ReplyHeaders = Readonly<Record<string, string | number | readonly string[]>>

/** What a handler answers. A streamed body comes with its `Content-Length`. */
export interface Reply {
  readonly status: number
  readonly headers: ReplyHeaders
  readonly body?: Uint8Array | ByteSource | undefined
}

/** An answer without a body. */
export function emptyReply(status: number, headers: ReplyHeaders = {}): Reply {
  // RFC 9110, 8.6: no Content-Length with 204 or 304
  return status === 204 || status === 304
    ? { status, headers }
    : { status, headers: { 'Content-Length': 0, ...headers } }
}

/** A JSON document; `headers` may name a more exact content type. */
export function jsonReply(status: number, document: unknown, headers: ReplyHeaders = {}): Reply {
  const body = Buffer.from(JSON.stringify(document))
  return { status, body, headers: { 'Content-Type': 'application/json', 'Content-Length': body.length, ...headers } }
}
