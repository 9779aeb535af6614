import type { Command } from 'commander'
import { bashScript } from './bash.ts'
import { fishScript } from './fish.ts'
import { completionModel } from './model.ts'
import { zshScript } from './zsh.ts'

/** Shells that Tare completes for. */
export type Shell = 'bash' | 'zsh' | 'fish'

/** The completion script for a shell. */
export function completionScript(shell: Shell, program: Command): string {
  const model = completionModel(program)
  switch (shell) {
    case 'bash':
      return bashScript(model)
    case 'zsh':
      return zshScript(model)
    case 'fish':
      return fishScript(model)
  }
}
