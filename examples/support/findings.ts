/** One line of the table that an example ends with. */
interface Finding {
  readonly what: string
  readonly found: string
  /** Undefined where the part was left out. */
  readonly isAsExpected: boolean | undefined
}

/** What an example found, against what it should. */
export class Findings {
  readonly #findings: Finding[] = []

  is(what: string, found: string, wanted: string): void {
    this.#findings.push({ what, found, isAsExpected: found === wanted })
  }

  /** Bytes that were received, and how many they were to stay below. */
  isBelow(what: string, bytes: number, limit: number): void {
    this.#findings.push({ what, found: `${bytes} bytes`, isAsExpected: bytes < limit })
  }

  leftOut(what: string, why: string): void {
    this.#findings.push({ what, found: `left out: ${why}`, isAsExpected: undefined })
  }

  /** Prints the table. The process fails where something is not as expected. */
  conclude(): void {
    const rows = [
      ['what', 'found', 'as expected'],
      ...this.#findings.map(({ what, found, isAsExpected }) => [what, found, verdict(isAsExpected)]),
    ]
    for (const [what = '', found = '', last = ''] of rows) console.log(`${what.padEnd(24)} ${found.padEnd(73)} ${last}`)
    if (this.#findings.some((finding) => finding.isAsExpected === false)) process.exitCode = 1
  }
}

function verdict(isAsExpected: boolean | undefined): string {
  return isAsExpected === undefined ? 'left out' : isAsExpected ? 'yes' : 'NO'
}
