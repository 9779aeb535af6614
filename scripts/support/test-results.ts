import { posix, relative, sep } from 'node:path'

/** How a test ended. `skipped` also stands for a test that is still to be done. */
export type TestOutcome = 'passed' | 'failed' | 'skipped'

/** What came of one test. */
export interface TestResult {
  /** The file that was run, from the root of the project, with `/`. */
  readonly file: string
  /** Its name behind those of the suites around it, joined by {@link NAME_SEPARATOR}. */
  readonly name: string
  readonly outcome: TestOutcome
  /** Why it was skipped, where it says so. */
  readonly reason?: string | undefined
}

/** What stands between the names of suites and tests. */
export const NAME_SEPARATOR = ' › '

/** As much as is looked at of what Node's runner tells. */
export interface TestEvent {
  readonly type: string
  readonly data: {
    readonly name?: string | undefined
    readonly nesting?: number | undefined
    /** Where the test is written, which may be a file that several test files share. */
    readonly file?: string | undefined
    /** The file that was run. */
    readonly entryFile?: string | undefined
    readonly skip?: string | boolean | undefined
    readonly todo?: string | boolean | undefined
    readonly details?: { readonly type?: string | undefined } | undefined
  }
}

/**
 * Gives the result of each test, and none of suites, in the order in which the runner reports them.
 *
 * @param root - the project; files are told from there
 */
export async function* testResults(events: AsyncIterable<TestEvent>, root: string): AsyncGenerator<TestResult> {
  const names = new Map<string, string[]>()
  for await (const { type, data } of events) {
    const { name = '', nesting = 0, details } = data
    const path = data.entryFile ?? data.file
    if (path === undefined || !(type === 'test:start' || type === 'test:pass' || type === 'test:fail')) continue
    const file = relative(root, path).replaceAll(sep, posix.sep)
    // A start comes before the starts of everything inside, so this is where each test is.
    const around = [...(names.get(file) ?? []).slice(0, nesting), name]
    names.set(file, around)
    if (type === 'test:start' || details?.type === 'suite') continue
    yield { file, name: around.join(NAME_SEPARATOR), ...outcomeOf(type, data) }
  }
}

function outcomeOf(type: string, { skip, todo }: TestEvent['data']): Pick<TestResult, 'outcome' | 'reason'> {
  if (type === 'test:fail') return { outcome: 'failed' }
  if (isSet(skip)) return { outcome: 'skipped', reason: typeof skip === 'string' ? skip : undefined }
  if (isSet(todo)) return { outcome: 'skipped', reason: 'still to be done' }
  return { outcome: 'passed' }
}

function isSet(mark: string | boolean | undefined): boolean {
  return mark !== undefined && mark !== false
}
