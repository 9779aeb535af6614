import { existsSync } from 'node:fs'
import { type Command, Option } from 'commander'
import type { BundleReport, DiffahOptions, DiffahReport, DiffOptions, ImagePair } from '../delta/index.ts'
import { TareError } from '../errors/index.ts'
import type { Digest } from '../oci/index.ts'
import type { SignedDigest, SigningKey } from '../sign/index.ts'
import type { LayoutReference, OpenContext } from '../transport/index.ts'
import { type SignatureReport, writtenDelta, type WrittenDelta } from './delta-output.ts'
import { diffTools, startCodecs } from './delta-tools.ts'
import { splitOption } from './image-options.ts'
import { parseCount } from './option-values.ts'
import {
  diffahKey,
  type PreparedSigner,
  prepareSigner,
  signerReport,
  signWith,
  writeSignatureBeside,
} from './prepare-signer.ts'
import type { Run, VerbResult } from './run.ts'
import { addSignOptions, type SignOptionValues } from './signature-options.ts'

/** The values that commander gathers for {@link addMakeDeltaOptions}. */
export interface MakeDeltaValues extends SignOptionValues {
  readonly dryRun?: boolean
  readonly split?: number
  readonly archiveFormat?: 'tare' | 'diffah'
  readonly intraLayer?: 'auto' | 'off' | 'required'
  readonly zstdLevel?: number
  readonly zstdWindowLog?: number | 'auto'
  readonly candidates?: number
  readonly compare?: boolean
  readonly subject?: boolean
}

/** Adds the options for how a delta is written and signed, and `--dry-run`. */
export function addMakeDeltaOptions(command: Command): Command {
  command
    .addOption(splitOption())
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
    .option('--no-subject', 'do not refer to the target, for programs that copy what an artifact refers to')
    .option('--no-compare', 'for diffah: do not find out how much smaller a delta of Tare would be')
  return addSignOptions(command)
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
  values: MakeDeltaValues,
  run: Run,
  context: OpenContext,
  resources: AsyncDisposableStack,
): Promise<VerbResult> {
  // Opened before any work: a wrong password must not come to light at its end.
  const signer = await prepareSigner(run, values)
  if (signer !== undefined) resources.use(signer)
  const tools = await diffTools(run)
  const { STANDARD_STREAM } = await import('../transport/index.ts')
  if (signer !== undefined && job.output.path === STANDARD_STREAM && values.dryRun !== true) {
    throw new TareError('INVALID_ARGUMENT', 'a delta on standard output has no place beside it for its signature', {
      hint: 'Write it to a file, or sign it where it arrives',
    })
  }
  const bench = { run, tools, signer, resources }
  if (values.archiveFormat === 'diffah') return makeDiffah(job, values, context, bench)
  const patches = values.intraLayer === 'off' ? 'none' : 'all'
  const subject = values.subject === false ? 'none' : 'target'
  return makeTare(job, values, context, { ...bench, tools: { ...tools, patches, subject } })
}

/** What both formats are made with. */
interface Workbench {
  readonly run: Run
  readonly tools: Omit<DiffOptions, 'kernels'>
  readonly signer: PreparedSigner | undefined
  readonly resources: AsyncDisposableStack
}

async function makeTare(
  { pairs, isBundle, output }: DeltaJob,
  values: MakeDeltaValues,
  context: OpenContext,
  { run, tools, signer, resources }: Workbench,
): Promise<VerbResult> {
  const [{ diffBundle, diffImages, planBundle, planDiff }, { openDestination }, { bundleText }, { diffText }] =
    await Promise.all([
      import('../delta/index.ts'),
      import('../transport/index.ts'),
      import('./render/bundle-text.ts'),
      import('./render/delta-text.ts'),
    ])
  const [{ baselines, target, platforms }] = pairs as readonly [ImagePair]
  const isDryRun = values.dryRun === true
  if (isDryRun && isBundle) {
    const report = await planBundle(pairs, tools)
    return { kind: 'summary', report, text: bundleText(report) }
  }
  if (isDryRun) {
    const report = await planDiff(baselines, target, { ...tools, platforms })
    return { kind: 'summary', report, text: diffText(report) }
  }
  const kernels = resources.use(await startCodecs(run))
  const file = resources.use(await openDestination(output, { ...context, volumeBytes: values.split }))
  const finished = finisher(output, values, run)
  const pen = new Pen(signer, output.path)
  const options = { ...tools, kernels, beforeCommit: (digest: Digest) => pen.sign(digest) }
  if (isBundle) {
    const report = await finished(await diffBundle(pairs, file, options), () => pen.leaveSignature(run))
    return { kind: 'summary', report, text: bundleText(report) }
  }
  const made = await diffImages(baselines, target, file, { ...options, platforms })
  const report = await finished(made, () => pen.leaveSignature(run))
  return { kind: 'summary', report, text: diffText(report) }
}

/**
 * Signs a delta while it is still out of sight, and puts the signature beside it when it can be seen: where signing
 * fails there is no delta that lacks its signature.
 */
class Pen {
  readonly #signer: PreparedSigner | undefined
  readonly #path: string
  #signed: SignedDigest | undefined

  constructor(signer: PreparedSigner | undefined, path: string) {
    this.#signer = signer
    this.#path = path
  }

  async sign(digest: Digest): Promise<void> {
    if (this.#signer !== undefined) this.#signed = await signWith(this.#signer, digest)
  }

  async leaveSignature(run: Run): Promise<SignatureReport | undefined> {
    const { signatureFileOf } = await import('../sign/index.ts')
    if (this.#signed !== undefined) {
      const path = await writeSignatureBeside(this.#path, this.#signed.bundle)
      return { path, signer: signerReport(this.#signed), logIndex: this.#signed.logIndex }
    }
    const old = signatureFileOf(this.#path)
    if (existsSync(old)) run.logger.warn(`${old} is the signature of an older delta; this one is not signed`)
    return undefined
  }
}

async function makeDiffah(
  { pairs, isBundle, output }: DeltaJob,
  values: MakeDeltaValues,
  context: OpenContext,
  { run, tools, signer, resources }: Workbench,
): Promise<VerbResult> {
  if (output.pick !== undefined) {
    throw new TareError('INVALID_ARGUMENT', 'an archive of diffah has no name inside', {
      hint: `Give ${output.path} alone`,
    })
  }
  const key = signer === undefined ? undefined : diffahKey(signer)
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
    volumeBytes: values.split,
    standardOutput: context.standardOutput,
  }
  if (values.dryRun === true) {
    const report = await planDiffah(pairs, options)
    return { kind: 'summary', report: shaped(report, isBundle), text: bundleText(report) }
  }
  const comparison =
    values.compare === false ? undefined : { kernels: resources.use(await startCodecs(run)), recipes: tools.recipes }
  const finished = finisher(output, values, run)
  const made = await diffDiffah(pairs, output.path, { ...options, comparison })
  const report = await finished(made, () => signDiffah(output.path, key))
  return { kind: 'summary', report: shaped(report, isBundle), text: bundleText(report) }
}

async function signDiffah(path: string, key: SigningKey | undefined): Promise<SignatureReport | undefined> {
  if (key === undefined) return undefined
  const [{ openDiffahArchive }, { signDiffahArchive }] = await Promise.all([
    import('../delta/index.ts'),
    import('../sign/index.ts'),
  ])
  await using archive = await openDiffahArchive(path)
  const signature = await signDiffahArchive(path, archive.sidecarBytes, key)
  return { path: signature, signer: { kind: 'key', keyId: key.publicKey.id } }
}

/** Adds to a report where the delta went, and its signature. */
function finisher(
  output: LayoutReference,
  values: MakeDeltaValues,
  run: Run,
): <Report>(report: Report, sign: () => Promise<SignatureReport | undefined>) => Promise<Report & WrittenDelta> {
  return async (report, sign) => ({
    ...(await writtenDelta(output, values.split !== undefined, run)),
    signature: await sign(),
    ...report,
  })
}

/** The report of `tare diff` has its one image at the top, whatever the format. */
function shaped(report: DiffahReport | BundleReport, isBundle: boolean): unknown {
  const { images, ...rest } = report
  return { format: 'diffah', ...(isBundle ? { images } : images[0]), ...rest }
}
