import { applyDelta, diffImages, type DiffOptions, type DiffReport } from '../../src/delta/index.ts'
import { copyImage } from '../../src/image/index.ts'
import type { Digest } from '../../src/oci/index.ts'
import { openDestination, openSource } from '../../src/transport/index.ts'
import type { KernelRunner } from '../../src/workers/index.ts'

/** Deltas between images that are named by their references. */
export interface DeltaRuns {
  /** @param path - of the archive that is written */
  readonly diff: (
    baselines: readonly string[],
    target: string,
    path: string,
    options?: Partial<DiffOptions>,
  ) => Promise<DiffReport>
  /** @returns the digest of what was written */
  readonly apply: (path: string, baselines: readonly string[], destination: string) => Promise<Digest>
}

export function deltaRuns(kernels: KernelRunner): DeltaRuns {
  return {
    async diff(baselines, target, path, options = {}) {
      await using resources = new AsyncDisposableStack()
      const opened = []
      for (const reference of baselines) opened.push(resources.use(await openSource(reference)))
      const to = resources.use(await openSource(target))
      const file = resources.use(await openDestination(`oci-archive:${path}`))
      return await diffImages(opened, to, file, { kernels, tool: 'tare/test', ...options })
    },
    async apply(path, baselines, destination) {
      await using resources = new AsyncDisposableStack()
      const opened = []
      for (const reference of baselines) opened.push(resources.use(await openSource(reference)))
      const delta = resources.use(await openSource(`oci-archive:${path}`))
      const to = resources.use(await openDestination(destination))
      return (await applyDelta(delta, opened, to, { kernels })).copy.digest
    },
  }
}

export async function rootDigest(reference: string): Promise<Digest> {
  await using source = await openSource(reference)
  return (await source.resolve()).descriptor.digest
}

/** Reads every blob of an image back, which verifies it. */
export async function readBack(reference: string, scratch: string): Promise<Digest> {
  await using source = await openSource(reference)
  await using destination = await openDestination(`dir:${scratch}`)
  return (await copyImage(source, destination)).digest
}
