/** `npm run bench [-- NAME…] [--json]`: runs the benchmarks that lie beside this file. */
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { formatTable } from '../src/cli/format/table.ts'
import type { Bench, BenchResult } from './support/result.ts'

const { values, positionals } = parseArgs({ options: { json: { type: 'boolean' } }, allowPositionals: true })
const benches = await loadBenches()
const unknown = positionals.filter((name) => benches.every((bench) => bench.name !== name))
if (unknown.length > 0) {
  console.error(`bench: no ${unknown.join(', ')}; there are ${benches.map((bench) => bench.name).join(', ')}`)
  process.exit(2)
}

const results: (BenchResult & { readonly bench: string })[] = []
for (const bench of benches) {
  if (positionals.length > 0 && !positionals.includes(bench.name)) continue
  console.error(`bench: ${bench.name} …`)
  for (const result of await bench.run()) results.push({ bench: bench.name, ...result })
}
const machine = {
  node: process.versions.node,
  platform: process.platform,
  arch: process.arch,
  cpus: availableParallelism(),
}
process.stdout.write(values.json === true ? `${JSON.stringify({ machine, results }, null, 2)}\n` : tableOf(results))

async function loadBenches(): Promise<readonly Bench[]> {
  const files = globSync('*.ts', { cwd: import.meta.dirname }).filter((file) => file !== 'main.ts')
  const modules: unknown[] = await Promise.all(files.sort().map((file) => import(`./${file}`)))
  return modules.filter(isBench)
}

function isBench(module: unknown): module is Bench {
  if (typeof module !== 'object' || module === null) return false
  return 'name' in module && typeof module.name === 'string' && 'run' in module && typeof module.run === 'function'
}

function tableOf(rows: typeof results): string {
  return formatTable(
    [
      { title: 'bench' },
      { title: 'what' },
      { title: 'value', align: 'right' },
      { title: 'unit' },
      { title: 'limit', align: 'right' },
      { title: 'note' },
    ],
    rows.map(({ bench, what, value, unit, limit, minimum, note }) => [
      bench,
      what,
      value.toPrecision(4),
      unit,
      limitText(value, limit, minimum),
      note ?? '',
    ]),
  )
}

function limitText(value: number, limit: number | undefined, minimum: number | undefined): string {
  if (limit !== undefined) return `${value <= limit ? '≤' : 'OVER'} ${limit}`
  return minimum === undefined ? '' : `${value >= minimum ? '≥' : 'UNDER'} ${minimum}`
}
