import type { ManifestList } from '../../../manifest-list/index.ts'
import type { VerbResult } from '../../run.ts'

/** What the verbs that change a list answer: its ID, as podman's do. */
export function listResult(id: string, list: ManifestList): VerbResult {
  const { digest, mediaType } = list.document().descriptor
  return { kind: 'answer', report: { id, digest, mediaType, members: list.instances() }, text: `${id}\n` }
}
