import type { Command } from 'commander'
import type { OpenContext, TransportReference } from '../../transport/index.ts'
import { cacheDirectory } from '../cache-directory.ts'
import type { RegistryOptionValues } from '../registry-options.ts'
import type { Run } from '../run.ts'
import type { Check } from './check.ts'
import { checkConfig, checkCredentials } from './configuration.ts'
import { checkCache, checkKernels, checkNode, checkSigning, checkThreads, checkWorkdir } from './machine.ts'
import { checkClock, NOT_PROBED, probeImage } from './registry.ts'

/** What {@link examine} looks at besides the run. */
export interface ExamineOptions {
  /** Whose options are settings. */
  readonly program: Command
  readonly registry: RegistryOptionValues
  /** An image to read, and how. */
  readonly probe?: { readonly image: TransportReference; readonly context: OpenContext } | undefined
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** Checks everything that Tare needs, always in the same order. Nothing is left behind. */
export async function examine(run: Run, options: ExamineOptions): Promise<readonly Check[]> {
  const { program, registry, probe, now } = options
  const { host, settings } = run
  const probed = probe === undefined ? undefined : await probeImage(probe.image, probe.context, run, { now })
  return [
    checkNode(),
    await checkKernels(),
    await checkThreads(run),
    await checkWorkdir(settings.workdir),
    await checkCache(cacheDirectory(host)),
    await checkConfig(program, host),
    await checkCredentials(registry, host),
    checkClock(now(), probed?.times),
    probed?.check ?? NOT_PROBED,
    checkSigning(),
  ]
}
