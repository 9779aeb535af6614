import type { PushListReport } from '../../manifest-list/index.ts'
import { formatSize } from '../format/size.ts'
import { formatFields } from '../format/table.ts'
import { shortMediaType } from './media-type-text.ts'

/** What a push of a list did. @param name - of the list, or what it was made of */
export function pushText(name: string, report: PushListReport): string {
  const { members, blobs, losses } = report
  const written = blobs.filter((blob) => blob.outcome === 'written').length
  const count = (outcome: string): number => members.filter((member) => member.outcome === outcome).length
  const lost = [...new Set(losses.map(({ what }) => what))]
  return formatFields([
    ['pushed', name],
    ['to', report.destination],
    ['digest', report.digest],
    ['type', shortMediaType(report.mediaType)],
    ['index', indexText(report)],
    ['changed', count('changed') === 0 ? undefined : `${count('changed')} of ${members.length} members`],
    ['copies added', count('variant') === 0 ? undefined : String(count('variant'))],
    ['left out', lost.length === 0 ? undefined : lost.join(', ')],
    ['written', `${written} of ${blobs.length} blobs, ${formatSize(report.writtenBytes)}`],
    ['there already', report.savedBytes === 0 ? undefined : formatSize(report.savedBytes)],
  ])
}

function indexText({ index, members, listedCount }: PushListReport): string {
  switch (index) {
    case 'kept':
      return `kept as it is, ${members.length} of ${listedCount} members pushed`
    case 'rewritten':
      return `made anew, ${members.length} of ${listedCount} members pushed`
    case 'dropped':
      return 'left out: one member stands for itself'
  }
}
