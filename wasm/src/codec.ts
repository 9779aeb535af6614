// The difference codecs: a target coded against a reference. The host lays out memory with `reserve`, fills it, and calls
// `encode` or `decode`. docs/formats/codecs.md describes the payloads.

import { allocate, resetMemory } from './shared/memory'
import { finishEncoder, isConsumed, hasRunOut, startDecoder, startEncoder } from './shared/range-coder'
import { prepareBitModels } from './shared/bit-model'
import { prepareLogistic } from './shared/logistic'
import { decodeBsdiff, encodeBsdiff } from './shared/bsdiff'
import { decodeLz, encodeLz } from './shared/lz'

const CODEC_LZ: u32 = 1

/** Bytes behind the window that a comparison of words may read. */
const SLACK: usize = 64

let reference: u32 = 0
let target: u32 = 0
let payload: u32 = 0
let window: usize = 0
let payloadStart: usize = 0

/** Lays out window (reference, then target) and payload. The host grows the memory first. */
export function reserve(referenceBytes: u32, targetBytes: u32, payloadBytes: u32): void {
  resetMemory()
  reference = referenceBytes
  target = targetBytes
  payload = payloadBytes
  window = allocate(<usize>reference + target + SLACK)
  payloadStart = allocate(payload)
  prepareBitModels()
  prepareLogistic()
}

export function referenceAt(): usize {
  return window
}

export function targetAt(): usize {
  return window + reference
}

export function payloadAt(): usize {
  return payloadStart
}

/** Encodes the target; gives the size of the payload, or 2^32 - 1 when it does not fit. */
export function encode(codec: u32): u32 {
  startEncoder(payloadStart, payload)
  if (codec == CODEC_LZ) encodeLz(window, reference, target)
  else encodeBsdiff(window, reference, target)
  const size = <u32>finishEncoder()
  return hasRunOut() ? u32.MAX_VALUE : size
}

/** Decodes the payload into the target; false when it is malformed. */
export function decode(codec: u32): bool {
  startDecoder(payloadStart, payload)
  const isSound = codec == CODEC_LZ ? decodeLz(window, reference, target) : decodeBsdiff(window, reference, target)
  return isSound && isConsumed()
}
