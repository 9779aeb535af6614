import type { Command } from 'commander'
import { TareError } from '../../../errors/index.ts'
import { formatSize } from '../../format/size.ts'
import { formatFields } from '../../format/table.ts'
import { examples } from '../../help.ts'
import { namespaceOption, openStore, type StoreOptionValues } from '../../open-store.ts'
import type { Execute } from '../../run.ts'
import { sendBytes } from '../../send-bytes.ts'

interface GetOptionValues extends StoreOptionValues {
  readonly output?: string
}

/** `tare content get DIGEST` */
export function defineContentGet(group: Command, execute: Execute): void {
  group
    .command('get')
    .summary('print the bytes of a blob')
    .description(
      'Prints the exact bytes of a blob and nothing else. They are verified: where they are damaged it fails.',
    )
    .argument('<digest>', 'digest of the blob')
    .option('--output <file>', 'write them there; the file appears when it is complete')
    .addOption(namespaceOption())
    .addHelpText('after', examples([['Into a file', 'tare content get sha256:… --output layer.tar.gz']]))
    .action((wanted: string, values: GetOptionValues) =>
      execute(async (run) => {
        const [{ parseDigest }, { verified, writeFileAtomically }] = await Promise.all([
          import('../../../oci/index.ts'),
          import('../../../stream/index.ts'),
        ])
        const digest = parseDigest(wanted)
        const { signal, settings } = run
        if (settings.json && values.output === undefined) {
          throw new TareError('INVALID_ARGUMENT', '--json and the bytes of a blob exclude each other', {
            hint: 'Send the bytes to a file with --output',
          })
        }
        await using opened = await openStore(run, values)
        await using reader = await opened.namespace.content.openReader({ digest }, { signal })
        const bytes = verified(reader.read(), { digest, size: reader.sizeBytes }, 'blob')
        if (values.output === undefined) {
          await sendBytes(bytes, run)
          return { kind: 'bytes', bytes: new Uint8Array() }
        }
        await writeFileAtomically(values.output, bytes)
        const report = { digest, path: values.output, sizeBytes: reader.sizeBytes }
        const text = formatFields([
          ['wrote', values.output],
          ['size', formatSize(reader.sizeBytes)],
        ])
        return { kind: 'summary', report, text }
      }),
    )
}
