import { type Command, Option } from 'commander'
import { TareError } from '../../../errors/index.ts'
import type { PushListOptions } from '../../../manifest-list/index.ts'
import { openContext } from '../../open-context.ts'
import { collectList, parseCount } from '../../option-values.ts'
import type { Run } from '../../run.ts'
import { addReachOptions, type ReachOptionValues, reachValues } from './insecure-option.ts'

/** The values that commander gathers for {@link addPushOptions}. */
export interface PushOptionValues extends ReachOptionValues {
  readonly addCompression?: readonly string[]
  readonly compressionFormat?: string
  readonly compressionLevel?: number
  readonly digestfile?: string
  readonly force?: boolean
  readonly forceCompression?: boolean
  readonly format?: 'oci' | 'v2s2' | 'docker'
  readonly removeSignatures?: boolean
}

/** Adds what every verb that pushes a list can be told, as podman's is. */
export function addPushOptions(command: Command): Command {
  command
    .addOption(
      new Option('-f, --format <format>', 'write list and members in this format (default: each in its own)').choices([
        'oci',
        'v2s2',
        'docker',
      ]),
    )
    .addOption(
      new Option(
        '--add-compression <format>',
        'add a copy in gzip or zstd for each platform that has none (repeatable)',
      ).argParser(collectList),
    )
    .option('--compression-format <format>', 'compress layers with gzip or zstd')
    .option('--compression-level <n>', 'how hard to compress', parseCount(1, 22))
    .option('--force-compression', 'compress layers anew even where the destination has them as they are')
    .option('--no-force-compression', 'keep layers that the destination has as they are')
    .option('--remove-signatures', 'leave signatures of members behind')
    .option('--digestfile <file>', 'write the digest of what was pushed to a file')
    .option('--force', 'replace a destination that is not empty')
  return addReachOptions(command, ['src', 'dest'])
}

/**
 * What a push is told by the command line.
 *
 * @throws {TareError} `INVALID_ARGUMENT`
 */
export async function pushOptions(values: PushOptionValues, run: Run): Promise<PushListOptions> {
  const { format, addCompression, compressionFormat, compressionLevel: level, removeSignatures } = values
  if (level !== undefined && compressionFormat === undefined) {
    throw new TareError('INVALID_ARGUMENT', '--compression-level says nothing without a format', {
      hint: 'Add --compression-format',
    })
  }
  const reach = reachValues(values)
  const { signal, logger, onProgress, settings } = run
  return {
    format: format === undefined ? undefined : format === 'oci' ? 'oci' : 'docker',
    addCompression,
    compression: compressionFormat === undefined ? undefined : { format: compressionFormat, level },
    // Who names a format wants it, as with podman.
    forceCompression: values.forceCompression ?? compressionFormat !== undefined,
    removeSignatures,
    sources: await openContext(run, reach, 'src'),
    destination: await openContext(run, reach, 'dest'),
    // Requests are tried again one by one, see --retry-times.
    maxRetries: 0,
    concurrency: settings.jobs,
    signal,
    logger,
    onProgress,
  }
}
