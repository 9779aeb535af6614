/** One way in that a server offers. */
export interface Challenge {
  /** In lower case: `bearer`, `basic`. */
  readonly scheme: string
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>
}

const SEPARATORS = /[ \t,]*/y
const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y
/** `Negotiate YWJj==`: a blob instead of parameters. A single token followed by `=` and a value is a parameter. */
const TOKEN_68 = /[ \t]+[A-Za-z0-9._~+/-]+=*[ \t]*(?=,|$)/y
const EQUALS = /[ \t]*=[ \t]*/y
const QUOTED = /"((?:[^"\\]|\\.)*)"/sy

/**
 * Parses `WWW-Authenticate` fields: several challenges in one field, several fields, commas in quotes, parameters in
 * any case. What follows a fault in a field is left out, since it can't be told apart any more.
 *
 * @param fields - the values of all fields of that name
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1
 */
export function parseChallenges(fields: readonly string[]): Challenge[] {
  return fields.flatMap(parseField)
}

function parseField(field: string): Challenge[] {
  const challenges: Challenge[] = []
  let parameters: Map<string, string> | undefined
  let position = 0
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = position
    const match = pattern.exec(field)
    if (match !== null) position = pattern.lastIndex
    return match
  }
  while (position < field.length) {
    take(SEPARATORS)
    const name = take(TOKEN)?.[0].toLowerCase()
    if (name === undefined) break
    if (parameters !== undefined && take(EQUALS) !== null) {
      const quoted = take(QUOTED)?.[1]
      const value = quoted === undefined ? take(TOKEN)?.[0] : quoted.replace(/\\(.)/gs, '$1')
      if (value === undefined) break
      // The first of a repeated name counts, so that an appended one can't change the realm.
      if (!parameters.has(name)) parameters.set(name, value)
    } else {
      parameters = new Map()
      challenges.push({ scheme: name, parameters })
      take(TOKEN_68)
    }
  }
  return challenges
}
