import type { Command } from 'commander'
import { TareError } from '../../errors/index.ts'
import { formatFields } from '../format/table.ts'
import { examples, REFERENCE_HELP } from '../help.ts'
import { openContext } from '../open-context.ts'
import { addRegistryOptions, type RegistryOptionValues } from '../registry-options.ts'
import type { Execute } from '../run.ts'
import type { SignReport } from '../sign-subject.ts'
import { addSignOptions, type SignOptionValues } from '../signature-options.ts'

interface SignVerbOptionValues extends RegistryOptionValues, SignOptionValues {
  readonly key?: string
  readonly output?: string
  readonly attach?: string
}

/** `tare sign DELTA|IMAGE` */
export function defineSign(program: Command, execute: Execute): void {
  const command = program
    .command('sign')
    .summary('sign a delta or an image')
    .description(
      'Signs the digest of a delta or of an image: what cosign verify accepts. The signature of a file lies beside it, ' +
        'X.tare.sigstore.json; that of an image in a registry or layout refers to it. A bare path is a delta file; a ' +
        'diffah archive gets its X.sig.',
    )
    .argument('<delta|image>', 'path of a delta file, or image')
    .option('--output <file>', 'write the signature here instead')
    .option('--attach <file>', 'put this signature there, instead of making one')
  addSignOptions(command, '--key')
  addRegistryOptions(command, [])
    .addHelpText('after', REFERENCE_HELP)
    .addHelpText(
      'after',
      examples([
        ['A delta file, with a key', 'tare sign app.tare --key cosign.key'],
        ['A delta or an image in a registry', 'tare sign docker://registry.example/app:v1-to-v2 --key cosign.key'],
        ['With the identity of a build, told to a log', 'tare sign app.tare --keyless'],
        [
          'Carry a signature along with its delta',
          'tare sign docker://mirror.example/app:v1-to-v2 --attach app.tare.sigstore.json',
        ],
      ]),
    )
    .action((subject: string, values: SignVerbOptionValues) =>
      execute(async (run) => {
        const [{ prepareSigner }, { attachBundle, signSubject }] = await Promise.all([
          import('../prepare-signer.ts'),
          import('../sign-subject.ts'),
        ])
        await using prepared = await prepareSigner(run, values)
        const context = await openContext(run, values)
        const report = await (async () => {
          if (values.attach !== undefined) {
            if (prepared !== undefined || values.output !== undefined) throw excluded(values)
            return attachBundle(run, subject, values.attach, context)
          }
          if (prepared !== undefined) return signSubject(run, subject, prepared, context, { output: values.output })
          throw new TareError('INVALID_ARGUMENT', 'nothing is given to sign with', {
            hint: 'Give --key FILE or --keyless',
          })
        })()
        return { kind: 'summary', report, text: signText(report) }
      }),
    )
}

function excluded(values: SignVerbOptionValues): TareError {
  const other = values.output !== undefined ? '--output' : values.keyless === true ? '--keyless' : '--key'
  return new TareError('INVALID_ARGUMENT', `--attach and ${other} exclude each other`, { hint: 'Give one of them' })
}

function signText({ subject, digest, signer, signature, logIndex }: SignReport): string {
  return formatFields([
    ['signed', subject],
    ['digest', digest],
    ['by', signerText(signer)],
    ['signature', signature],
    ['log entry', logIndex],
  ])
}

function signerText(signer: SignReport['signer']): string {
  switch (signer.kind) {
    case 'key':
      return `key ${signer.keyId}`
    case 'identity':
      return signer.certificateIdentity
    case 'unverified':
      return 'whoever made the attached signature; it was not verified'
  }
}
