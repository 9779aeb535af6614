import { TareError } from '../errors/index.ts'
import { ByteParser, ByteWriter } from '../stream/index.ts'
import type { DeflateCheckpoint } from './deflate-kernel.ts'

const START: DeflateCheckpoint = { inputBytes: 0, outputBits: 0, state: 0 }
const MAX_STATE = 2 ** 31 - 1

/**
 * The recorded form of a checkpoint: 9 to 13 bytes when they are 4 to 8 MiB apart.
 *
 * @param previous - the checkpoint recorded before it in the same stream; left out for the first
 * @see docs/formats/encoders.md
 */
export function formatCheckpoint(checkpoint: DeflateCheckpoint, previous: DeflateCheckpoint = START): Uint8Array {
  return new ByteWriter()
    .varint(checkpoint.inputBytes - previous.inputBytes)
    .varint(checkpoint.outputBits - previous.outputBits)
    .varint(checkpoint.state)
    .finish()
}

/**
 * Reads what {@link formatCheckpoint} wrote.
 *
 * @param previous - as it was given there
 * @throws {TareError} `CORRUPT_RECIPE` when the bytes are none, or the checkpoint lies not behind the previous one
 */
export function parseCheckpoint(bytes: Uint8Array, previous: DeflateCheckpoint = START): DeflateCheckpoint {
  const parser = new ByteParser(bytes, corrupt)
  const inputDelta = parser.varint()
  const inputBytes = previous.inputBytes + inputDelta
  const outputBits = previous.outputBits + parser.varint()
  const state = parser.varint()
  if (!parser.isAtEnd) throw corrupt('bytes follow it')
  if (inputDelta === 0) throw corrupt('it is where the one before is')
  if (!Number.isSafeInteger(inputBytes) || !Number.isSafeInteger(outputBits) || state > MAX_STATE) {
    throw corrupt('a number is out of range')
  }
  return { inputBytes, outputBits, state }
}

function corrupt(problem: string): TareError {
  return new TareError('CORRUPT_RECIPE', `checkpoint: ${problem}`, { hint: 'Fetch or make the delta again' })
}
