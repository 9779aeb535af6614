import { Argument, type Command } from 'commander'
import { examples } from '../help.ts'
import type { Execute } from '../run.ts'

const SHELLS = ['bash', 'zsh', 'fish'] as const

/** `tare completion SHELL` */
export function defineCompletion(program: Command, execute: Execute): void {
  program
    .command('completion')
    .summary('print a completion script for a shell')
    .description('Prints a script that completes verbs, options, image prefixes and file names.')
    .addArgument(new Argument('<shell>', 'shell to complete for').choices(SHELLS))
    .addHelpText(
      'after',
      examples([
        ['bash, for this session', 'source <(tare completion bash)'],
        ['zsh, for good', `tare completion zsh > "\${fpath[1]}/_tare"`],
        ['fish, for good', 'tare completion fish > ~/.config/fish/completions/tare.fish'],
      ]),
    )
    .action((shell: (typeof SHELLS)[number]) =>
      execute(async () => {
        const { completionScript } = await import('../completion/script.ts')
        const text = completionScript(shell, program)
        return { kind: 'answer', report: { shell, script: text }, text }
      }),
    )
}
