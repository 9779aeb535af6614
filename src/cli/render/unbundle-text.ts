import type { ApplyBundleReport, ApplyImageStatus, PlannedImage, PreflightStatus } from '../../delta/index.ts'
import { formatSize } from '../format/size.ts'
import { formatFields, formatTable } from '../format/table.ts'
import { shortId } from '../progress/renderer.ts'
import { layerCountsText } from './layer-counts.ts'

const STATUS: Readonly<Record<ApplyImageStatus, string>> = {
  ok: 'ok',
  'failed-compose': 'failed',
  'failed-invariant': 'reads back differently',
  'skipped-preflight': 'skipped',
  'not-started': 'not started',
}

/** What `tare unbundle` says in the end. */
export function unbundleText({ delta, successful, total, images }: ApplyBundleReport): string {
  const written = images.reduce((sum, image) => sum + (image.copy?.writtenBytes ?? 0), 0)
  const fields = formatFields([
    ['delta', `${delta.reference}, ${delta.digest}`],
    ['applied', `${successful} of ${total} images`],
    ['written', formatSize(written)],
  ])
  const table = formatTable(
    [{ title: 'image' }, { title: 'status' }, { title: 'digest' }, { title: 'destination' }],
    images.map(({ name, status, copy, destination }) => [
      name,
      STATUS[status],
      copy === undefined ? '' : shortId(copy.digest),
      destination ?? '',
    ]),
  )
  return `${fields}\n${table}${problemLines(images)}`
}

const PREFLIGHT: Readonly<Record<PreflightStatus, string>> = {
  ok: 'ok',
  'missing-patch-source': 'lacks what patches read',
  'missing-reuse-layer': 'lacks layers',
  error: 'error',
  'schema-error': 'the delta is damaged',
}

/** What `tare unbundle --dry-run` says. */
export function unbundlePlanText(report: {
  readonly delta: { readonly reference: string; readonly digest: string }
  readonly images: readonly PlannedImage[]
}): string {
  const { delta, images } = report
  const total = (pick: (plan: NonNullable<PlannedImage['plan']>) => number): number =>
    images.reduce((sum, { plan }) => sum + (plan === undefined ? 0 : pick(plan)), 0)
  const most = (pick: (plan: NonNullable<PlannedImage['plan']>) => number): number =>
    images.reduce((peak, { plan }) => Math.max(peak, plan === undefined ? 0 : pick(plan)), 0)
  const wire = [total((plan) => plan.wire.baselineBytes), total((plan) => plan.wire.destinationBytes)] as const
  const fields = formatFields([
    ['delta', `${delta.reference}, ${delta.digest}`],
    ['would apply', `${images.filter((image) => image.plan !== undefined).length} of ${images.length} images`],
    ['over the wire', `${formatSize(wire[0])} of baselines, ${formatSize(wire[1])} to destinations, at most`],
    ['workspace', `about ${formatSize(total((plan) => plan.spoolBytes))}`],
    ['memory', `at most ${formatSize(most((plan) => plan.memoryBytes))}`],
  ])
  const table = formatTable(
    [
      { title: 'image' },
      { title: 'preflight' },
      { title: 'layers' },
      { title: 'size', align: 'right' },
      { title: 'from the delta', align: 'right' },
      { title: 'baseline read', align: 'right' },
      { title: 'written', align: 'right' },
      { title: 'destination' },
    ],
    images.map(({ name, preflight, plan, destination }) => [
      name,
      PREFLIGHT[preflight.status],
      plan === undefined ? '' : layerCountsText(plan.blobs),
      plan === undefined ? '' : formatSize(plan.targetBytes),
      plan === undefined ? '' : formatSize(plan.deltaBytes),
      plan === undefined ? '' : formatSize(plan.baselineBytes),
      plan === undefined ? '' : formatSize(plan.writtenBytes),
      destination ?? '',
    ]),
  )
  const problems = images.map(({ name, preflight }) => ({ name, error: preflight.error }))
  return `${fields}\n${table}${problemLines(problems)}`
}

function problemLines(
  images: readonly {
    readonly name: string
    readonly error?: { readonly message: string; readonly hint?: string | undefined } | undefined
  }[],
): string {
  const lines = images.flatMap(({ name, error }) =>
    error === undefined
      ? []
      : [`${name}: ${error.message}`, ...(error.hint === undefined ? [] : [`  hint: ${error.hint}`])],
  )
  return lines.length === 0 ? '' : `\n${lines.join('\n')}\n`
}
