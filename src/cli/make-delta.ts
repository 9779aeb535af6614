import { stat } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import type { BundleReport, DiffahOptions, DiffahReport, DiffOptions, ImagePair } from '../delta/index.ts'
import { TareError } from '../errors/index.ts'
import type { LayoutReference, OpenContext } from '../transport/index.ts'
import { diffTools, startCodecs } from './delta-tools.ts'
import { parseCount } from './option-values.ts'
import type { Run, VerbResult } from './run.ts'

/** The values that commander gathers for {@link addDeltaFormatOptions}. */
export interface DeltaFormatValues {
  readonly dryRun?: boolean
  readonly archiveFormat?: 'tare' | 'diffah'
  readonly intraLayer?: 'auto' | 'off' | 'required'
  readonly zstdLevel?: number
  readonly zstdWindowLog?: number | 'auto'
  readonly candidates?: number
  readonly compare?: boolean
}

/** Adds the options for how a delta is written, and `--dry-run`. */
export function addDeltaFormatOptions(command: Command): Command {
  return command
    .option('--dry-run', 'say what would be shipped and write nothing')
    .addOption(
      new Option('--archive-format <format>', 'diffah: an archive for those who still run diffah, which is larger')
        .choices(['tare', 'diffah'])
        .default('tare'),
    )
    .addOption(
      new Option('--intra-layer <mode>', 'off: ship changed layers whole')
        .choices(['auto', 'off', 'required'])
        .default('auto'),
    )
    .addOption(onlyForDiffah('--zstd-level <n>', 'how hard to try, 1 to 22').argParser(parseCount(1, 22)))
    .addOption(
      onlyForDiffah('--zstd-window-log <n>', 'log2 of what the receiver keeps, 10 to 31, or auto').argParser(windowLog),
    )
    .addOption(onlyForDiffah('--candidates <n>', 'baseline layers tried for each layer').argParser(parseCount(1, 100)))
    .option('--no-compare', 'for diffah: do not find out how much smaller a delta of Tare would be')
}

function onlyForDiffah(flags: string, description: string): Option {
  return new Option(flags, `for diffah: ${description}`)
}

function windowLog(text: string): number | 'auto' {
  return text === 'auto' ? 'auto' : parseCount(10, 31)(text)
}

/** What a delta is made of, and where it goes. */
export interface DeltaJob {
  readonly pairs: readonly ImagePair[]
  /** Whether it is a bundle, however many images it has. */
  readonly isBundle: boolean
  readonly output: LayoutReference
}

/**
 * Makes a delta as the options ask for, or says what it would be.
 *
 * @param resources - hold what is opened on the way
 */
export async function makeDelta(
  job: DeltaJob,
  values: DeltaFormatValues,
  run: Run,
  context: OpenContext,
  resources: AsyncDisposableStack,
): Promise<VerbResult> {
  const options = await diffTools(run)
  if (values.archiveFormat === 'diffah') return makeDiffah(job, values, run, options, resources)
  const patches = values.intraLayer === 'off' ? 'none' : 'all'
  return makeTare(job, values.dryRun === true, run, { ...options, patches }, context, resources)
}

async function makeTare(
  { pairs, isBundle, output }: DeltaJob,
  isDryRun: boolean,
  run: Run,
  options: Omit<DiffOptions, 'kernels'>,
  context: OpenContext,
  resources: AsyncDisposableStack,
): Promise<VerbResult> {
  const [{ diffBundle, diffImages, planBundle, planDiff }, { openDestination }, { bundleText }, { diffText }] =
    await Promise.all([
      import('../delta/index.ts'),
      import('../transport/index.ts'),
      import('./render/bundle-text.ts'),
      import('./render/delta-text.ts'),
    ])
  const [{ baselines, target, platforms }] = pairs as readonly [ImagePair]
  const single = { ...options, platforms }
  if (isDryRun && isBundle) {
    const report = await planBundle(pairs, options)
    return { kind: 'summary', report, text: bundleText(report) }
  }
  if (isDryRun) {
    const report = await planDiff(baselines, target, single)
    return { kind: 'summary', report, text: diffText(report) }
  }
  const kernels = resources.use(await startCodecs(run))
  const file = resources.use(await openDestination(output, context))
  if (isBundle) {
    const report = await written(output, await diffBundle(pairs, file, { ...options, kernels }))
    return { kind: 'summary', report, text: bundleText(report) }
  }
  const report = await written(output, await diffImages(baselines, target, file, { ...single, kernels }))
  return { kind: 'summary', report, text: diffText(report) }
}

async function makeDiffah(
  { pairs, isBundle, output }: DeltaJob,
  values: DeltaFormatValues,
  run: Run,
  tools: Omit<DiffOptions, 'kernels'>,
  resources: AsyncDisposableStack,
): Promise<VerbResult> {
  if (output.pick !== undefined) {
    throw new TareError('INVALID_ARGUMENT', 'an archive of diffah has no name inside', {
      hint: `Give ${output.path} alone`,
    })
  }
  const [{ diffDiffah, planDiffah }, { bundleText }] = await Promise.all([
    import('../delta/index.ts'),
    import('./render/bundle-text.ts'),
  ])
  const options: DiffahOptions = {
    ...tools,
    platforms: pairs[0]?.platforms,
    memoryBytes: run.settings.memoryBytes,
    intraLayer: values.intraLayer,
    level: values.zstdLevel,
    windowLog: values.zstdWindowLog,
    candidates: values.candidates,
  }
  if (values.dryRun === true) {
    const report = await planDiffah(pairs, options)
    return { kind: 'summary', report: shaped(report, isBundle), text: bundleText(report) }
  }
  const comparison =
    values.compare === false ? undefined : { kernels: resources.use(await startCodecs(run)), recipes: tools.recipes }
  const report = await written(output, await diffDiffah(pairs, output.path, { ...options, comparison }))
  return { kind: 'summary', report: shaped(report, isBundle), text: bundleText(report) }
}

async function written<Report>(
  { path }: LayoutReference,
  report: Report,
): Promise<Report & { readonly path: string; readonly fileBytes: number }> {
  return { path, fileBytes: (await stat(path)).size, ...report }
}

/** The report of `tare diff` has its one image at the top, whatever the format. */
function shaped(report: DiffahReport | BundleReport, isBundle: boolean): unknown {
  const { images, ...rest } = report
  return { format: 'diffah', ...(isBundle ? { images } : images[0]), ...rest }
}
