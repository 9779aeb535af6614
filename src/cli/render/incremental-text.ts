import type {
  ArchivedBlob,
  ArchiveReport,
  Inventory,
  OverlayReport,
  PullReport,
  PushedBlob,
  PushReport,
  RecordedBase,
  VetDeltasReport,
  VetReport,
  VettedBlob,
} from '../../incremental/index.ts'
import { formatPercent, formatSize } from '../format/size.ts'
import { formatFields, formatTable } from '../format/table.ts'
import { shortId } from '../progress/renderer.ts'

const ARCHIVED: Readonly<Record<ArchivedBlob['outcome'], string>> = {
  carried: 'in the archive',
  omitted: 'base has it',
  matched: 'base has its content; made again from it',
  foreign: 'fetched from its URLs',
}

const VETTED: Readonly<Record<VettedBlob['origin'], string>> = {
  present: 'there',
  carried: 'in the archive',
  mountable: 'mounted from',
  baseline: 'read from',
  rebuilt: 'made again from',
  foreign: 'fetched from its URLs',
  missing: 'nowhere',
}

const PUSHED: Readonly<Record<PushedBlob['outcome'], string>> = {
  present: 'was there',
  mounted: 'mounted from',
  written: 'sent',
  rebuilt: 'made again from',
  foreign: 'fetched from its URLs',
}

/** What `tare incremental pull` says in the end. */
export function pullText(report: PullReport): string {
  const head = formatFields([
    ['archive', report.path],
    ['file', share(report.fileBytes, report.imageBytes)],
    ['left out', report.omittedBytes === 0 ? undefined : share(report.omittedBytes, report.imageBytes)],
    ['recipes', report.recipeBytes === 0 ? undefined : formatSize(report.recipeBytes)],
    ['taken up', report.resumedBytes === 0 ? undefined : `${formatSize(report.resumedBytes)} of an interrupted pull`],
  ])
  const images = report.images.map((image) => {
    const fields = formatFields([
      ['image', image.name ?? image.reference],
      ['digest', image.digest],
      ['converted', image.isConverted ? 'to OCI; digests are new' : undefined],
      ['platforms', image.platforms.length < 2 ? undefined : image.platforms.join(', ')],
      ...image.bases.map((base) => ['base', baseText(base)] as const),
      ['refers to it', image.referrers.length === 0 ? undefined : `${image.referrers.length} artifacts`],
    ])
    return fields + archivedTable(image.blobs)
  })
  return [head, ...images].join('\n')
}

/** What `tare inspect` tells of an incremental archive. */
export function archiveText(report: ArchiveReport): string {
  const head = formatFields([
    ['archive', report.archive],
    ['holds', share(report.carriedBytes, report.imageBytes)],
    ['leaves out', report.isComplete ? 'nothing' : share(report.omittedBytes, report.imageBytes)],
  ])
  const images = report.images.map((image) => {
    const fields = formatFields([
      ['image', image.name],
      ['digest', image.digest],
      ['type', image.mediaType],
      ['platforms', image.platforms.length === 0 ? undefined : image.platforms.join(', ')],
      ...image.bases.map((base) => ['base', baseText(base)] as const),
      ['refers to it', image.referrers.length === 0 ? undefined : `${image.referrers.length} artifacts`],
    ])
    return fields + archivedTable(image.blobs)
  })
  return [head, ...images].join('\n')
}

/** What `tare incremental push` says in the end. */
export function pushText(report: PushReport): string {
  const head = formatFields([
    ['archive', report.archive],
    ['sent', formatSize(report.writtenBytes)],
    ['there already', report.savedBytes === 0 ? undefined : formatSize(report.savedBytes)],
  ])
  const images = report.images.map((image) => {
    const fields = formatFields([
      ['image', image.image],
      ['to', image.destination],
      ['digest', image.digest],
      ['failed', image.failure?.message],
      ['manifests', image.manifestCount < 2 ? undefined : String(image.manifestCount)],
      ['refers to it', image.referrers.length === 0 ? undefined : `${image.referrers.length} artifacts`],
    ])
    return fields + blobTable(image.blobs.map((blob) => [blob, how(PUSHED[blob.outcome], blob.from)]))
  })
  return [head, ...images].join('\n')
}

/** What `tare incremental vet` says when nothing is missing. */
export function vetText(report: VetReport): string {
  const head = formatFields([
    ['archive', report.archive],
    ['complete', 'yes: nothing is missing'],
    ['provided there', formatSize(report.providedBytes)],
    ['in the archive', formatSize(report.carriedBytes)],
  ])
  const images = report.images.map((image) => {
    const fields = formatFields([
      ['image', image.image],
      ['to', image.destination],
      ['digest', image.digest],
    ])
    return fields + blobTable(image.blobs.map((blob) => [blob, how(VETTED[blob.origin], blob.from)]))
  })
  return [head, ...images].join('\n')
}

/** What `tare incremental vet` says of a delta or bundle when nothing is missing. */
export function vetDeltasText(report: VetDeltasReport): string {
  const head = formatFields([
    ['delta', report.delta],
    ['complete', 'yes: every layer it builds on is there'],
  ])
  const images = report.images.map((image) => {
    const fields = formatFields([
      ['image', report.images.length > 1 ? image.name : undefined],
      ['target', image.target.digest],
      ['to', image.destination],
    ])
    const table = formatTable(
      [{ title: 'layer' }, { title: 'size', align: 'right' }, { title: 'in' }],
      image.layers.map(({ digest, sizeBytes, repository }) => [shortId(digest), formatSize(sizeBytes), repository]),
    )
    return image.layers.length === 0 ? fields : fields + table
  })
  return [head, ...images].join('\n')
}

/** What `tare incremental diff` says in the end. */
export function overlayText(report: OverlayReport): string {
  const wholeBytes = report.carriedBytes + report.omittedBytes
  return formatFields([
    ['archive', report.path],
    ['file', formatSize(report.fileBytes)],
    ['images', String(report.images.length)],
    ['holds', `${report.carriedBlobs} blobs, ${share(report.carriedBytes, wholeBytes)}`],
    ['left out', `${report.omittedBlobs} blobs, ${formatSize(report.omittedBytes)}`],
  ])
}

/** What `tare inventory` says in the end. */
export function inventoryText(path: string, fileBytes: number, { images }: Inventory): string {
  const manifests = images.flatMap((image) => image.manifests)
  const layers = new Map(manifests.flatMap((manifest) => manifest.layers).map((layer) => [layer.digest, layer.size]))
  const bytes = [...layers.values()].reduce((sum, size) => sum + size, 0)
  return formatFields([
    ['inventory', path],
    ['file', formatSize(fileBytes)],
    ['images', String(images.length)],
    ['manifests', String(manifests.length)],
    ['layers', `${layers.size}, ${formatSize(bytes)}`],
  ])
}

function archivedTable(blobs: readonly ArchivedBlob[]): string {
  return blobTable(blobs.map((blob) => [blob, ARCHIVED[blob.outcome]]))
}

interface ListedBlob {
  readonly role: string
  readonly digest: string
  readonly sizeBytes: number
}

function blobTable(rows: readonly (readonly [blob: ListedBlob, how: string])[]): string {
  return formatTable(
    [{ title: 'what' }, { title: 'digest' }, { title: 'size', align: 'right' }, { title: 'how' }],
    rows.map(([{ role, digest, sizeBytes }, text]) => [role, shortId(digest), formatSize(sizeBytes), text]),
  )
}

function how(text: string, from: string | undefined): string {
  return from === undefined ? text.replace(/ from$/, '') : `${text} ${from}`
}

function baseText({ name, digest }: RecordedBase): string {
  return name === '' ? digest : `${name}, ${digest}`
}

function share(partBytes: number, wholeBytes: number): string {
  return wholeBytes === 0
    ? formatSize(partBytes)
    : `${formatSize(partBytes)}, ${formatPercent(partBytes, wholeBytes)} of ${formatSize(wholeBytes)}`
}
