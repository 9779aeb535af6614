import { type DocumentProblem, type ErrorCode, TareError } from '../errors/index.ts'

/** A place in a text file, both counted from 1. */
export interface Place {
  readonly line: number
  readonly column: number
}

/** One fault in a file that a person wrote. */
export interface LocatedProblem extends Place, DocumentProblem {}

/** The codes that faults in such files have. */
export type FileFaultCode = Extract<ErrorCode, 'INVALID_CONFIG' | 'INVALID_SPEC'>

/** Problems that are worth printing. */
const MAX_SHOWN = 20

/** A file that a person wrote breaks its rules; every problem is told as `FILE:LINE:COLUMN: what`, one on each line. */
export class FileFaultError extends TareError {
  override readonly name = 'FileFaultError'
  readonly file: string
  readonly problems: readonly LocatedProblem[]

  constructor(code: FileFaultCode, file: string, problems: readonly LocatedProblem[], hint?: string) {
    const shown = problems.slice(0, MAX_SHOWN).map((problem) => problemLine(file, problem))
    const more = problems.length > shown.length ? [`${file}: ${problems.length - shown.length} more problems`] : []
    super(code, [...shown, ...more].join('\n'), { hint })
    this.file = file
    this.problems = problems
  }
}

/** As compilers say it and editors understand it. */
function problemLine(file: string, { line, column, path, message }: LocatedProblem): string {
  const steps = path.replaceAll(/\["([\w-]+)"\]/g, '.$1').replace(/^\$\.?/, '')
  const subject = steps === '' ? '' : `${steps} `
  return `${file}:${line}:${column}: ${subject}${message}`
}
