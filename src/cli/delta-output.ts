import { stat } from 'node:fs/promises'
import type { LayoutReference } from '../transport/index.ts'
import type { SignerReport } from './prepare-signer.ts'
import type { Run } from './run.ts'

/** The signature of a delta, and where it lies. */
export interface SignatureReport {
  readonly path: string
  readonly signer: SignerReport
  readonly logIndex?: string | undefined
}

/** Where a delta went. */
export interface WrittenDelta {
  /** `-` for standard output; for volumes the file they make up. */
  readonly path: string
  readonly fileBytes: number
  /** Names of the volumes, in order; left out for one file. */
  readonly volumes?: readonly string[] | undefined
  /** Left out for a delta that was not signed. */
  readonly signature?: SignatureReport | undefined
}

/** What was written to a delta's destination, once it is committed. */
export async function writtenDelta({ path }: LayoutReference, isSplit: boolean, run: Run): Promise<WrittenDelta> {
  const [{ STANDARD_STREAM }, { findVolumes }] = await Promise.all([
    import('../transport/index.ts'),
    import('../volumes/index.ts'),
  ])
  if (path === STANDARD_STREAM) return { path, fileBytes: run.standard.writtenBytes }
  const set = isSplit ? await findVolumes(path) : undefined
  if (set === undefined) return { path, fileBytes: (await stat(path)).size }
  return { path, fileBytes: set.sizeBytes, volumes: set.volumes.map((volume) => volume.name) }
}
