import type { Command } from 'commander'
import { examples } from '../help.ts'
import { openContext } from '../open-context.ts'
import { addRegistryOptions, type RegistryOptionValues } from '../registry-options.ts'
import type { Execute } from '../run.ts'

interface DoctorOptionValues extends RegistryOptionValues {
  readonly probe?: string
}

/** `tare doctor` */
export function defineDoctor(program: Command, execute: Execute): void {
  const command = program
    .command('doctor')
    .summary('check whether everything that Tare needs is well')
    .description(
      'Checks Node, kernels, threads, directories, configuration, credentials, the clock and, with --probe, a registry. ' +
        'Each line says what to do. Exit code 3 when something fails; warnings do not count.',
    )
    .option('--probe <image>', 'read the manifest of this image, to see whether its registry can be reached')
  addRegistryOptions(command, [])
    .addHelpText(
      'after',
      examples([
        ['Is everything well?', 'tare doctor'],
        ['And the registry?', 'tare doctor --probe docker://registry.example/app:v1'],
        ['For a script', 'tare doctor --json'],
      ]),
    )
    .action((values: DoctorOptionValues) =>
      execute(async (run) => {
        const [{ examine }, { doctorText }, { parseReferenceOnDisk }] = await Promise.all([
          import('../doctor/examine.ts'),
          import('../render/doctor-text.ts'),
          import('../../transport/index.ts'),
        ])
        const image = values.probe === undefined ? undefined : await parseReferenceOnDisk(values.probe)
        const checks = await examine(run, {
          program,
          registry: values,
          probe: image === undefined ? undefined : { image, context: await openContext(run, values) },
          now: () => Date.now(),
        })
        const isWell = checks.every((check) => check.status !== 'fail')
        const text = doctorText(checks, run)
        return { kind: 'answer', report: { checks }, text, unwell: isWell ? undefined : 'environment' }
      }),
    )
}
