/**
 * `npm run vectors`: makes what real encoders made of the inputs in `../shared/fixtures/gzip`, and compares digests. A row
 * with a model is made by its kernel; once it has the digest that was recorded, its bytes are those of the real encoder,
 * and they go the whole way: detect, recipe, made again, compared. Rows without a model go the same way when their encoder
 * is on this machine. Ends with `N exact, M fallback, K failed`.
 */
import { createHash } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { detectRecipe, formatRecipe, parseRecipe, type RandomBytes, regenerate } from '../src/recompress/index.ts'
import { bytesSource, mapLimited, readAllBytes } from '../src/stream/index.ts'
import { createThreadRunner } from '../src/workers/index.ts'
import { median } from '../bench/support/result.ts'
import { temporaryDirectory } from '../test/support/temporary-directory.ts'
import { RealEncoders } from './support/real-encoders.ts'
import { modelOf, readVectors, type VectorRow, type Vectors } from './support/vector-rows.ts'

/** What became of a row. */
interface Outcome {
  readonly kind: 'exact' | 'fallback' | 'failed'
  /** Left out where there is no recipe. */
  readonly recipeBytes?: number | undefined
  /** Of a fallback's recipe in the whole file. */
  readonly share?: number | undefined
  readonly note?: string | undefined
}

/** Recipes of exact rows are no larger. */
const MAX_EXACT_RECIPE_BYTES = 64

const { values } = parseArgs({
  options: {
    /** Only rows whose tool has this in its name. */
    tool: { type: 'string', default: '' },
    verbose: { type: 'boolean', default: false },
  },
})
const vectors = readVectors()
if (typeof vectors === 'string') {
  console.error(`vectors: ${vectors}`)
  process.exit(1)
}

const threads = availableParallelism()
await using kernels = createThreadRunner({ threads })
await using scratch = await temporaryDirectory()
await using encoders = new RealEncoders(scratch.join('input'))
const counts = { exact: 0, fallback: 0, failed: 0 }
const groups = Map.groupBy(
  vectors.rows.filter(({ tool }) => tool.includes(values.tool)),
  ({ tool, version }) => `${tool} ${version}`,
)
for (const [group, rows] of groups) {
  const outcomes = await mapLimited(rows, threads, (row) => tryRow(row, vectors))
  for (const { kind } of outcomes) counts[kind]++
  console.log(`${group}: ${summary(outcomes)}`)
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.kind !== 'failed' && !values.verbose) continue
    const { input, options } = rows[index] ?? { input: '', options: {} }
    console.log(`  ${outcome.kind}: ${input} ${JSON.stringify(options)} ${describe(outcome)}`)
  }
}
console.log(`${counts.exact} exact, ${counts.fallback} fallback, ${counts.failed} failed`)
if (counts.failed > 0) process.exitCode = 1

/** Runs a row; a fault of ours in it must not hide the others. */
async function tryRow(row: VectorRow, { inputs }: Vectors): Promise<Outcome> {
  const input = inputs.get(row.input)
  if (input === undefined) return { kind: 'failed', note: 'there is no such input' }
  try {
    return await runRow(row, input)
  } catch (error) {
    return { kind: 'failed', note: String(error) }
  }
}

async function runRow(row: VectorRow, input: Uint8Array): Promise<Outcome> {
  if (!row.first10.startsWith('1f8b')) return { kind: 'fallback', note: 'carried as it is' }
  const made = await makeByModel(row, input)
  if (made !== undefined) {
    if (sha256Of(made) !== row.sha256) return { kind: 'failed', note: 'its model makes something else' }
    const outcome = await roundTrip(made, input)
    return outcome.kind === 'fallback' ? { kind: 'failed', note: 'its encoder is not recognised' } : outcome
  }
  const real = await encoders.encode(row, input)
  if (typeof real === 'string') return { kind: 'fallback', note: `not run: ${real}` }
  const outcome = await roundTrip(real, input)
  const isSame = sha256Of(real) === row.sha256
  return isSame || outcome.kind === 'failed' ? outcome : { ...outcome, note: 'by another release' }
}

/** The whole gzip file, from its model alone. */
async function makeByModel(row: VectorRow, input: Uint8Array): Promise<Uint8Array | undefined> {
  const encoder = modelOf(row)
  if (encoder === undefined) return undefined
  const member = {
    header: Buffer.from(row.first10, 'hex'),
    plainBytes: input.length,
    encoder,
    flushes: [],
    checkpoints: [],
    corrections: new Uint8Array(0),
    trailer: { kind: 'standard' },
  } as const
  const recipe = { blobBytes: row.sizeBytes, members: [member], trailing: new Uint8Array(0) }
  return readAllBytes(regenerate(recipe, bytesSource(input), { kernels }), row.sizeBytes * 2, 'vector')
}

/** Detect, recipe, make again, compare. */
async function roundTrip(blob: Uint8Array, plain: Uint8Array): Promise<Outcome> {
  const found = await detectRecipe(randomBytes(blob), randomBytes(plain), { kernels })
  if (found === undefined) return { kind: 'fallback', note: 'no recipe: carried as it is' }
  const recipe = formatRecipe(found)
  const source = regenerate(parseRecipe(recipe), bytesSource(plain), { kernels })
  const again = await readAllBytes(source, blob.length * 2, 'blob made again')
  if (!Buffer.from(blob).equals(again)) return { kind: 'failed', note: 'made again, it is another' }
  const recipeBytes = recipe.length
  if (found.members.some(({ corrections }) => corrections.length > 0)) {
    return { kind: 'fallback', recipeBytes, share: recipeBytes / blob.length }
  }
  if (recipeBytes > MAX_EXACT_RECIPE_BYTES) return { kind: 'failed', note: `its recipe has ${recipeBytes} bytes` }
  return { kind: 'exact', recipeBytes }
}

function randomBytes(bytes: Uint8Array): RandomBytes {
  return {
    sizeBytes: bytes.length,
    open: ({ offset = 0, length = bytes.length - offset }) => bytesSource(bytes.subarray(offset, offset + length)),
  }
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function summary(outcomes: readonly Outcome[]): string {
  return (['exact', 'fallback', 'failed'] as const)
    .map((kind) => ({ kind, of: outcomes.filter((outcome) => outcome.kind === kind) }))
    .filter(({ of }) => of.length > 0)
    .map(({ kind, of }) => `${of.length} ${kind}${details(of)}`)
    .join(', ')
}

/** The largest recipe of exact rows; shares of the others, and what is to be said of them. */
function details(outcomes: readonly Outcome[]): string {
  const shares = outcomes.map(({ share }) => share).filter((share) => share !== undefined)
  const parts = new Set(outcomes.map(({ note }) => note).filter((note) => note !== undefined))
  if (outcomes[0]?.kind === 'exact') {
    parts.add(`recipes up to ${Math.max(...outcomes.map(({ recipeBytes = 0 }) => recipeBytes))} bytes`)
  }
  if (shares.length > 0) parts.add(`recipes ${percent(median(shares))}, at most ${percent(Math.max(...shares))}`)
  return parts.size === 0 ? '' : ` (${[...parts].join('; ')})`
}

function describe({ recipeBytes, share, note }: Outcome): string {
  return [
    recipeBytes === undefined ? undefined : `${recipeBytes} bytes`,
    share === undefined ? undefined : percent(share),
    note,
  ]
    .filter((part) => part !== undefined)
    .join(', ')
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`
}
