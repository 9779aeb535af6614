import { TareError } from '../errors/index.ts'

const VARINT = 0
const FIXED64 = 1
const DELIMITED = 2
const FIXED32 = 5
/** Fields in one message, nested ones not counted. */
const MAX_FIELDS = 1_000_000

/**
 * Writes one Protocol Buffers message; fields that have their default value are left out, as proto3 has it.
 *
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export class MessageWriter {
  readonly #parts: Uint8Array[] = []
  #byteLength = 0

  /** The message in parts, to be sent one after the other. Bytes that were given are not copied. */
  get parts(): readonly Uint8Array[] {
    return this.#parts
  }

  get byteLength(): number {
    return this.#byteLength
  }

  /** An `int64`, `enum` or the like, not negative. */
  number(field: number, value: number): this {
    return value === 0 ? this : this.#push(varints(field * 8 + VARINT, value))
  }

  text(field: number, value: string | undefined): this {
    return value === undefined || value === '' ? this : this.bytes(field, Buffer.from(value))
  }

  bytes(field: number, value: Uint8Array): this {
    return value.length === 0 ? this : this.#delimited(field, value.length, [value])
  }

  /** A nested message, also an empty one. */
  message(field: number, message: MessageWriter): this {
    return this.#delimited(field, message.byteLength, message.parts)
  }

  /** A `map<string, string>`. */
  map(field: number, entries: Readonly<Record<string, string>>): this {
    for (const [key, value] of Object.entries(entries)) {
      this.message(field, new MessageWriter().text(1, key).text(2, value))
    }
    return this
  }

  #delimited(field: number, byteLength: number, parts: readonly Uint8Array[]): this {
    this.#push(varints(field * 8 + DELIMITED, byteLength))
    for (const part of parts) this.#push(part)
    return this
  }

  #push(part: Uint8Array): this {
    this.#parts.push(part)
    this.#byteLength += part.length
    return this
  }
}

function varints(...values: readonly number[]): Uint8Array {
  const bytes: number[] = []
  for (const value of values) {
    let rest = value
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
    bytes.push(rest)
  }
  return Uint8Array.from(bytes)
}

/** The fields of a message that was read. What is absent has its default value; of several values the last counts. */
export class MessageFields {
  readonly #subject: string
  readonly #values = new Map<number, (bigint | Uint8Array)[]>()

  /**
   * Splits a message into its fields. Bytes are views.
   *
   * @param subject - what the message is, for errors
   * @throws {TareError} `ENGINE_PROTOCOL`
   */
  constructor(bytes: Uint8Array, subject: string) {
    this.#subject = subject
    const reader = new WireReader(bytes, subject)
    for (let count = 0; !reader.isAtEnd; count++) {
      if (count === MAX_FIELDS) throw malformed(subject, 'it has too many fields')
      const [field, value] = reader.field()
      const values = this.#values.get(field)
      if (values === undefined) this.#values.set(field, [value])
      else values.push(value)
    }
  }

  /** A whole number, which has to fit in 53 bits. */
  number(field: number): number {
    const value = this.#values.get(field)?.at(-1)
    if (value === undefined) return 0
    if (typeof value !== 'bigint') throw this.#wrongKind(field)
    const signed = BigInt.asIntN(64, value)
    const number = Number(signed)
    if (!Number.isSafeInteger(number)) throw malformed(this.#subject, `field ${field} is out of range`)
    return number
  }

  text(field: number): string {
    return Buffer.from(this.bytes(field)).toString('utf8')
  }

  bytes(field: number): Uint8Array {
    return this.#chunks(field).at(-1) ?? new Uint8Array(0)
  }

  /** A nested message; empty where there is none. */
  message(field: number): MessageFields {
    return new MessageFields(this.bytes(field), this.#subject)
  }

  messages(field: number): readonly MessageFields[] {
    return this.#chunks(field).map((chunk) => new MessageFields(chunk, this.#subject))
  }

  map(field: number): Readonly<Record<string, string>> {
    return Object.fromEntries(this.messages(field).map((entry) => [entry.text(1), entry.text(2)]))
  }

  #chunks(field: number): readonly Uint8Array[] {
    return (this.#values.get(field) ?? []).map((value) => {
      if (typeof value === 'bigint') throw this.#wrongKind(field)
      return value
    })
  }

  #wrongKind(field: number): TareError {
    return malformed(this.#subject, `field ${field} is of another kind`)
  }
}

class WireReader {
  readonly #bytes: Uint8Array
  readonly #subject: string
  #position = 0

  constructor(bytes: Uint8Array, subject: string) {
    this.#bytes = bytes
    this.#subject = subject
  }

  get isAtEnd(): boolean {
    return this.#position >= this.#bytes.length
  }

  field(): readonly [field: number, value: bigint | Uint8Array] {
    const tag = Number(this.#varint())
    const field = Math.floor(tag / 8)
    switch (tag % 8) {
      case VARINT:
        return [field, this.#varint()]
      case FIXED64:
        return [field, this.#take(8)]
      case DELIMITED:
        return [field, this.#take(Number(this.#varint()))]
      case FIXED32:
        return [field, this.#take(4)]
      default:
        throw malformed(this.#subject, `field ${field} has the wire type ${tag % 8}`)
    }
  }

  #varint(): bigint {
    let value = 0n
    // Ten bytes hold 64 bits; negative numbers take them all.
    for (let index = 0n; index < 10n; index++) {
      const byte = this.#bytes[this.#position++]
      if (byte === undefined) break
      value |= BigInt(byte & 0x7f) << (7n * index)
      if (byte < 0x80) return value
    }
    throw malformed(this.#subject, 'a number is cut off')
  }

  #take(length: number): Uint8Array {
    const end = this.#position + length
    if (end > this.#bytes.length) throw malformed(this.#subject, 'it is cut off')
    const taken = this.#bytes.subarray(this.#position, end)
    this.#position = end
    return taken
  }
}

function malformed(subject: string, problem: string): TareError {
  return new TareError('ENGINE_PROTOCOL', `${subject}: malformed message: ${problem}`)
}
