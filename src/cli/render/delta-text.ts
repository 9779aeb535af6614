import type { ApplyPlan, ApplyReport, BlobSavings, DeltaSummary, DiffReport } from '../../delta/index.ts'
import type { WrittenDelta } from '../delta-output.ts'
import { formatPercent, formatSize } from '../format/size.ts'
import { formatFields, formatTable } from '../format/table.ts'
import { shortId } from '../progress/renderer.ts'

/** What `tare diff` says in the end. */
export function diffText(report: DiffReport & Partial<WrittenDelta>): string {
  const isDryRun = report.path === undefined
  const fields = formatFields([
    ['target', `${report.target.reference}, ${report.target.digest}`],
    ...report.baselines.map(({ reference, digest }) => ['baseline', `${reference}, ${digest}`] as const),
    ['delta', report.path ?? 'not written (dry run)'],
    ['volumes', volumesText(report.volumes)],
    ['digest', report.digest],
    ['file', report.fileBytes === undefined ? undefined : share(report.fileBytes, report.targetBytes)],
    [
      'ships',
      `${isDryRun && mayShrink(report.blobs) ? 'at most ' : ''}${share(report.shippedBytes, report.targetBytes)}`,
    ],
    ['workspace', isDryRun ? `about ${formatSize(report.spoolBytes)}` : undefined],
  ])
  return `${fields}\n${blobTable(report.blobs)}`
}

function volumesText(names: readonly string[] | undefined): string | undefined {
  if (names === undefined) return undefined
  return names.length < 2 ? names[0] : `${names.length}, ${names[0]} to ${names.at(-1)}`
}

/** What `tare apply` says in the end. */
export function applyText(report: ApplyPlan & Partial<Pick<ApplyReport, 'copy'>>): string {
  const { copy } = report
  return formatFields([
    ['delta', `${report.delta.reference}, ${report.delta.digest}`],
    ['target', copy === undefined ? 'not written (dry run)' : copy.destination],
    ['digest', copy?.digest ?? report.target.digest],
    ['size', formatSize(report.targetBytes)],
    ['from the delta', formatSize(report.deltaBytes)],
    ['from baselines', `${formatSize(report.baselineBytes)} of layers read`],
    ['there already', copy === undefined || copy.savedBytes === 0 ? undefined : formatSize(copy.savedBytes)],
    ['workspace', copy === undefined ? `about ${formatSize(report.spoolBytes)}` : undefined],
  ])
}

/** What `tare inspect` tells of a delta. */
export function deltaText(summary: DeltaSummary): string {
  const fields = formatFields([
    ['delta', summary.reference],
    ['digest', summary.digest],
    ['target', summary.target.digest],
    ...summary.baselines.map(({ name, descriptor }) => ['baseline', `${name}, ${descriptor.digest}`] as const),
    ['made by', summary.tool],
    ['needs', `${summary.needs.length} ${summary.needs.length === 1 ? 'layer' : 'layers'} of the baseline`],
    ['ships', share(summary.shippedBytes, summary.targetBytes)],
  ])
  return `${fields}\n${blobTable(summary.blobs)}`
}

const HOW: Readonly<Record<BlobSavings['origin'], string>> = {
  archive: 'whole',
  baseline: 'the baseline has it',
  'baseline-tar': 'the baseline has its tar',
  patch: 'patch',
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

/** A patch that is not made yet counts with the size of its layer. */
function mayShrink(blobs: readonly BlobSavings[]): boolean {
  return blobs.some(({ origin }) => origin === 'patch')
}

function share(partBytes: number, wholeBytes: number): string {
  return `${formatSize(partBytes)}, ${formatPercent(partBytes, wholeBytes)} of ${formatSize(wholeBytes)}`
}
