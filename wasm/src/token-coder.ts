// Codes what a deflate stream says beyond its plain bytes. The host walks blocks and windows; the work on tokens and headers
// is done here. Each export codes in both directions: it takes the value to encode and returns the value that was coded.

import { codeModelled, codeNumber, NUMBER_MODEL_BYTES, prepareBitModels } from './shared/bit-model'
import { prepareDeflateFormat } from './shared/deflate-format'
import { prepareFlagModel } from './shared/flag-model'
import { prepareLogistic } from './shared/logistic'
import { resetMemory } from './shared/memory'
import { finishEncoder, hasRunOut, isConsumed, startDecoder, startEncoder } from './shared/range-coder'
import { beginTokens } from './shared/token-models'
import { beginWindows } from './shared/token-window'
import { beginHeaders } from './shared/header-models'

const PAYLOAD_BYTES = 0x300000
const payload = memory.data(0x300000, 16)
const HOST_BITS = 256
const HOST_NUMBERS = 32
const bits = memory.data(4 * 256, 16)
const numbers = memory.data((64 + 1024) * 4 * 32, 16)

prepareDeflateFormat()
prepareBitModels()
prepareLogistic()

/** Resets all models. The host has grown the memory before. */
export function begin(chainDepth: u32, rememberedBytes: u32, wholeLength: u32, crcTableBits: u32): void {
  resetMemory()
  prepareFlagModel()
  memory.fill(bits, 0, 4 * HOST_BITS)
  memory.fill(numbers, 0, NUMBER_MODEL_BYTES * HOST_NUMBERS)
  beginWindows(chainDepth, rememberedBytes, wholeLength, crcTableBits)
  beginTokens()
  beginHeaders()
}

export function payloadAt(): usize {
  return payload
}

/** Starts a piece of payload; models go on as they are. */
export function beginEncoding(): void {
  startEncoder(payload, PAYLOAD_BYTES)
}

/** Bytes of the piece, or -1 when it did not fit. */
export function endEncoding(): i32 {
  const size = <i32>finishEncoder()
  return hasRunOut() ? -1 : size
}

export function beginDecoding(bytes: u32): void {
  startDecoder(payload, bytes)
}

/** Whether the piece was read to its end and no further. */
export function endDecoding(): bool {
  return isConsumed()
}

export function isExhausted(): bool {
  return hasRunOut()
}

export function codeBitBy(model: u32, bit: u32): u32 {
  return codeModelled(bits + (model << 2), bit)
}

export function codeNumberBy(model: u32, value: u32): u32 {
  return codeNumber(numbers + model * NUMBER_MODEL_BYTES, value)
}

export {
  beginCounts,
  codeTokens,
  hintsAt,
  skipBytes,
  takeCodedTokens,
  tokenOffset,
  tokensAt,
  turnWindow,
} from './shared/token-models'
export { nextWindow, setWindow } from './shared/token-window'
export { codeHeader, headerAt, hintHeaderAt } from './shared/header-models'
