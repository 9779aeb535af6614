import { errorsPage } from './errors-page.ts'
import { readProjectFile } from './project.ts'
import { settingsSchema } from './settings-schema.ts'
import { settingsTables } from './settings-table.ts'

/** A file that follows from the sources, in whole or in part. */
export interface MadePage {
  readonly path: string
  /** What it should hold. */
  readonly text: () => string
}

/** The files that `check:docs` compares, and renews with `--write`. */
export const MADE_PAGES: readonly MadePage[] = [
  { path: 'docs/errors.md', text: errorsPage },
  { path: 'docs/schemas/config.schema.json', text: settingsSchema },
  {
    path: 'docs/configuration.md',
    text: () => withPart(readProjectFile('docs/configuration.md'), 'settings', settingsTables()),
  },
]

/** A page with the part between `<!-- NAME: … -->` and `<!-- end of NAME -->` put in anew. */
function withPart(page: string, name: string, part: string): string {
  const [begin, end] = [new RegExp(`^<!-- ${name}: .*-->\n`, 'm').exec(page), page.indexOf(`<!-- end of ${name} -->`)]
  if (begin === null || end === -1) throw new Error(`there is no part ${name} to put in`)
  return `${page.slice(0, begin.index)}${begin[0]}\n${part}\n${page.slice(end)}`
}
