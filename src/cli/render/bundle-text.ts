import type { BundleReport, DiffahReport } from '../../delta/index.ts'
import type { WrittenDelta } from '../delta-output.ts'
import { formatPercent, formatSize } from '../format/size.ts'
import { formatFields, formatTable } from '../format/table.ts'
import { shortId } from '../progress/renderer.ts'
import { volumesText } from './delta-text.ts'

/** What `tare bundle` says in the end. */
export function bundleText(report: (BundleReport | DiffahReport) & Partial<WrittenDelta>): string {
  const { images, path, fileBytes, digest, shippedBytes, targetBytes, spoolBytes } = report
  const isDryRun = path === undefined
  const mayShrink = isDryRun && images.some((image) => image.blobs.some((blob) => blob.origin === 'patch'))
  const fields = formatFields([
    ['images', String(images.length)],
    [isDryRun ? 'delta' : 'wrote', path ?? 'not written (dry run)'],
    ['volumes', volumesText(report.volumes)],
    ['digest', digest],
    ['signature', report.signature?.path],
    ['file', fileBytes === undefined ? undefined : share(fileBytes, targetBytes)],
    ['ships', `${mayShrink ? 'at most ' : ''}${share(shippedBytes, targetBytes)}`],
    ['workspace', isDryRun ? `about ${formatSize(spoolBytes)}` : undefined],
    ['reads', isDryRun ? readsText(report) : undefined],
  ])
  const table = formatTable(
    [
      { title: 'image' },
      { title: 'target' },
      { title: 'size', align: 'right' },
      { title: 'shipped', align: 'right' },
      { title: 'of it', align: 'right' },
    ],
    images.map((image) => [
      image.name,
      shortId(image.target.digest),
      formatSize(image.targetBytes),
      formatSize(image.shippedBytes),
      formatPercent(image.shippedBytes, image.targetBytes),
    ]),
  )
  return `${fields}\n${table}${'comparison' in report ? comparisonLine(report) : ''}`
}

/** What the other format costs. */
function comparisonLine({ comparison }: DiffahReport): string {
  if (comparison === undefined || comparison.largerThanTareBytes === 0) return ''
  const count = comparison.layers.length
  const layers = count === 1 ? 'the content of a compressed layer' : `the content of ${count} compressed layers`
  const larger = formatSize(comparison.largerThanTareBytes)
  return `\nThe format of diffah cannot patch ${layers}: the archive is ${larger} larger than a delta of Tare\n`
}

function readsText({ images }: BundleReport): string {
  const total = (pick: (image: BundleReport['images'][number]) => number): number =>
    images.reduce((sum, image) => sum + pick(image), 0)
  const [targets, baselines] = [total((image) => image.reads.targetBytes), total((image) => image.reads.baselineBytes)]
  return `up to ${formatSize(targets)} of the targets, ${formatSize(baselines)} of the baselines`
}

function share(partBytes: number, wholeBytes: number): string {
  return `${formatSize(partBytes)}, ${formatPercent(partBytes, wholeBytes)} of ${formatSize(wholeBytes)}`
}
