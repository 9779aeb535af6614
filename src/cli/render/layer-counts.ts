import type { BlobSavings } from '../../delta/index.ts'

/** How the layers of a target travel: `5: 1 whole, 2 patches, 2 of the baseline`. */
export function layerCountsText(blobs: readonly BlobSavings[]): string {
  const layers = blobs.filter((blob) => blob.role === 'layer')
  const count = (isOne: (blob: BlobSavings) => boolean): number => layers.filter(isOne).length
  const parts = [
    [count(({ origin }) => origin === 'archive'), 'whole', 'whole'],
    [count(({ shippedBytes, origin }) => origin !== 'archive' && shippedBytes > 0), 'patch', 'patches'],
    [
      count(({ shippedBytes, origin }) => shippedBytes === 0 && origin.startsWith('baseline')),
      'of the baseline',
      'of the baseline',
    ],
    [count(({ origin }) => origin === 'foreign'), 'from elsewhere', 'from elsewhere'],
  ] as const
  const text = parts.filter(([many]) => many > 0).map(([many, one, several]) => `${many} ${many === 1 ? one : several}`)
  return layers.length === 0 ? 'none' : `${layers.length}: ${text.join(', ')}`
}
