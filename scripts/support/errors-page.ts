import { EXIT_CODES } from '../../src/cli/exit-code.ts'
import { ERROR_CATALOGUE, type ErrorCategory } from '../../src/errors/index.ts'

const CATEGORIES: readonly (readonly [category: ErrorCategory, meaning: string])[] = [
  ['usage', 'The request cannot be served as it stands; nothing was tried.'],
  ['environment', 'The world around Tare said no; trying again elsewhere or later may work.'],
  ['content', 'Bytes are not what they should be.'],
  ['trust', 'A signature or a policy refuses.'],
  ['internal', 'Tare is wrong.'],
]

/** The text of `docs/errors.md`. */
export function errorsPage(): string {
  const sections = CATEGORIES.map(([category, meaning]) => {
    const codes = Object.entries(ERROR_CATALOGUE).filter(([, entry]) => entry.category === category)
    const rows = codes.map(([code, entry]) => `| \`${code}\` | ${entry.meaning} |\n`).join('')
    const table = rows === '' ? 'No codes yet.\n' : `| code | meaning |\n| --- | --- |\n${rows}`
    return `## ${category}: exit code ${EXIT_CODES[category]}\n\n${meaning}\n\n${table}`
  })
  return `<!-- Made by \`node scripts/check-docs.ts --write\` from src/errors/catalogue.ts; edit there. -->

# Errors

Every error that Tare raises on purpose has a code. Codes are stable: they are never renamed and never change category,
and the category decides the [exit code](cli.md#exit-codes). In code, test with \`hasErrorCode(error, 'DIGEST_MISMATCH')\`,
never by the text of the message.

${sections.join('\n')}`
}
