import { TareError } from '../../errors/index.ts'
import type { Digest } from '../../oci/index.ts'
import { ByteReader, type ByteSource, verified } from '../../stream/index.ts'
import type { KernelRunner } from '../../workers/index.ts'
import {
  corruptPatch,
  digestFromPatch,
  PATCH_LIMITS,
  PATCH_MAGIC,
  type PatchFrame,
  type PatchGroup,
  type PatchHeader,
  type PatchSource,
  parseFrameMeta,
  type SourceRange,
} from './format.ts'
import type { PlainLayer } from './plain-layer.ts'

/** What {@link applyPatch} works with. */
export interface ApplyPatchOptions {
  readonly kernels: KernelRunner
  readonly signal?: AbortSignal | undefined
  /** Gives a plain layer by diffID and size; called once for each source of the patch, before anything is made. */
  readonly openSource: (source: PatchSource) => Promise<PlainLayer>
  /** What the caller wants made; a patch for something else is refused. */
  readonly expected: { readonly digest: Digest; readonly sizeBytes?: number | undefined }
}

/**
 * Makes a plain layer from its patch. Bytes come as they are made and are verified at the end, so the consumer keeps
 * them out of sight until then. Memory is bounded by two frames, whatever the layer's size.
 *
 * @throws {TareError} `CORRUPT_PATCH`, `UNSUPPORTED_FORMAT`; {@link DigestMismatchError} at the end
 * @see docs/formats/patch.md
 */
export async function* applyPatch(patch: ByteSource, options: ApplyPatchOptions): ByteSource {
  await using reader = new PatchReader(patch)
  const header = await reader.header()
  if (header.targetDigest !== options.expected.digest) {
    throw corruptPatch(`it makes ${header.targetDigest}, not ${options.expected.digest}`)
  }
  const sources: PlainLayer[] = []
  for (const source of header.sources) sources.push(await options.openSource(source))
  const decoder = new FrameDecoder(sources, options)
  const made = verified(
    frames(reader, header, decoder, options.signal),
    { digest: header.targetDigest, size: header.targetSizeBytes },
    'rebuilt layer',
  )
  yield* made
}

async function* frames(
  reader: PatchReader,
  header: PatchHeader,
  decoder: FrameDecoder,
  signal: AbortSignal | undefined,
): ByteSource {
  // The next frame's groups are decoded by the workers while this one is written out.
  let ahead = await reader.frame(header, decoder)
  while (ahead !== undefined) {
    const { frame, groups } = ahead
    const next = reader.frame(header, decoder)
    // A failure of the look-ahead is raised where it is awaited; until then it must not count as unhandled.
    next.catch(() => {})
    signal?.throwIfAborted()
    yield* decoder.assemble(frame, groups)
    ahead = await next
  }
}

interface DecodedFrame {
  readonly frame: PatchFrame
  readonly groups: readonly Promise<Uint8Array>[]
}

/** Takes a patch blob apart. */
class PatchReader implements AsyncDisposable {
  readonly #reader: ByteReader

  constructor(patch: ByteSource) {
    this.#reader = new ByteReader(patch)
  }

  async header(): Promise<PatchHeader> {
    const magic = await this.#exactly(PATCH_MAGIC.length)
    const version = magic.at(-1)
    if (!PATCH_MAGIC.subarray(0, -1).every((byte, index) => byte === magic[index])) {
      throw corruptPatch('it does not begin like one')
    }
    if (version !== PATCH_MAGIC.at(-1)) {
      throw new TareError('UNSUPPORTED_FORMAT', `patch has version ${version}, this Tare knows ${PATCH_MAGIC.at(-1)}`, {
        hint: 'Apply it with the Tare that made it, or a newer one',
      })
    }
    const targetSizeBytes = await this.#varint()
    const targetDigest = await this.#digest()
    const count = await this.#varint()
    if (count > PATCH_LIMITS.sources) throw corruptPatch('it has too many sources')
    const sources: PatchSource[] = []
    for (let index = 0; index < count; index++) {
      sources.push({ diffId: await this.#digest(), sizeBytes: await this.#varint() })
    }
    return { targetDigest, targetSizeBytes, sources }
  }

  /** The next frame with its groups on their way, or undefined after the last. */
  async frame(header: PatchHeader, decoder: FrameDecoder): Promise<DecodedFrame | undefined> {
    const targetBytes = await this.#varint()
    if (targetBytes === 0) {
      if (!(await this.#reader.isAtEnd())) throw corruptPatch('there are bytes after its end')
      return undefined
    }
    const metaBytes = await this.#varint()
    const metaCodec = await this.#varint()
    const codedBytes = await this.#varint()
    if (Math.max(metaBytes, codedBytes) > PATCH_LIMITS.metaBytes) throw corruptPatch('a frame has too many operations')
    const meta = await decoder.decodeMeta(metaCodec, await this.#exactly(codedBytes), metaBytes)
    const frame = parseFrameMeta(meta, targetBytes, header.sources)
    const groups: Promise<Uint8Array>[] = []
    for (const group of frame.groups) {
      const decoded = decoder.decodeGroup(group, await this.#exactly(group.payloadBytes))
      decoded.catch(() => {})
      groups.push(decoded)
    }
    return { frame, groups }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]()
  }

  async #varint(): Promise<number> {
    let value = 0
    let scale = 1
    for (let index = 0; index < 8; index++) {
      const byte = (await this.#exactly(1))[0] as number
      value += (byte & 0x7f) * scale
      if (byte < 0x80 && Number.isSafeInteger(value)) return value
      if (byte < 0x80) break
      scale *= 0x80
    }
    throw corruptPatch('a number is out of range')
  }

  async #digest(): Promise<Digest> {
    const length = await this.#varint()
    if (length > 160) throw corruptPatch('a digest is too long')
    return digestFromPatch(Buffer.from(await this.#exactly(length)).toString('latin1'))
  }

  async #exactly(length: number): Promise<Uint8Array> {
    const bytes = await this.#reader.read(length)
    if (bytes.length !== length) throw corruptPatch('it is cut off')
    return bytes
  }
}

/** Expands groups and puts frames together. */
class FrameDecoder {
  readonly #sources: readonly PlainLayer[]
  readonly #kernels: KernelRunner
  readonly #signal: AbortSignal | undefined

  constructor(sources: readonly PlainLayer[], options: ApplyPatchOptions) {
    this.#sources = sources
    this.#kernels = options.kernels
    this.#signal = options.signal
  }

  decodeMeta(codec: number, payload: Uint8Array, targetBytes: number): Promise<Uint8Array> {
    const job = { codec, reference: new Uint8Array(0), payload: new Uint8Array(payload), targetBytes }
    return this.#kernels.decode(job, this.#signal)
  }

  async decodeGroup(group: PatchGroup, payload: Uint8Array): Promise<Uint8Array> {
    // A copy, because the runner takes its arrays over and the payload is a view of a larger chunk.
    const job = { codec: group.codec, payload: new Uint8Array(payload), targetBytes: group.targetBytes }
    const reference = await gatherReference(group.reference, this.#sources)
    return this.#kernels.decode({ ...job, reference }, this.#signal)
  }

  async *assemble(frame: PatchFrame, groups: readonly Promise<Uint8Array>[]): ByteSource {
    const taken = groups.map(() => 0)
    for (const operation of frame.operations) {
      if (operation.length === 0) continue
      if (operation.kind === 'copy') {
        yield* this.#source(operation.source).stream(operation.offset, operation.length)
        continue
      }
      const bytes = (await groups[operation.group]) as Uint8Array
      const start = operation.kind === 'repeat' ? operation.offset : (taken[operation.group] ?? 0)
      if (operation.kind === 'take') taken[operation.group] = start + operation.length
      yield bytes.subarray(start, start + operation.length)
    }
  }

  #source(index: number): PlainLayer {
    const source = this.#sources[index]
    if (source === undefined) throw corruptPatch('an operation names a source that is not there')
    return source
  }
}

/** Reads ranges of sources into one array: the reference of a group. */
export async function gatherReference(
  ranges: readonly SourceRange[],
  sources: readonly PlainLayer[],
): Promise<Uint8Array> {
  const reference = new Uint8Array(ranges.reduce((total, range) => total + range.length, 0))
  let filled = 0
  for (const range of ranges) {
    const source = sources[range.source]
    if (source === undefined) throw corruptPatch('a reference names a source that is not there')
    await source.readInto(reference.subarray(filled, filled + range.length), range.offset)
    filled += range.length
  }
  return reference
}
