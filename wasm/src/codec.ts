// The difference codecs: a target coded against a reference. The host lays out memory with `reserve`, fills it, and calls
// `encode` or `decode`. docs/formats/codecs.md describes the payloads.

import { allocate, resetMemory } from './shared/memory'
import { codeBit, finishEncoder, isConsumed, hasRunOut, startDecoder, startEncoder } from './shared/range-coder'
import { prepareBitModels } from './shared/bit-model'
import { prepareLogistic } from './shared/logistic'
import { decodeBsdiff, encodeBsdiff } from './shared/bsdiff'
import { decodeLz, encodeLz } from './shared/lz'
import { filterX86, holdsX86Code, unfilterX86 } from './shared/x86-filter'

const CODEC_LZ: u32 = 1

/** Zeros before and behind the window, so that looking a few bytes beyond it is harmless and always the same. */
const MARGIN: usize = 64

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
  window = allocate(MARGIN + reference + target + MARGIN) + MARGIN
  memory.fill(window - MARGIN, 0, MARGIN)
  memory.fill(window + reference + target, 0, MARGIN)
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

/** Chance of the x86 filter in a payload's first bit. */
const FILTER_CHANCE: u32 = 0x4000

/** Encodes the target, which it may change; gives the size of the payload, or 2^32 - 1 when it does not fit. */
export function encode(codec: u32): u32 {
  startEncoder(payloadStart, payload)
  if (codeBit(<u32>holdsX86Code(targetAt(), target), FILTER_CHANCE)) {
    filterX86(window, reference)
    filterX86(targetAt(), target)
  }
  if (codec == CODEC_LZ) encodeLz(window, reference, target)
  else encodeBsdiff(window, reference, target)
  const size = <u32>finishEncoder()
  return hasRunOut() ? u32.MAX_VALUE : size
}

/** Decodes the payload into the target; false when it is malformed. */
export function decode(codec: u32): bool {
  startDecoder(payloadStart, payload)
  const isFiltered = codeBit(0, FILTER_CHANCE)
  if (isFiltered) filterX86(window, reference)
  const isSound = codec == CODEC_LZ ? decodeLz(window, reference, target) : decodeBsdiff(window, reference, target)
  if (!isSound || !isConsumed()) return false
  if (isFiltered) unfilterX86(targetAt(), target)
  return true
}
