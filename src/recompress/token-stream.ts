import { parseGzipHeader } from '../compress/index.ts'
import {
  compileTokenCoderKernel,
  type DeflateEvent,
  TokenCoderKernel,
  TokenInflater,
  TokenWriter,
} from '../kernels/index.ts'
import { ByteReader, type ByteSource, teeSource } from '../stream/index.ts'
import type { DeflateOutput } from '../workers/index.ts'
import { corruptRecipe, type MemberRecipe } from './recipe.ts'
import type { RegenerateOptions } from './regenerate.ts'
import {
  chooseSearch,
  decodeTokens,
  type Expectation,
  encodeTokens,
  expectBaseline,
  expectStream,
} from './tokens/index.ts'

/** What a deflate stream is made of. */
export async function* tokenEvents(deflate: ByteSource): AsyncGenerator<DeflateEvent, void, undefined> {
  const inflater = await TokenInflater.load()
  for await (const chunk of deflate) yield* inflater.push(chunk)
}

/**
 * Makes a stream that no encoder makes exactly: from what is expected of it, and the member's corrections.
 *
 * @throws {TareError} `CORRUPT_PATCH`, `CORRUPT_RECIPE`
 */
export async function* correctedStream(
  member: MemberRecipe,
  plain: ByteSource,
  options: RegenerateOptions,
  maxBytes: number,
): ByteSource {
  // Only an encoder reads the plain bytes too; a side that nobody reads would gather all of them in memory.
  const [forTokens, forEncoder] = isKnown(member) ? teeSource(plain) : [plain, plain]
  const expected = expectationsOf(member, forEncoder, options)
  const coder = new TokenCoderKernel(await compileTokenCoderKernel())
  const writer = await TokenWriter.load()
  yield* decodeTokens(coder, writer, member.corrections, forTokens, { expected, maxBytes })
}

/**
 * Codes what a stream has beyond what its member's encoder leads to expect.
 *
 * @param openDeflate - the stream, read once or twice
 * @throws {TareError} `LIMIT_EXCEEDED` for a stream so strange that it had better be carried as it is
 */
export async function codeCorrections(
  member: MemberRecipe,
  openDeflate: () => ByteSource,
  plain: ByteSource,
  options: RegenerateOptions,
): Promise<Uint8Array> {
  const coder = new TokenCoderKernel(await compileTokenCoderKernel())
  const expected = expectationsOf(member, plain, options)
  // A known encoder tells where copies come from; else it has to be found out how they were looked for.
  const search = isKnown(member) ? undefined : await chooseSearch(coder, await firstEvents(openDeflate()))
  return encodeTokens(coder, tokenEvents(openDeflate()), { expected, search })
}

function isKnown({ encoder }: MemberRecipe): boolean {
  return encoder.kind !== 'unknown' && encoder.kind !== 'baseline'
}

/** Plain bytes by which the search of an unknown encoder is chosen. */
const SEARCH_PLAIN_BYTES = 700_000

async function firstEvents(deflate: ByteSource): Promise<readonly DeflateEvent[]> {
  const events: DeflateEvent[] = []
  let plainBytes = 0
  for await (const event of tokenEvents(deflate)) {
    events.push(event)
    if (event.kind === 'tokens') plainBytes += event.plain.length
    if (plainBytes >= SEARCH_PLAIN_BYTES) break
  }
  return events
}

/** What the member's encoder leads to expect; undefined where there is none. */
function expectationsOf(
  { encoder, flushes }: MemberRecipe,
  plain: ByteSource,
  { kernels, signal, openBlob }: RegenerateOptions,
): AsyncIterable<Expectation> | undefined {
  switch (encoder.kind) {
    case 'unknown':
      return undefined
    case 'verbatim':
      throw corruptRecipe('a verbatim stream has corrections')
    case 'baseline': {
      if (openBlob === undefined) throw corruptRecipe('it wants a compressed blob where there is none')
      return expectBaseline(tokenEvents(firstMember(openBlob(encoder.blob))), encoder.ranges)
    }
    case 'go':
    case 'klauspost':
    case 'pgzip':
    case 'zlib':
    case 'gzip':
    case 'pigz':
      return expectStream(tokenEvents(deflateOf(kernels.deflateStream({ spec: encoder, flushes }, plain, signal))))
  }
}

async function* deflateOf(outputs: AsyncIterable<DeflateOutput>): ByteSource {
  for await (const { deflate } of outputs) if (deflate.length > 0) yield deflate
}

const MAX_HEADER_BYTES = 128 * 1024
const CHUNK_BYTES = 256 * 1024

/** The deflate stream of a gzip blob's first member, and whatever follows it. */
export async function* firstMember(blob: ByteSource): ByteSource {
  await using reader = new ByteReader(blob)
  const start = await reader.read(MAX_HEADER_BYTES)
  const header = parseGzipHeader(start)
  if (header === undefined) throw corruptRecipe('the blob it builds on is no gzip')
  yield start.subarray(header.sizeBytes)
  while (!(await reader.isAtEnd())) yield await reader.read(CHUNK_BYTES)
}
