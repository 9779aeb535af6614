/**
 * The payload decoders of docs/formats/codecs.md once more, written for reading and not for speed: what the kernel is held
 * against. Undamaged payloads only.
 */
export function decodeSlowly(
  codec: 1 | 2,
  reference: Uint8Array,
  payload: Uint8Array,
  targetBytes: number,
): Uint8Array {
  const coder = new RangeDecoder(payload)
  const isFiltered = coder.bit(0x4000) === 1
  const known = isFiltered ? mapDistances(reference, 'filter') : reference
  const window = new Window(known, targetBytes)
  if (codec === 1) decodeLz(coder, window)
  else decodeBsdiff(coder, window)
  if (!coder.isConsumed) throw new Error('payload has bytes left over')
  return isFiltered ? mapDistances(window.target, 'unfilter') : window.target
}

/** Reference and target as one array; zeros outside. */
class Window {
  readonly bytes: Uint8Array
  readonly start: number
  position: number

  constructor(reference: Uint8Array, targetBytes: number) {
    this.bytes = new Uint8Array(reference.length + targetBytes)
    this.bytes.set(reference)
    this.start = reference.length
    this.position = reference.length
  }

  get target(): Uint8Array {
    return this.bytes.subarray(this.start)
  }

  get isFull(): boolean {
    return this.position === this.bytes.length
  }

  at(position: number): number {
    return this.bytes[position] ?? 0
  }

  /** Little-endian word of `count` bytes. */
  word(position: number, count: number): number {
    let value = 0
    for (let i = count - 1; i >= 0; i--) value = value * 256 + this.at(position + i)
    return value
  }

  push(byte: number): void {
    this.bytes[this.position++] = byte
  }
}

// --- range decoder, bits, numbers ----------------------------------------------------------------------------------------

class RangeDecoder {
  readonly #payload: Uint8Array
  #at = 0
  #range = 0xffffffff
  #code = 0

  constructor(payload: Uint8Array) {
    this.#payload = payload
    for (let i = 0; i < 4; i++) this.#shift()
  }

  get isConsumed(): boolean {
    return this.#at >= this.#payload.length && this.#at <= this.#payload.length + 4
  }

  #shift(): void {
    this.#code = ((this.#code << 8) | (this.#payload[this.#at++] ?? 0)) >>> 0
  }

  bit(chance: number): number {
    const bound = (this.#range >>> 16) * chance
    const bit = this.#code < bound ? 1 : 0
    if (bit === 1) {
      this.#range = bound
    } else {
      this.#code -= bound
      this.#range -= bound
    }
    while (this.#range < 0x1000000) {
      this.#range = (this.#range << 8) >>> 0
      this.#shift()
    }
    return bit
  }
}

class BitModel {
  #chance = 0x200000
  #seen = 0

  get chance(): number {
    return clamp(this.#chance >> 6, 32, 65536 - 32)
  }

  learn(bit: number): void {
    const rate = Math.floor(131072 / (2 * this.#seen + 3))
    const goal = bit === 1 ? 0x3fffff : 0
    this.#chance += Math.floor(((goal - this.#chance) * rate) / 65536)
    this.#seen = Math.min(this.#seen + 1, 30)
  }

  decode(coder: RangeDecoder): number {
    const bit = coder.bit(this.chance)
    this.learn(bit)
    return bit
  }
}

/** Models by number, made when first asked for. */
class Models<Model> {
  readonly #models = new Map<number, Model>()
  readonly #make: () => Model

  constructor(make: () => Model) {
    this.#make = make
  }

  get(index: number): Model {
    let model = this.#models.get(index)
    if (model === undefined) this.#models.set(index, (model = this.#make()))
    return model
  }
}

class NumberModel {
  readonly #slots = new Models(() => new BitModel())
  readonly #extra = new Models(() => new BitModel())

  decode(coder: RangeDecoder): number {
    let node = 1
    for (let i = 0; i < 6; i++) node = node * 2 + this.#slots.get(node).decode(coder)
    const slot = node - 64
    if (slot < 4) return slot
    let value = 2 + (slot & 1)
    const extraBits = (slot >> 1) - 1
    node = 1
    for (let i = 0; i < extraBits; i++) {
      const bit = i < 4 ? this.#extra.get(slot * 16 + node).decode(coder) : coder.bit(0x8000)
      node = node * 2 + bit
      value = value * 2 + bit
    }
    return value
  }
}

// --- mixing --------------------------------------------------------------------------------------------------------------

const SQUASH = squashTable()
const STRETCH = stretchTable()

function squashTable(): Map<number, number> {
  const table = new Map<number, number>()
  let exponential = 2n ** 32n
  for (let k = 0; k <= 3071; k++) {
    const chance = 2n ** 48n / (2n ** 32n + exponential)
    const bounded = Number(chance > 65535n ? 65535n : chance)
    table.set(k, bounded)
    table.set(-k, 65536 - bounded)
    exponential = (exponential * 4278222805n) >> 32n
  }
  return table
}

function stretchTable(): number[] {
  const table: number[] = []
  let x = -3071
  for (let i = 0; i < 4096; i++) {
    while (x < 3071 && squash(x) < 16 * i + 8) x++
    table.push(clamp(x, -2047, 2047))
  }
  return table
}

function squash(sum: number): number {
  return SQUASH.get(clamp(sum, -3071, 3071)) ?? 0
}

function stretch(chance: number): number {
  return STRETCH[chance] ?? 0
}

/** Chance of a 1 less one half, in 4096ths, and how often it was seen. */
class Slot {
  lean = 0
  seen = 0

  learn(bit: number): void {
    const rate = Math.round(32768 / (this.seen + 1.6))
    this.lean += (((bit === 1 ? 2047 : -2048) - this.lean) * rate + 16384) >> 15
    this.seen = Math.min(this.seen + 1, 15)
  }

  get inputs(): [number, number] {
    return [stretch(this.lean + 2048), this.lean >> 1]
  }
}

class WeightSet {
  readonly weights: number[]

  constructor(start: number) {
    this.weights = Array.from({ length: 16 }, () => start)
  }

  sum(inputs: readonly number[]): number {
    return inputs.reduce((sum, input, i) => sum + input * (this.weights[i] ?? 0), 0)
  }

  learn(inputs: readonly number[], error: number): void {
    inputs.forEach((input, i) => {
      const step = clamp((input * error + 16384) >> 15, -32768, 32767)
      this.weights[i] = clamp((this.weights[i] ?? 0) + step, -32768, 32767)
    })
  }
}

class ChanceMap {
  readonly #nodes = Array.from({ length: 33 }, (_, k) => squash((k - 16) * 192))

  at(sum: number): number {
    const [step, weight] = [Math.floor((sum + 3072) / 192), (sum + 3072) % 192]
    return Math.floor(((this.#nodes[step] ?? 0) * (192 - weight) + (this.#nodes[step + 1] ?? 0) * weight) / 192)
  }

  learn(sum: number, bit: number): void {
    const [step, weight] = [Math.floor((sum + 3072) / 192), (sum + 3072) % 192]
    const nearer = step + (weight >= 96 ? 1 : 0)
    const chance = this.#nodes[nearer] ?? 0
    this.#nodes[nearer] = chance + (((bit === 1 ? 65535 : 0) - chance) >> 6)
  }
}

interface Bucket {
  check: number
  slots: Slot[]
}

function newSlots(): Slot[] {
  return Array.from({ length: 16 }, () => new Slot())
}

/** A byte that may come, and a class of trust. */
interface Expectation {
  readonly byte: number
  readonly trust: number
}

class ByteModel {
  readonly #bits: number
  readonly #tables = Array.from({ length: 7 }, () => new Models<Bucket>(() => ({ check: 0, slots: newSlots() })))
  readonly #modeWeights = new Models(() => new WeightSet(1638))
  readonly #partialWeights = new Models(() => new WeightSet(1638))
  readonly #previousWeights = new Models(() => new WeightSet(1638))
  readonly #trust = [new Models(() => new BitModel()), new Models(() => new BitModel())] as const
  readonly #modeMaps = new Models(() => new ChanceMap())
  readonly #previousMaps = new Models(() => new ChanceMap())

  constructor(targetBytes: number) {
    this.#bits = clamp((targetBytes < 2 ? 1 : Math.ceil(Math.log2(targetBytes))) - 2, 10, 18)
  }

  decode(
    coder: RangeDecoder,
    contexts: readonly number[],
    previous: number,
    mode: number,
    expected: readonly [Expectation, Expectation],
  ): number {
    const keys = contexts.map((context, i) => (Math.imul(context, 0x2c1b3c6d) + i) >>> 0)
    const modelOf = expected.map(({ trust }, i) => (this.#trust[i] ?? this.#trust[0]).get(trust))
    const previousSet = this.#previousWeights.get(previous)
    let partial = 1
    for (let half = 0; half < 2; half++) {
      const salt = half === 0 ? 0 : Math.imul(partial, 0x3f4a7c15)
      const buckets = keys.map((key, i) => this.#bucket(i, (key ^ salt) >>> 0))
      let node = 1
      for (let k = 0; k < 4; k++) {
        const left = 7 - 4 * half - k
        const slots = buckets.map((bucket) => bucket.slots[node] as Slot)
        const bits = expected.map(({ byte }) =>
          byte >= 0 && (byte | 256) >> (left + 1) === partial ? (byte >> left) & 1 : -1,
        )
        const votes = bits.map((bit, i) => {
          const strength = stretch((modelOf[i]?.chance ?? 0) >> 4)
          return bit < 0 ? 0 : bit === 1 ? strength : -strength
        })
        const inputs = [
          ...slots.map((slot) => slot.inputs[0]),
          votes[0] ?? 0,
          ...slots.map((slot) => slot.inputs[1]),
          votes[1] ?? 0,
        ]
        const sets = [
          this.#modeWeights.get(mode * 4 + agreement(bits[0] ?? -1, bits[1] ?? -1)),
          this.#partialWeights.get(partial),
          previousSet,
        ]
        const total = sets.reduce((sum, set) => sum + set.sum(inputs), 0)
        const sum = clamp((total | 0) >> 14, -3071, 3071)
        const mixed = squash(sum)
        const maps = [
          this.#modeMaps.get(mode * 256 + partial),
          this.#previousMaps.get(Math.imul(previous * 256 + partial, 0x9e3779b1) >>> 18),
        ]
        const mapped = maps.reduce((chances, map) => chances + map.at(sum), 2 * mixed)
        const bit = coder.bit(clamp(mapped >> 2, 16, 65536 - 16))

        const error = ((bit * 65536 - mixed) * 10) >> 8
        for (const set of sets) set.learn(inputs, error)
        for (const map of maps) map.learn(sum, bit)
        bits.forEach((expectedBit, i) => {
          if (expectedBit >= 0) modelOf[i]?.learn(expectedBit === bit ? 1 : 0)
        })
        for (const slot of slots) slot.learn(bit)
        node = node * 2 + bit
        partial = partial * 2 + bit
      }
    }
    return partial & 0xff
  }

  #bucket(context: number, key: number): Bucket {
    let hash = Math.imul(key, 0x9e3779b1) >>> 0
    hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca77) >>> 0
    const check = hash & 0xffff
    const index = hash >>> (32 - this.#bits)
    const table = this.#tables[context] as Models<Bucket>
    const [first, second] = [table.get(index), table.get(index ^ 1)]
    if (first.check === check) return first
    if (second.check === check) return second
    const lost = (second.slots[1]?.seen ?? 0) < (first.slots[1]?.seen ?? 0) ? second : first
    lost.check = check
    lost.slots = newSlots()
    return lost
  }
}

function agreement(first: number, second: number): number {
  if (first < 0) return second < 0 ? 0 : 1
  if (second < 0) return 2
  return first === second ? 3 : 1
}

class FlagModel {
  readonly #slots = new Models(() => new Slot())
  readonly #weights = new Models(() => new WeightSet(4096))

  decode(coder: RangeDecoder, contexts: readonly number[], mode: number): number {
    const slots = contexts.map((context, i) => {
      let hash = Math.imul(context + i, 0x9e3779b1) >>> 0
      hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca77) >>> 0
      return this.#slots.get(i * 65536 + (hash >>> 16))
    })
    const inputs = [...slots.map((slot) => slot.inputs[0]), ...slots.map((slot) => slot.inputs[1])]
    const set = this.#weights.get(mode)
    const mixed = squash((set.sum(inputs) | 0) >> 14)
    const bit = coder.bit(clamp(mixed, 16, 65536 - 16))
    set.learn(inputs, ((bit * 65536 - mixed) * 12) >> 8)
    for (const slot of slots) slot.learn(bit)
    return bit
  }
}

// --- codec 1 -------------------------------------------------------------------------------------------------------------

function decodeLz(coder: RangeDecoder, window: Window): void {
  const bytes = new ByteModel(window.bytes.length - window.start)
  const bit = (): BitModel => new BitModel()
  const number = (): NumberModel => new NumberModel()
  const isCopy = new Models(bit)
  const isKnown = new Models(bit)
  const rank = new Models(bit)
  const isNear = new Models(bit)
  const newLength = number()
  const lastLength = new Models(number)
  const olderLength = number()
  const nearDistance = number()
  const farDistance = new Models(number)

  const distances = Array.from({ length: 4 }, () => Math.max(window.start, 1))
  let diagonal = Math.max(window.start, 1)
  let kinds = 0
  let literals = 7
  let hits = 0

  const literal = (): void => {
    const { position } = window
    const distance = distances[0] ?? 0
    const word = position >= 4 ? window.word(position - 4, 4) : 0
    const previous = word >>> 24
    const expected = distance <= position ? window.at(position - distance) : -1
    const following = distance <= position && distance > 1 ? window.at(position - distance + 1) : 0
    const contexts = [
      previous | 0x100,
      (word >>> 16) | 0x20000,
      Math.imul(word >>> 8, 0x2f0b4c47),
      Math.imul(word, 0x3c6ef372) ^ 0x1234567,
      ((expected + 1) << 8) | previous | 0x3000000,
      (((expected + 1) << 8) | following | (Math.min(literals, 1) << 17)) + 0x4000000,
      ((word >>> 8) & 0xffff) | (((position - window.start) & 3) << 16) | 0x5000000,
    ]
    const trust = literals * 8 + hits * 2 + ((kinds & 0x30) === 0 ? 0 : 1)
    const byte = bytes.decode(coder, contexts, previous, Math.min(literals, 3) * 4 + hits, [
      { byte: expected, trust },
      { byte: -1, trust: 0 },
    ])
    window.push(byte)
    hits = byte === expected ? Math.min(hits + 1, 3) : 0
    literals = Math.min(literals + 1, 7)
    kinds = (kinds << 2) & 63
  }

  const copy = (): void => {
    let length: number
    let kind: number
    if (isKnown.get(kinds).decode(coder) === 1) {
      let which = 0
      while (which < 3 && rank.get(kinds * 3 + which).decode(coder) === 1) which++
      distances.unshift(...distances.splice(which, 1))
      kind = which === 0 ? 2 : 3
      length = which === 0 ? lastLength.get((kinds & 3) === 0 ? 0 : 1).decode(coder) + 1 : olderLength.decode(coder) + 2
    } else {
      kind = 1
      length = newLength.decode(coder) + 2
      let distance: number
      if (isNear.get(kinds).decode(coder) === 1) distance = diagonal + unzigzag(nearDistance.decode(coder))
      else distance = farDistance.get(Math.min(length - 2, 3)).decode(coder) + 1
      distances.unshift(distance)
      distances.pop()
    }
    kinds = ((kinds << 2) | kind) & 63
    literals = 0
    hits = 0
    const distance = distances[0] ?? 0
    if (distance > window.position - window.start) diagonal = distance
    for (let i = 0; i < length; i++) window.push(window.at(window.position - distance))
  }

  while (!window.isFull) {
    if (isCopy.get(kinds * 4 + ((window.position - window.start) & 3)).decode(coder) === 1) copy()
    else literal()
  }
}

// --- codec 2 -------------------------------------------------------------------------------------------------------------

function decodeBsdiff(coder: RangeDecoder, window: Window): void {
  const bytes = new ByteModel(window.bytes.length - window.start)
  const flags = new FlagModel()
  const gapModel = new NumberModel()
  const lengthModel = new NumberModel()
  const offsetModel = new NumberModel()
  const jumps = new Models(() => new BitModel())
  const matches = new MatchModel(window)
  const lastRun = Array.from({ length: 8 }, () => 0)
  const runBefore = Array.from({ length: 8 }, () => 0)
  let cursor = 0
  let pieceFlags = 0
  let byteFlags = 0
  let since = 0
  let run = 0
  let difference1 = 0
  let difference2 = 0

  const free = (end: number): void => {
    matches.start()
    let guess = cursor
    let literals = 0
    let hits = 0
    while (window.position < end) {
      const { position } = window
      matches.look()
      const word = position >= 4 ? window.word(position - 4, 4) : 0
      const earlier = position >= 8 ? window.word(position - 8, 4) : 0
      const previous = word >>> 24
      const likely = matches.expected
      const aligned = guess < window.start ? window.at(guess) : -1
      const lengthClass = matches.length === 0 ? 0 : matches.length < 16 ? 1 : matches.length < 24 ? 2 : 3
      const contexts = [
        previous | 0x31000000,
        (word >>> 16) | 0x32000000,
        Math.imul(word >>> 8, 0x2f0b4c47) + 3,
        Math.imul(word, 0x3c6ef372) ^ 0x34234567,
        Math.imul(word, 0x3c6ef372) ^ Math.imul(earlier >>> 16, 0x2f0b4c47),
        (((likely + 1) << 8) | previous | (lengthClass << 20)) + 0x36000000,
        ((word >>> 8) & 0xffff) | 0x37000000,
      ]
      const byte = bytes.decode(coder, contexts, previous, lengthClass, [
        { byte: likely, trust: Math.min(matches.length, 32) + 24 },
        { byte: aligned, trust: literals * 4 + hits },
      ])
      window.push(byte)
      matches.learn(byte)
      hits = byte === aligned ? Math.min(hits + 1, 3) : 0
      literals = Math.min(literals + 1, 3)
      guess++
    }
  }

  const pieceFlag = (piece: number, left: number, from: number): number => {
    const contexts = [
      (pieceFlags & 0xff) | 0x1000000,
      (pieceFlags & 0xffff) | 0x2000000,
      (pieceFlags & 7) | (piece << 3) | 0x3000000,
      (pieceFlags & 15) | (Math.floor(Math.log2(left)) << 4) | 0x4000000,
      (from >> 12) | 0x5000000,
      (pieceFlags & 3) | (Math.floor(Math.log2(since | 1)) << 2) | 0x6000000,
      ones(pieceFlags) | 0x7000000,
      (pieceFlags & 1) | (window.at(from) << 1) | 0x8000000,
    ]
    const flag = flags.decode(coder, contexts, pieceFlags & 7)
    pieceFlags = (pieceFlags << 1) | flag
    return flag
  }

  const byteFlag = (from: number, seen: number, left: number): number => {
    const old = window.at(from)
    const previousOld = window.at(from - 1)
    const previousNew = window.at(window.position - 1)
    const contexts = [
      (byteFlags & 63) | (Math.min(since, 31) << 6) | 0x11000000,
      old | (previousOld << 8) | ((byteFlags & 1) << 16) | 0x12000000,
      (byteFlags & 0xffff) | 0x13000000,
      old | (previousNew << 8) | ((byteFlags & 3) << 16) | 0x14000000,
      left | (Math.min(seen, 7) << 6) | ((byteFlags & 3) << 10) | 0x15000000,
      Math.imul(window.word(from - 3, 4), 0x2f0b4c47) ^ (byteFlags & 1),
      (byteFlags & 7) | (run << 3) | (difference1 << 8) | 0x17000000,
      (previousOld | (window.at(from - 2) << 8) | ((byteFlags & 7) << 16)) + 0x18000000,
    ]
    return flags.decode(coder, contexts, 8 | (byteFlags & 7))
  }

  const differing = (from: number): void => {
    const old = window.at(from)
    const index = Math.min(run, 7)
    const last = lastRun[index] ?? 0
    const following = from + 1 < window.start ? window.at(from + 1) : 0
    const contexts = [
      index | (difference1 << 8) | 0x21000000,
      (index | (difference1 << 8) | (difference2 << 16)) + 0x22000000,
      (index | (last << 8) | (difference1 << 16)) + 0x23000000,
      Math.imul(index | (window.word(from - run - 2, 2) << 8), 0x2f0b4c47) + difference1,
      (old | (following << 8) | (index << 16)) + 0x25000000,
      (old | (window.at(window.position - 1) << 8) | (difference1 << 16)) + 0x26000000,
      Math.imul((Math.floor(from / 4096) << 12) | (index << 8) | difference1, 0x3c6ef372),
    ]
    const difference = bytes.decode(coder, contexts, difference1, 8 + Math.min(index, 3), [
      { byte: last, trust: 16 + index },
      { byte: runBefore[index] ?? 0, trust: 16 + index },
    ])
    window.push((old + difference) & 0xff)
    runBefore[index] = last
    lastRun[index] = difference
    difference2 = difference1
    difference1 = difference
    run = Math.min(run + 1, 15)
    since = 0
  }

  const likeness = (length: number, start: number): void => {
    const end = window.position + length
    let from = start
    while (window.position < end) {
      const piece = Math.min(32, end - window.position)
      if (pieceFlag(piece, end - window.position, from) === 0) {
        for (let i = 0; i < piece; i++) window.push(window.at(from + i))
        since = Math.min(since + piece, 0xffff)
        byteFlags = 0
        run = 0
      } else {
        let seen = 0
        for (let i = 0; i < piece; i++) {
          const differs = seen > 0 || i + 1 < piece ? byteFlag(from + i, seen, piece - i) : 1
          if (differs === 1) {
            differing(from + i)
            seen++
          } else {
            window.push(window.at(from + i))
            run = difference1 = difference2 = 0
            since = Math.min(since + 1, 0xffff)
          }
          byteFlags = (byteFlags << 1) | differs
        }
      }
      from += piece
    }
  }

  while (!window.isFull) {
    const gap = gapModel.decode(coder)
    if (gap > 0) free(window.position + gap)
    if (window.isFull) return
    const length = lengthModel.decode(coder) + 1
    let from = cursor + gap
    const kind = gap > 0 ? 2 : 0
    if (jumps.get(kind).decode(coder) === 1) {
      if (gap > 0 && jumps.get(kind + 1).decode(coder) === 1) from = cursor
      else from += unzigzag(offsetModel.decode(coder))
    }
    likeness(length, from)
    cursor = from + length
  }
}

/** Where the six bytes before the position were last seen. */
class MatchModel {
  readonly #window: Window
  readonly #bits: number
  readonly #heads = new Map<number, number>()
  #indexed = 6
  #at = 0
  length = 0

  constructor(window: Window) {
    this.#window = window
    const size = window.bytes.length
    this.#bits = clamp(size < 2 ? 1 : Math.ceil(Math.log2(size)), 10, 22)
  }

  get expected(): number {
    return this.length > 0 ? this.#window.at(this.#at) : -1
  }

  #hash(position: number): number {
    const [last4, two] = [this.#window.word(position - 4, 4), this.#window.word(position - 6, 2)]
    return Math.imul(Math.imul(last4, 0x9e3779b1) ^ Math.imul(two, 0x85ebca77), 0xc2b2ae3d) >>> (32 - this.#bits)
  }

  start(): void {
    for (; this.#indexed < this.#window.position; this.#indexed++)
      this.#heads.set(this.#hash(this.#indexed), this.#indexed)
    this.length = 0
  }

  look(): void {
    const { position } = this.#window
    if (position < 6) return
    const candidate = this.#heads.get(this.#hash(position)) ?? 0
    if (this.length < 16 && candidate > 0) {
      let length = 0
      const limit = Math.min(candidate, 32)
      while (length < limit && this.#window.at(candidate - length - 1) === this.#window.at(position - length - 1))
        length++
      if (length > this.length && length >= 6) {
        this.#at = candidate
        this.length = length
      }
    }
    this.#heads.set(this.#hash(position), position)
    this.#indexed = Math.max(this.#indexed, position + 1)
  }

  learn(byte: number): void {
    if (this.length === 0) return
    if (byte === this.expected) {
      this.length = Math.min(this.length + 1, 39)
      this.#at++
    } else {
      this.length = 0
    }
  }
}

// --- the x86 filter ------------------------------------------------------------------------------------------------------

function mapDistances(original: Uint8Array, direction: 'filter' | 'unfilter'): Uint8Array {
  const bytes = original.slice()
  const view = new DataView(bytes.buffer)
  const size = bytes.length
  let behind = 0
  for (let i = 1; i + 4 <= size; ) {
    const unread = i - behind
    const before = (count: number): number => (unread >= count ? (bytes[i - count] ?? 0) : 0)
    const isCall = (before(1) & 0xfe) === 0xe8
    const isOperand =
      unread >= 2 &&
      (before(1) & 0xc7) === 5 &&
      (before(2) === 0xff || before(2) === 0x8b || (before(3) & 0xf8) === 0x48 || before(3) === 0x0f)
    if (!isCall && !isOperand) {
      i++
      continue
    }
    behind = i + 4
    const value = view.getInt32(i, true)
    if (value >= -behind && value < size) {
      if (direction === 'filter') view.setInt32(i, value < size - behind ? value + behind : value - size, true)
      else view.setInt32(i, value >= 0 ? value - behind : value + size, true)
    }
    i = behind
  }
  return bytes
}

function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most)
}

function ones(value: number): number {
  let count = 0
  for (let rest = value >>> 0; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2
  return count
}
