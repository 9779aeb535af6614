import { stat } from 'node:fs/promises'
import { type LayoutReference, STANDARD_STREAM } from '../transport/index.ts'
import { findVolumes } from '../volumes/index.ts'
import type { Run } from './run.ts'

/** Where a delta went. */
export interface WrittenDelta {
  /** `-` for standard output; for volumes the file they make up. */
  readonly path: string
  readonly fileBytes: number
  /** Names of the volumes, in order; left out for one file. */
  readonly volumes?: readonly string[] | undefined
}

/** What was written to a delta's destination, once it is committed. */
export async function writtenDelta({ path }: LayoutReference, isSplit: boolean, run: Run): Promise<WrittenDelta> {
  if (path === STANDARD_STREAM) return { path, fileBytes: run.standard.writtenBytes }
  const set = isSplit ? await findVolumes(path) : undefined
  if (set === undefined) return { path, fileBytes: (await stat(path)).size }
  return { path, fileBytes: set.sizeBytes, volumes: set.volumes.map((volume) => volume.name) }
}
