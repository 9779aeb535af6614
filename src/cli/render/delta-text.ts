import type { ApplyPlan, ApplyReport, BlobSavings, DiffReport } from '../../delta/index.ts'
import type { LocalBaseline } from '../../image/index.ts'
import type { VerifiedSignature } from '../../sign/index.ts'
import type { WrittenDelta } from '../delta-output.ts'
import { formatPercent, formatSize } from '../format/size.ts'
import { formatFields, formatTable } from '../format/table.ts'
import { shortId } from '../progress/renderer.ts'
import { layerCountsText } from './layer-counts.ts'
import { signerText } from './verify-text.ts'

/** What `tare diff` says in the end. */
export function diffText(report: DiffReport & Partial<WrittenDelta>): string {
  const isDryRun = report.path === undefined
  const fields = formatFields([
    ['target', `${report.target.reference}, ${report.target.digest}`],
    ...report.baselines.map(({ reference, digest }) => ['baseline', `${reference}, ${digest}`] as const),
    [isDryRun ? 'delta' : 'wrote', report.path ?? 'not written (dry run)'],
    ['volumes', volumesText(report.volumes)],
    ['digest', report.digest],
    ['signature', report.signature?.path],
    ['file', report.fileBytes === undefined ? undefined : share(report.fileBytes, report.targetBytes)],
    [
      'ships',
      `${isDryRun && mayShrink(report.blobs) ? 'at most ' : ''}${share(report.shippedBytes, report.targetBytes)}`,
    ],
    ['workspace', isDryRun ? `about ${formatSize(report.spoolBytes)}` : undefined],
    [
      'reads',
      isDryRun
        ? `up to ${formatSize(report.reads.targetBytes)} of the target, ${formatSize(report.reads.baselineBytes)} of baselines`
        : undefined,
    ],
  ])
  return `${fields}\n${blobTable(report.blobs)}`
}

/** The volumes of a delta, in short. */
export function volumesText(names: readonly string[] | undefined): string | undefined {
  if (names === undefined) return undefined
  return names.length < 2 ? names[0] : `${names.length}, ${names[0]} to ${names.at(-1)}`
}

/** What `tare apply` says in the end. */
export function applyText(
  report: ApplyPlan &
    Partial<Pick<ApplyReport, 'copy'>> & {
      readonly signature?: VerifiedSignature | undefined
      readonly picked?: readonly LocalBaseline[] | undefined
    },
): string {
  const { copy } = report
  return formatFields([
    ['delta', `${report.delta.reference}, ${report.delta.digest}`],
    ['signed by', report.signature === undefined ? undefined : signerText(report.signature.signer)],
    copy === undefined ? ['target', 'not written (dry run)'] : ['wrote', copy.destination],
    ['digest', copy?.digest ?? report.target.digest],
    ['size', formatSize(report.targetBytes)],
    ['layers', layerCountsText(report.blobs)],
    ...pickedFields(report.picked),
    ['from the delta', formatSize(report.deltaBytes)],
    ['from baselines', `${formatSize(report.baselineBytes)} of layers read`],
    ['there already', copy === undefined || copy.savedBytes === 0 ? undefined : formatSize(copy.savedBytes)],
    ['to write', copy === undefined ? formatSize(report.writtenBytes) : undefined],
    ['over the wire', copy === undefined ? wireText(report) : undefined],
    ['workspace', copy === undefined ? `about ${formatSize(report.spoolBytes)}` : undefined],
    ['memory', copy === undefined ? `at most ${formatSize(report.memoryBytes)}` : undefined],
  ])
}

/** Baselines that nobody named. */
export function pickedFields(picked: readonly LocalBaseline[] | undefined): readonly (readonly [string, string])[] {
  return (picked ?? []).map(({ reference, layers }) => {
    const count = layers.length === 1 ? '1 layer' : `${layers.length} layers`
    return ['picked', `${reference}, for ${count}`]
  })
}

const HOW: Readonly<Record<BlobSavings['origin'], string>> = {
  archive: 'whole',
  baseline: 'the baseline has it',
  'baseline-tar': 'the baseline has its tar',
  patch: 'patch',
  'blob-patch': 'patch of the whole blob',
  foreign: 'fetched from its URLs',
}

function blobTable(blobs: readonly BlobSavings[]): string {
  return formatTable(
    [
      { title: 'what' },
      { title: 'digest' },
      { title: 'size', align: 'right' },
      { title: 'shipped', align: 'right' },
      { title: 'of it', align: 'right' },
      { title: 'how' },
    ],
    blobs.map(({ role, digest, sizeBytes, shippedBytes, origin }) => [
      role,
      shortId(digest),
      formatSize(sizeBytes),
      formatSize(shippedBytes),
      formatPercent(shippedBytes, sizeBytes),
      HOW[origin],
    ]),
  )
}

function wireText({ wire }: ApplyPlan): string {
  return `${formatSize(wire.baselineBytes)} of baselines, ${formatSize(wire.destinationBytes)} to the destination`
}

/** A patch that is not made yet counts with the size of its layer. */
function mayShrink(blobs: readonly BlobSavings[]): boolean {
  return blobs.some(({ origin }) => origin === 'patch')
}

function share(partBytes: number, wholeBytes: number): string {
  return `${formatSize(partBytes)}, ${formatPercent(partBytes, wholeBytes)} of ${formatSize(wholeBytes)}`
}
