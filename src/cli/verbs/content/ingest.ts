import type { Command } from 'commander'
import { hasErrorCode } from '../../../errors/index.ts'
import type { ByteSource } from '../../../stream/index.ts'
import { examples } from '../../help.ts'
import { labelOption, namespaceOption, openStore, parseLabels, type StoreOptionValues } from '../../open-store.ts'
import { parseCount } from '../../option-values.ts'
import type { Execute } from '../../run.ts'

interface IngestOptionValues extends StoreOptionValues {
  readonly expectedSize?: number
  readonly expectedDigest?: string
  readonly label?: readonly string[]
}

/** `tare content ingest REF [FILE]` */
export function defineContentIngest(group: Command, execute: Execute): void {
  group
    .command('ingest')
    .summary('write a file into the store as a blob')
    .description(
      'Writes a file into the store as a blob, going on where an earlier write under the same ref ended. Without the ' +
        'label containerd.io/gc.root, or an image that needs it, the next collection takes it away.',
    )
    .argument('<ref>', 'name of the write')
    .argument('[file]', 'file to read; - or none for standard input', '-')
    .option('--expected-size <bytes>', 'fail unless it has this size', parseCount(0, Number.MAX_SAFE_INTEGER))
    .option('--expected-digest <digest>', 'fail unless it has this digest')
    .addOption(labelOption())
    .addOption(namespaceOption())
    .addHelpText(
      'after',
      examples([
        ['To stay', 'tare content ingest blob layer.tar --label containerd.io/gc.root=yes'],
        ['As it arrives', 'curl https://example/layer.tar | tare content ingest blob'],
      ]),
    )
    .action((ref: string, file: string, values: IngestOptionValues) =>
      execute(async (run) => {
        const [{ parseDigest }, { writeBlob }, { readFileRange }] = await Promise.all([
          import('../../../oci/index.ts'),
          import('../../../store/index.ts'),
          import('../../../stream/index.ts'),
        ])
        const { expectedDigest, expectedSize: size } = values
        const digest = expectedDigest === undefined ? undefined : parseDigest(expectedDigest)
        const labels = values.label === undefined ? undefined : parseLabels(values.label)
        const { signal } = run
        await using opened = await openStore(run, values, true)
        const { content } = opened.namespace
        const options = { expected: { digest, size }, labels, signal }
        const open = (): ByteSource => (file === '-' ? run.standard.read() : readFileRange(file))
        const report = await writeBlob(content, ref, open, options).catch(async (error: unknown) => {
          // A blob of this digest is there, and nothing was read.
          if (digest === undefined || !hasErrorCode(error, 'ALREADY_EXISTS')) throw error
          const { sizeBytes } = await content.info(digest, { signal })
          return { digest, sizeBytes, isPresent: true }
        })
        return { kind: 'summary', report, text: `${report.digest}\n` }
      }),
    )
}
