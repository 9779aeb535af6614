/** One figure of a benchmark. */
export interface BenchResult {
  /** What was measured, on which input: `copy a 100 MB layer, registry → oci:`. */
  readonly what: string
  readonly value: number
  /** `ms`, `MB`, `MB/s`, `×`, … */
  readonly unit: string
  /** What it should stay below, where there is a promise. */
  readonly limit?: number | undefined
  /** What it should stay above, where there is a promise. */
  readonly minimum?: number | undefined
  /** Anything needed to understand the figure: versions, settings, the peer's own figure. */
  readonly note?: string | undefined
}

/** What a file `bench/NAME.ts` exports. */
export interface Bench {
  /** As it is called for: `npm run bench -- NAME`. */
  readonly name: string
  run(): Promise<readonly BenchResult[]>
}

/** The middle one of several measurements, which one slow run can't spoil. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted[Math.floor(sorted.length / 2)]
  if (middle === undefined) throw new RangeError('median() of nothing')
  return middle
}
