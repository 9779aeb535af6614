import { type Command, Option } from 'commander'
import { TareError } from '../../../errors/index.ts'
import type { PushListOptions } from '../../../manifest-list/index.ts'
import { startCodecs } from '../../delta-tools.ts'
import { openContext } from '../../open-context.ts'
import { collectList, parseCount } from '../../option-values.ts'
import { prepareSigner } from '../../prepare-signer.ts'
import { pushSigner, signatureCarrier } from '../../push-signatures.ts'
import type { Run } from '../../run.ts'
import { addSignOptions, type SignOptionValues } from '../../signature-options.ts'
import { addReachOptions, type ReachOptionValues, reachValues } from './insecure-option.ts'

/** The values that commander gathers for {@link addPushOptions}. */
export interface PushOptionValues extends ReachOptionValues, SignOptionValues {
  readonly addCompression?: readonly string[]
  readonly compressionFormat?: string
  readonly compressionLevel?: number
  readonly digestfile?: string
  readonly force?: boolean
  readonly forceCompression?: boolean
  readonly listFormat?: 'oci' | 'v2s2' | 'docker'
  readonly removeSignatures?: boolean
  readonly signBySigstorePrivateKey?: string
  readonly signPassphraseFile?: string
}

/** Adds what every verb that pushes a list can be told, as podman's is. */
export function addPushOptions(command: Command): Command {
  command
    .addOption(
      new Option(
        '-f, --list-format <format>',
        'write list and members in this format; --format as podman has it (default: each in its own)',
      ).choices(['oci', 'v2s2', 'docker']),
    )
    .addOption(
      new Option(
        '--add-compression <format>',
        'add a copy in gzip or zstd for each platform that has none (repeatable)',
      ).argParser(collectList),
    )
    .option('--compression-format <format>', 'compress layers with gzip or zstd')
    .option('--compression-level <n>', 'how hard to compress, 1 to 9 for gzip, to 19 for zstd', parseCount(1, 19))
    .option('--force-compression', 'compress layers anew even where the destination has them as they are')
    .option('--no-force-compression', 'keep layers that the destination has as they are')
    .option('--remove-signatures', 'leave signatures of members behind')
    .option('--digestfile <file>', 'write the digest of what was pushed to a file')
    .option('--force', 'replace a destination that is not empty')
  addSignOptions(command)
    .addOption(new Option('--sign-by-sigstore-private-key <file>', 'as --sign-key').hideHelp())
    .optionsGroup('Signature Options:')
    .option('--sign-passphrase-file <file>', 'read the password of the key from the first line of a file')
    .optionsGroup('Options:')
  return addReachOptions(command, ['src', 'dest'])
}

/**
 * What a push is told by the command line. Keys are opened here, before any work.
 *
 * @param destination - where it goes, with its transport
 * @param resources - gets what has to be given back after the push
 * @throws {TareError} `INVALID_ARGUMENT`, `INVALID_KEY`, `KEY_PASSWORD`, …
 */
export async function pushOptions(
  values: PushOptionValues,
  destination: string,
  resources: AsyncDisposableStack,
  run: Run,
): Promise<PushListOptions> {
  const { listFormat, addCompression, compressionFormat, compressionLevel: level, removeSignatures } = values
  if (level !== undefined && compressionFormat === undefined) {
    throw new TareError('INVALID_ARGUMENT', '--compression-level says nothing without a format', {
      hint: 'Add --compression-format',
    })
  }
  const reach = reachValues(values)
  const { signal, logger, onProgress, settings } = run
  const context = await openContext(run, reach, 'dest')
  const signKey = values.signKey ?? values.signBySigstorePrivateKey
  const prepared = await prepareSigner(run, signKey === undefined ? values : { ...values, signKey })
  if (prepared !== undefined) resources.use(prepared)
  return {
    format: listFormat === undefined ? undefined : listFormat === 'oci' ? 'oci' : 'docker',
    addCompression,
    kernels: makesGzip(values) ? resources.use(await startCodecs(run)) : undefined,
    compression: compressionFormat === undefined ? undefined : { format: compressionFormat, level },
    // Who names a format wants it, as with podman.
    forceCompression: values.forceCompression ?? compressionFormat !== undefined,
    removeSignatures,
    signatures: removeSignatures === true ? undefined : signatureCarrier(context),
    signer: prepared === undefined ? undefined : await pushSigner(run, prepared, destination, context),
    sources: await openContext(run, reach, 'src'),
    destination: context,
    // Requests are tried again one by one, see --retry-times.
    maxRetries: 0,
    concurrency: settings.jobs,
    signal,
    logger,
    onProgress,
  }
}

/** Whether a layer may have to be packed in gzip, which threads do. */
function makesGzip({ compressionFormat, addCompression = [] }: PushOptionValues): boolean {
  return compressionFormat === 'gzip' || addCompression.includes('gzip')
}
