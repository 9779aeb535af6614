/** `npm run check:exports`: every entry point of the built package resolves, has types, and is documented. */
import { existsSync } from 'node:fs'
import { posix } from 'node:path'
import { conclude, projectFile, readProjectFile } from './support/project.ts'

interface PackageManifest {
  readonly name: string
  readonly exports: Readonly<Record<string, string>>
}

const { name, exports } = JSON.parse(readProjectFile('package.json')) as PackageManifest
const problems: string[] = []
const documented = new Map<string, boolean>()

for (const [subpath, target] of Object.entries(exports)) {
  const specifier = posix.join(name, subpath)
  if (!existsSync(projectFile(target))) {
    problems.push(`${specifier}: ${target} was not built`)
    continue
  }
  if (!target.endsWith('.js')) continue
  const types = target.replace(/\.js$/, '.d.ts')
  if (!existsSync(projectFile(types))) problems.push(`${specifier}: ${types} was not built`)
  // The package refers to itself by name here, which goes through `exports` as it does for its users.
  const loaded = await import(specifier).catch((error: unknown) => problems.push(`${specifier}: ${String(error)}`))
  if (typeof loaded === 'object' && 'default' in loaded) problems.push(`${specifier} has a default export`)
  if (existsSync(projectFile(types))) checkDocumented(specifier, posix.normalize(types))
}
conclude('check:exports', problems, `${documented.size} exported names resolve and are documented`)

/** Follows re-exports to the declarations, and looks for the comment in front of each. */
function checkDocumented(specifier: string, file: string): void {
  const text = readProjectFile(file)
  if (/^export \* /m.test(text)) problems.push(`${file} exports by *; list the names`)
  for (const [, names = '', from = ''] of text.matchAll(/^export (?:type )?\{([^}]*)\} from '([^']+)';/gm)) {
    for (const item of names.split(',').filter((part) => part.trim() !== '')) {
      const [exported = ''] = item
        .trim()
        .replace(/^type /, '')
        .split(' as ')
      checkName(specifier, exported, posix.join(posix.dirname(file), from.replace(/\.[jt]s$/, '.d.ts')))
    }
  }
}

function checkName(specifier: string, exported: string, file: string): void {
  const key = `${file} ${exported}`
  if (documented.has(key)) return
  const text = readProjectFile(file)
  const reexport = [...text.matchAll(/^export (?:type )?\{([^}]*)\} from '([^']+)';/gm)].find(([, names = '']) =>
    names.split(',').some((item) => item.trim().replace(/^type /, '') === exported),
  )
  if (reexport?.[2] !== undefined) {
    checkName(specifier, exported, posix.join(posix.dirname(file), reexport[2].replace(/\.[jt]s$/, '.d.ts')))
    return
  }
  const declaration = new RegExp(
    `(\\*/\\s*)?^export (?:declare )?(?:abstract )?(?:class|function\\*?|interface|type|const) ${exported}\\b`,
    'm',
  ).exec(text)
  documented.set(key, declaration?.[1] !== undefined)
  if (declaration === null) problems.push(`${specifier}: ${exported} is not declared in ${file}`)
  else if (declaration[1] === undefined) problems.push(`${specifier}: ${exported} in ${file} has no comment`)
}
