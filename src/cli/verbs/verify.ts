import type { Command } from 'commander'
import { TareError } from '../../errors/index.ts'
import type { VerifyProblem } from '../../image/index.ts'
import type { VerifiedSignature } from '../../sign/index.ts'
import { examples, REFERENCE_HELP } from '../help.ts'
import { openContext } from '../open-context.ts'
import { openSubject } from '../open-deltas.ts'
import { addRegistryOptions, type RegistryOptionValues } from '../registry-options.ts'
import { addVerifyOptions, type VerifyOptionValues } from '../signature-options.ts'
import { wantedVerification } from '../verification-policy.ts'
import type { Execute, VerbResult } from '../run.ts'

interface VerifyVerbOptionValues extends RegistryOptionValues, VerifyOptionValues {}

/** `tare verify DELTA|IMAGE` */
export function defineVerify(program: Command, execute: Execute): void {
  const command = program
    .command('verify')
    .summary('check every byte of an image or a delta, and write nothing')
    .description(
      'Reads an image or a delta whole and holds every byte against its digest: manifests, configs, layers and what ' +
        'they unpack to; plans, patches and recipes. With --verify, or an identity, the signature is checked first. A ' +
        'bare path is a delta file.',
    )
    .argument('<image|delta>', 'image, or path of a delta file')
  addVerifyOptions(command)
  addRegistryOptions(command, [])
    .addHelpText('after', REFERENCE_HELP)
    .addHelpText(
      'after',
      examples([
        ['Did the file arrive whole?', 'tare verify app.tare'],
        ['Is it from whom it should be?', 'tare verify --verify cosign.pub app.tare'],
        ['An image in a registry', 'tare verify docker://registry.example/app:v2'],
      ]),
    )
    .action((subject: string, values: VerifyVerbOptionValues) =>
      execute(async (run) => {
        const [{ verifyDelta }, { verifyImage }, { archiveVerificationText, verificationText }] = await Promise.all([
          import('../../delta/index.ts'),
          import('../../image/index.ts'),
          import('../render/verify-text.ts'),
        ])
        const { signal, logger, onProgress, settings } = run
        const options = { concurrency: settings.jobs, signal, logger, onProgress }
        await using resources = new AsyncDisposableStack()
        const verification = await wantedVerification(run, values)
        const context = await openContext(run, values)
        const opened = await openSubject(subject, context, resources, verification)
        if (opened.kind === 'incremental') {
          const { verifyIncremental } = await import('../../incremental/index.ts')
          const found = await verifyIncremental(opened.archive, options)
          return resultOf({ kind: 'incremental', ...found }, archiveVerificationText(found))
        }
        const { signature } = opened
        if (opened.kind === 'image') {
          const found = await verifyImage(opened.source, options)
          return resultOf({ kind: 'image', ...found, signature }, verificationText(found, signature))
        }
        const found = await verifyDelta(opened.set, options)
        return resultOf({ kind: 'delta', ...found, signature }, verificationText(found, signature))
      }),
    )
}

function resultOf(
  report: {
    readonly kind: 'image' | 'delta' | 'incremental'
    readonly problems: readonly VerifyProblem[]
    readonly signature?: VerifiedSignature | undefined
    readonly reference: string
  },
  text: string,
): VerbResult {
  const [first] = report.problems
  if (first === undefined) return { kind: 'summary', report, text }
  const others = report.problems.length - 1
  const more = others === 0 ? '' : `, and ${others} more`
  const failure = new TareError('VERIFY_FAILED', `${report.reference} is damaged: ${first.digest}${more}`, {
    hint: 'Carry it over again; if it repeats, make it anew',
  })
  return { kind: 'summary', report, text, failure }
}
