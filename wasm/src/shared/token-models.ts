// Codes tokens given the plain bytes they stand for. Where a token is expected - it begins here in another stream of the
// same bytes - one bit says whether it came. Everywhere else the candidates of the match finder are what the token is
// chosen from. docs/formats/token-recipe.md has the same in words.

import { codeModelled, codeNumber, NUMBER_MODEL_BYTES } from './bit-model'
import { distanceSymbol, lengthSymbol, LONG_258, MATCH } from './deflate-format'
import { codeFlag, setFlagContext } from './flag-model'
import { hasRunOut, isEncoding } from './range-coder'
import {
  byteAt,
  candidateCount,
  candidateDistance,
  candidateHops,
  candidateLength,
  copyLength,
  findCandidates,
  isCopy,
  known,
  noteStored,
  noteToken,
  WINDOW_BYTES,
  windowSize,
} from './token-window'

/** u32 by offset in the window: the token expected there, NO_HINT where none is; a literal is any value below 256. */
const hints = memory.data(4 * 0x10000, 64)
const tokens = memory.data(4 * 0x10000, 64)
export const NO_HINT: u32 = 0x7fffffff

/** How often symbols came in the present block. */
export const literalCounts = memory.data(4 * 288, 16)
export const distanceCounts = memory.data(4 * 32, 16)

const BIT_MODELS = 512
const bits = memory.data(4 * 512, 16)
const ALL_EXPECTED: u32 = 0 // 4: the last two times
const EXPECTED: u32 = 16 // 4 kinds << 5: the last five times
const BARE_MATCH: u32 = 160 // 4: expectation
const OFF_CANDIDATES: u32 = 176 // 16: the last four times
const OFF_FULL: u32 = 192 // 1
const IS_LONG_258: u32 = 193 // 1
const numbers = memory.data((64 + 1024) * 4 * 24, 16)
const SHORTFALL: u32 = 0 // 16: length
const OFF_DISTANCE: u32 = 16
const OFF_SHORTFALL: u32 = 17

/** Tokens that took more than sharing in a run of expected ones: the measure of work, and of payload. */
let codedTokens: u32 = 0

/** Offset in the window, and how many of its tokens came before. */
let at: u32 = 0
let tokenAt: u32 = 0

// what contexts are made of
let allExpected: u32 = 0
let expected: u32 = 0
let offCandidates: u32 = 0
let kinds: u32 = 0
let literalRun: u32 = 0
let lastLength: u32 = 0
let lastLongest: u32 = 0
let choices: u32 = 0

export function beginTokens(): void {
  memory.fill(bits, 0, 4 * BIT_MODELS)
  memory.fill(numbers, 0, NUMBER_MODEL_BYTES * 24)
  at = tokenAt = codedTokens = 0
  allExpected = expected = offCandidates = kinds = literalRun = lastLength = lastLongest = choices = 0
}

export function hintsAt(): usize {
  return hints
}

export function tokensAt(): usize {
  return tokens
}

/** Offset of the next token in the window; beyond its end when a match leads there. */
export function tokenOffset(): u32 {
  return at
}

/** Tokens coded one by one since the last call. */
export function takeCodedTokens(): u32 {
  const count = codedTokens
  codedTokens = 0
  return count
}

export function turnWindow(): void {
  at -= windowSize()
  tokenAt = 0
  for (let p = hints, end = hints + (WINDOW_BYTES << 2); p < end; p += 4) store<u32>(p, NO_HINT)
}

export function beginCounts(): void {
  memory.fill(literalCounts, 0, 4 * 288)
  memory.fill(distanceCounts, 0, 4 * 32)
}

/** Passes stored bytes, which have no tokens. */
export function skipBytes(bytes: u32): void {
  noteStored(at, bytes)
  at += bytes
}

/**
 * Codes tokens until there are `count` of them or they reach offset `limit`; gives their number, or -1 when they can't be.
 */
export function codeTokens(count: u32, limit: u32): i32 {
  const first = tokenAt
  if (at >= limit || count == 0) return 0
  if (load<u32>(hints + (at << 2)) != NO_HINT) {
    const as = isEncoding() ? u32(areExpected(count, limit)) : 0
    const all = codeModelled(bits + ((ALL_EXPECTED + allExpected) << 2), as)
    allExpected = ((allExpected << 1) | all) & 3
    if (all) return takeExpected(count, limit) ? <i32>(tokenAt - first) : -1
  }
  for (let left = count; left > 0 && at < limit; left--) {
    if (!codeToken() || hasRunOut()) return -1
    codedTokens++
  }
  return <i32>(tokenAt - first)
}

/** The token expected at an offset, NO_HINT when there is none or it stands for something else. */
function expectedAt(offset: u32): u32 {
  const hint = load<u32>(hints + (offset << 2))
  if (hint == NO_HINT) return hint
  if (!(hint & MATCH)) return byteAt(offset)
  return isCopy(offset, lengthOf(hint), (hint & 0x7fff) + 1) ? hint : NO_HINT
}

function lengthOf(token: u32): u32 {
  return token & MATCH ? ((token >> 16) & 0xff) + 3 : 1
}

function areExpected(count: u32, limit: u32): bool {
  let offset = at
  for (let i = tokenAt, end = tokenAt + count; i < end && offset < limit; i++) {
    const token = load<u32>(tokens + (i << 2))
    if (expectedAt(offset) != token) return false
    offset += lengthOf(token)
  }
  return true
}

function takeExpected(count: u32, limit: u32): bool {
  while (count-- > 0 && at < limit) {
    const token = expectedAt(at)
    if (token == NO_HINT) return false
    accept(token)
  }
  expected = 31
  return true
}

/** The token is known: everything that follows from it. */
function accept(token: u32): void {
  store<u32>(tokens + (tokenAt++ << 2), token)
  const length = lengthOf(token)
  noteToken(at, length)
  let slot = literalCounts + (token << 2)
  if (token & MATCH) {
    const isLong = length == 258 && (token & LONG_258) != 0
    slot = literalCounts + ((257 + (isLong ? 27 : lengthSymbol(length - 3))) << 2)
    const far = distanceCounts + (distanceSymbol(token & 0x7fff) << 2)
    store<u32>(far, load<u32>(far) + 1)
    literalRun = 0
    lastLength = length
    kinds = (kinds << 1) | 1
  } else {
    literalRun++
    kinds <<= 1
  }
  store<u32>(slot, load<u32>(slot) + 1)
  at += length
}

function codeToken(): bool {
  const actual = isEncoding() ? load<u32>(tokens + (tokenAt << 2)) : 0
  const hint = expectedAt(at)
  let expectation: u32 = 0
  if (hint != NO_HINT) {
    expectation = hint & MATCH ? 2 : 1
    const kind: u32 = !(hint & MATCH) ? 0 : lengthOf(hint) < 6 ? 1 : lengthOf(hint) < 16 ? 2 : 3
    const came = codeModelled(bits + ((EXPECTED + ((kind << 5) | expected)) << 2), u32(actual == hint))
    expected = ((expected << 1) | came) & 31
    if (came) {
      lastLongest = 0
      accept(hint)
      return true
    }
  }
  const set = findCandidates(at)
  const count = candidateCount(set)
  let isMatch = actual >> 31
  if (count == 0) {
    isMatch = codeModelled(bits + ((BARE_MATCH + expectation) << 2), isMatch)
    if (!isMatch) {
      lastLongest = 0
      accept(byteAt(at))
      return true
    }
    return codeOther(actual)
  }
  isMatch = codeIsMatch(set, count, expectation, isMatch)
  if (!isMatch) {
    lastLongest = candidateLength(set, count - 1)
    accept(byteAt(at))
    return true
  }
  lastLongest = 0
  return codeMatch(set, count, actual)
}

/** A number of a few steps that grow with it. */
function step(value: u32): u32 {
  if (value < 12) return value
  const length: u32 = 31 - clz(value)
  return 6 + (length << 1) + ((value >> (length - 1)) & 1)
}

function mix(a: u32, b: u32): u32 {
  return (a * 0x2c1b3c6d + b + 1) * 0x297a2d39
}

function codeIsMatch(set: u32, count: u32, expectation: u32, isMatch: u32): u32 {
  const length = candidateLength(set, count - 1)
  const distance = candidateDistance(set, count - 1)
  const hops = candidateHops(set, count - 1)
  const near = candidateLength(set, 0)
  let nextLength: u32 = 0
  let nextDistance: u32 = 0
  if (at + 1 < known()) {
    const next = findCandidates(at + 1)
    const nexts = candidateCount(next)
    if (nexts > 0) {
      nextLength = candidateLength(next, nexts - 1)
      nextDistance = candidateDistance(next, nexts - 1)
    }
  }
  const l = step(length) | (expectation << 6)
  const n = step(nextLength)
  const d = distanceSymbol(distance - 1)
  const w = step(lastLongest)
  setFlagContext(0, mix(l | (n << 8), 1))
  setFlagContext(1, mix(l | (d << 8) | ((kinds & 1) << 16), 2))
  setFlagContext(2, mix(l | (n << 8) | ((kinds & 7) << 16), 3))
  setFlagContext(3, mix(l | (step(hops) << 8) | (step(near) << 16) | (w << 24), 4))
  setFlagContext(4, mix(l | (n << 8) | (d << 16) | (distanceSymbol(nextDistance) << 24), 5))
  setFlagContext(5, mix(l | (byteAt(at) << 8) | (byteAt(at + 1) << 16), 6))
  setFlagContext(6, mix(l | (step(min(literalRun, 255)) << 8) | (n << 16), 7))
  setFlagContext(7, mix(l | (w << 8) | (step(lastLength) << 16) | ((kinds & 15) << 24), 8))
  return codeFlag(isMatch, length < 4 ? 0 : length < 5 ? 1 : length < 8 ? 2 : length < 16 ? 3 : 4)
}

function codeMatch(set: u32, count: u32, actual: u32): bool {
  const distance = (actual & 0x7fff) + 1
  let chosen: u32 = 0
  if (isEncoding()) {
    while (chosen < count && candidateDistance(set, chosen) != distance) chosen++
    if (chosen < count && candidateLength(set, chosen) < lengthOf(actual)) return false
  }
  const isOff = codeModelled(bits + ((OFF_CANDIDATES + offCandidates) << 2), u32(chosen == count))
  offCandidates = ((offCandidates << 1) | isOff) & 15
  if (isOff) return codeOther(actual)
  if (count > 1) chosen = codeChoice(set, count, chosen)
  return codeLength(set, count, chosen, actual)
}

/** Which candidate: the longest, the nearest, or one between. */
function codeChoice(set: u32, count: u32, chosen: u32): u32 {
  const top = count - 1
  if (codeCandidateFlag(set, top, top - 1, u32(chosen == top), 5)) return top
  if (top == 1) return 0
  if (codeCandidateFlag(set, 0, top, u32(chosen == 0), 6)) return 0
  let i = top - 1
  for (; i > 1; i--) {
    if (codeCandidateFlag(set, i, i - 1, u32(chosen == i), 7)) break
  }
  return i
}

function codeCandidateFlag(set: u32, i: u32, other: u32, flag: u32, mode: u32): u32 {
  const length = step(candidateLength(set, i))
  const otherLength = step(candidateLength(set, other))
  const distance = distanceSymbol(candidateDistance(set, i) - 1)
  const otherDistance = distanceSymbol(candidateDistance(set, other) - 1)
  const hops = step(candidateHops(set, i))
  const salt = mode << 28
  setFlagContext(0, mix(salt | length | (otherLength << 8), 11))
  setFlagContext(1, mix(salt | length | (distance << 8), 12))
  setFlagContext(2, mix(salt | length | (hops << 8), 13))
  setFlagContext(3, mix(salt | distance | (otherDistance << 8) | (length << 16), 14))
  setFlagContext(4, mix(salt | length | (otherLength << 6) | (distance << 12) | (otherDistance << 18), 15))
  setFlagContext(5, mix(salt | (choices & 15) | (hops << 8), 16))
  setFlagContext(6, mix(salt | length | ((choices & 3) << 8) | (step(lastLongest) << 16), 17))
  setFlagContext(7, mix(salt | step(i) | (length << 8) | (otherLength << 16), 18))
  const taken = codeFlag(flag, mode)
  choices = (choices << 1) | taken
  return taken
}

/** How much of the candidate is taken. */
function codeLength(set: u32, count: u32, chosen: u32, actual: u32): bool {
  const longest = candidateLength(set, chosen)
  const distance = candidateDistance(set, chosen)
  const shorter: u32 = chosen > 0 ? candidateLength(set, chosen - 1) : 2
  let length = lengthOf(actual)
  const l = step(longest)
  const s = step(shorter)
  const d = distanceSymbol(distance - 1)
  setFlagContext(0, mix(l | (s << 8), 21))
  setFlagContext(1, mix(l | (d << 8), 22))
  setFlagContext(2, mix(l | (step(chosen) << 8) | (step(count) << 16), 23))
  setFlagContext(3, mix(l | ((kinds & 7) << 8) | ((choices & 3) << 16), 24))
  setFlagContext(4, mix(byteAt(at + longest - 1) | (byteAt(at + longest) << 8), 25))
  setFlagContext(5, mix(l | (byteAt(at) << 8), 26))
  setFlagContext(6, mix(step(lastLength) | (l << 8), 27))
  setFlagContext(7, mix(longest, 28))
  const isFull = codeFlag(u32(length == longest), longest < 5 ? 8 : longest < 9 ? 9 : longest < 258 ? 10 : 11)
  if (isFull) length = longest
  else {
    if (longest == 3) return false
    const model = numbers + (SHORTFALL + min(l - 4, 15)) * NUMBER_MODEL_BYTES
    const shortfall = codeNumber(model, longest - length - 1)
    if (shortfall > longest - 4) return false
    length = longest - 1 - shortfall
  }
  return finishMatch(length, distance, actual)
}

function finishMatch(length: u32, distance: u32, actual: u32): bool {
  let token = MATCH | ((length - 3) << 16) | (distance - 1)
  if (length == 258 && codeModelled(bits + (IS_LONG_258 << 2), u32((actual & LONG_258) != 0))) token |= LONG_258
  accept(token)
  return true
}

/** A match that is no candidate: its distance, and how much of what can be copied from there. */
function codeOther(actual: u32): bool {
  const distance = codeNumber(numbers + OFF_DISTANCE * NUMBER_MODEL_BYTES, actual & 0x7fff) + 1
  if (distance > 0x8000) return false
  const longest = copyLength(at, distance)
  if (longest < 3) return false
  let length = lengthOf(actual)
  if (codeModelled(bits + (OFF_FULL << 2), u32(length == longest))) length = longest
  else {
    const shortfall = codeNumber(numbers + OFF_SHORTFALL * NUMBER_MODEL_BYTES, longest - length - 1)
    if (longest < 4 || shortfall > longest - 4) return false
    length = longest - 1 - shortfall
  }
  return finishMatch(length, distance, actual)
}
