import type { BlobTotals, DeltaSummary, HistogramBucket, ImageSummary, LayerKind, LayerRow } from '../../delta/index.ts'
import { formatPercent, formatSize } from '../format/size.ts'
import { formatFields, formatTable } from '../format/table.ts'
import { shortId } from '../progress/renderer.ts'

/** What `tare inspect` tells of a delta. */
export function deltaText(summary: DeltaSummary): string {
  const { images, totals } = summary
  const fields = formatFields([
    ['delta', summary.reference],
    ['digest', summary.digest],
    ['format', summary.format === 'diffah' ? 'diffah v1' : undefined],
    ['made by', summary.tool],
    ['made at', summary.createdAt],
    ['platform', summary.platform],
    ['images', summary.isBundle ? `${images.length}: ${images.map((image) => image.name).join(', ')}` : undefined],
    ['ships', share(summary.shippedBytes, summary.targetBytes)],
    ['whole', `${count(totals.wholeCount, 'blob')}, ${formatSize(totals.wholeBytes)}`],
    ['patched', patchedText(totals)],
    ['left out', leftOutText(totals)],
  ])
  return [fields, ...images.map((image) => imageSection(image, summary.isBundle))].join('\n')
}

function patchedText({ patchCount, patchBytes, patchedBytes }: BlobTotals): string | undefined {
  if (patchCount === 0) return undefined
  const saved = patchedBytes - patchBytes
  return `${count(patchCount, 'blob')}, ${share(patchBytes, patchedBytes)}; saves ${formatSize(saved)}`
}

function leftOutText({ leftOutCount, leftOutBytes }: BlobTotals): string | undefined {
  return leftOutCount === 0 ? undefined : `${count(leftOutCount, 'blob')}, ${formatSize(leftOutBytes)}`
}

function imageSection(image: ImageSummary, isNamed: boolean): string {
  const { name, target, baselines, needs, layers, waste } = image
  const parts = [
    formatFields([
      ['image', isNamed ? name : undefined],
      ['target', `${target.digest} (${target.mediaType})`],
      ...baselines.map((baseline) => ['baseline', `${baseline.name}, ${baseline.descriptor.digest}`] as const),
      ['needs', `${count(needs.length, 'layer')} of the baseline`],
      ['ships', isNamed ? share(image.shippedBytes, image.targetBytes) : undefined],
      ['waste', waste.length === 0 ? 'none' : undefined],
    ]),
    layerTable(layers),
  ]
  if (waste.length > 0) parts.push(wasteTable(image))
  if (image.topSavings.length > 0) parts.push(savingsTable(image))
  if (layers.length > 0) parts.push(histogramTable(image.histogram))
  return parts.join('\n')
}

const KIND_TEXT: Readonly<Record<LayerKind, string>> = {
  full: 'whole',
  patch: 'patch',
  baseline: 'the baseline has it',
  foreign: 'fetched from its URLs',
}

function layerTable(layers: readonly LayerRow[]): string {
  return formatTable(
    [
      { title: 'layer' },
      { title: 'size', align: 'right' },
      { title: 'shipped', align: 'right' },
      { title: 'of it', align: 'right' },
      { title: 'how' },
      { title: 'from' },
    ],
    layers.map(({ digest, kind, targetBytes, shippedBytes, patchFrom }) => [
      shortId(digest),
      formatSize(targetBytes),
      formatSize(shippedBytes),
      formatPercent(shippedBytes, targetBytes),
      KIND_TEXT[kind],
      patchFrom.map(shortId).join(' '),
    ]),
  )
}

function wasteTable({ waste }: ImageSummary): string {
  return formatTable(
    [{ title: 'waste' }, { title: 'in the delta', align: 'right' }, { title: 'why' }],
    waste.map(({ digest, shippedBytes, kind }) => [
      shortId(digest),
      formatSize(shippedBytes),
      kind === 'unused-blob'
        ? 'nothing takes it'
        : 'a patch as large as its layer: make the delta again with this Tare',
    ]),
  )
}

function savingsTable({ topSavings }: ImageSummary): string {
  return formatTable(
    [{ title: 'saves most' }, { title: 'saved', align: 'right' }, { title: 'of it', align: 'right' }],
    topSavings.map(({ digest, savedBytes, savedRatio }) => [
      shortId(digest),
      formatSize(savedBytes),
      formatPercent(savedRatio, 1),
    ]),
  )
}

const BAR_CELLS = 12

function histogramTable(buckets: readonly HistogramBucket[]): string {
  const most = Math.max(...buckets.map((bucket) => bucket.count))
  return formatTable(
    [{ title: 'layer size' }, { title: '' }, { title: 'layers', align: 'right' }],
    buckets.map(({ label, count: layers }) => [label, bar(layers, most), String(layers)]),
  )
}

function bar(layers: number, most: number): string {
  const filled = most === 0 ? 0 : Math.ceil((BAR_CELLS * layers) / most)
  return '█'.repeat(filled) + '░'.repeat(BAR_CELLS - filled)
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

function share(partBytes: number, wholeBytes: number): string {
  return `${formatSize(partBytes)}, ${formatPercent(partBytes, wholeBytes)} of ${formatSize(wholeBytes)}`
}
