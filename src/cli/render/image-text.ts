import type { ImageReport, ManifestReport } from '../../image/index.ts'
import { formatSize } from '../format/size.ts'
import { formatFields, formatTable } from '../format/table.ts'

/** What `tare inspect` tells of an image. */
export function imageText(report: ImageReport): string {
  const [first, ...more] = report.manifests
  const isSingle = report.kind === 'manifest' && first !== undefined && more.length === 0
  const head = formatFields([
    ['image', report.reference],
    ['digest', report.digest],
    ['type', report.mediaType],
    ['size', formatSize(report.totalBytes)],
    ['manifests', isSingle ? undefined : String(report.manifests.length)],
  ])
  return [head, ...report.manifests.map((manifest) => manifestText(manifest, isSingle))].join('\n')
}

/** @param isRoot - the manifest is the image, so its digest stands above already */
function manifestText(manifest: ManifestReport, isRoot: boolean): string {
  const { config, layers } = manifest
  const fields = formatFields([
    ['manifest', isRoot ? undefined : manifest.digest],
    ['platform', manifest.isAttestation ? undefined : manifest.platform],
    ['kind', manifest.isAttestation ? 'attestation' : manifest.artifactType],
    ['created', manifest.created],
    ['config', `${config.digest}, ${formatSize(config.sizeBytes)}`],
  ])
  const table = formatTable(
    [{ title: 'layer' }, { title: 'size', align: 'right' }, { title: 'compression' }, { title: 'type' }],
    layers.map((layer) => [layer.digest, formatSize(layer.sizeBytes), layer.compression, layer.mediaType]),
  )
  return layers.length === 0 ? fields : fields + table
}
