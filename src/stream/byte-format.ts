/** Writes LEB128 numbers and bytes into a growing buffer. */
export class ByteWriter {
  #buffer = new Uint8Array(256)
  #length = 0

  /** Unsigned, up to 2^53 − 1. */
  varint(value: number): this {
    this.#reserve(8)
    let rest = value
    while (rest >= 0x80) {
      this.#buffer[this.#length++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#buffer[this.#length++] = rest
    return this
  }

  /** Signed: 0, −1, 1, −2, … become 0, 1, 2, 3, … */
  zigzag(value: number): this {
    return this.varint(value < 0 ? -value * 2 - 1 : value * 2)
  }

  bytes(bytes: Uint8Array): this {
    this.#reserve(bytes.length)
    this.#buffer.set(bytes, this.#length)
    this.#length += bytes.length
    return this
  }

  /** A varint length and the ASCII characters. */
  ascii(text: string): this {
    return this.varint(text.length).bytes(new TextEncoder().encode(text))
  }

  finish(): Uint8Array {
    return this.#buffer.slice(0, this.#length)
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#buffer.length) return
    const grown = new Uint8Array(Math.max(this.#buffer.length * 2, this.#length + count))
    grown.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = grown
  }
}

/** Reads what {@link ByteWriter} wrote, and never beyond the end. */
export class ByteParser {
  readonly #bytes: Uint8Array
  readonly #corrupt: (problem: string) => Error
  #position = 0

  /** @param corrupt - makes the error for bytes that are cut off or out of range */
  constructor(bytes: Uint8Array, corrupt: (problem: string) => Error) {
    this.#bytes = bytes
    this.#corrupt = corrupt
  }

  get isAtEnd(): boolean {
    return this.#position === this.#bytes.length
  }

  varint(): number {
    let value = 0
    let scale = 1
    for (let index = 0; index < 8; index++) {
      const byte = this.#bytes[this.#position++]
      if (byte === undefined) break
      value += (byte & 0x7f) * scale
      if (byte < 0x80 && Number.isSafeInteger(value)) return value
      if (byte < 0x80) break
      scale *= 0x80
    }
    throw this.#corrupt('a number is cut off or out of range')
  }

  zigzag(): number {
    const coded = this.varint()
    return coded % 2 === 0 ? coded / 2 : -(coded + 1) / 2
  }

  /** The next `length` bytes, as a view. */
  bytes(length: number): Uint8Array {
    const end = this.#position + length
    if (end > this.#bytes.length) throw this.#corrupt('bytes are cut off')
    const bytes = this.#bytes.subarray(this.#position, end)
    this.#position = end
    return bytes
  }
}
