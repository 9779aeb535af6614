/** How long `tare --help` takes from the built package (`npm run build` first): what every use of the tool pays. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type BenchResult, median } from './support/result.ts'

const LAUNCHER = fileURLToPath(new URL('../bin/tare.js', import.meta.url))
const RUNS = 11

export const name = 'help'

export async function run(): Promise<readonly BenchResult[]> {
  const withTare = timesOf([LAUNCHER, '--help'])
  const bare = timesOf(['-e', '0'])
  return [
    {
      what: 'node bin/tare.js --help',
      value: median(withTare),
      unit: 'ms',
      limit: 150,
      note: `median of ${RUNS}; node alone ${median(bare).toFixed(0)} ms`,
    },
  ]
}

function timesOf(args: readonly string[]): readonly number[] {
  return Array.from({ length: RUNS }, () => {
    const begun = performance.now()
    execFileSync(process.execPath, [...args], { stdio: 'ignore' })
    return performance.now() - begun
  })
}
