import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A directory that is removed at the end of the test, also when it fails: `await using dir = …`. */
export interface TemporaryDirectory extends AsyncDisposable {
  readonly path: string
  /** A path inside. */
  join(...parts: readonly string[]): string
}

export async function temporaryDirectory(): Promise<TemporaryDirectory> {
  const path = await mkdtemp(join(tmpdir(), 'tare-test-'))
  return {
    path,
    join: (...parts) => join(path, ...parts),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
}
