import type { Command } from 'commander'
import { fileError } from '../errors/index.ts'
import { asksForFormatJson } from './diffah-aliases.ts'
import { type Outcome, exitCodeOf } from './exit-code.ts'
import { paintFor } from './format/colour.ts'
import { resolveSettings, type Settings } from './global-options.ts'
import type { Host } from './host.ts'
import { watchInterrupts } from './interruption.ts'
import { OutputPipe } from './output-pipe.ts'
import { ctrWords } from './ctr-aliases.ts'
import { podmanWords } from './podman-words.ts'
import { createProgram } from './program.ts'
import { createRenderer } from './progress/select.ts'
import { errorEnvelope, errorFields, errorText, resultEnvelope } from './report-error.ts'
import { createRun, type Execute, type Run, type VerbResult } from './run.ts'
import { StandardStreams } from './standard-streams.ts'
import { isHelpDisplayed, usageError } from './usage-error.ts'

/**
 * Runs one command line to its end: parses it, runs the verb, prints what came out.
 *
 * @param argv - the arguments alone, without program and script
 * @returns the exit code; everything has been written
 */
export async function runCommandLine(argv: readonly string[], host: Host): Promise<number> {
  const stdout = new OutputPipe(host.stdout)
  const stderr = new OutputPipe(host.stderr)
  const notes: string[] = []
  /** Where results go: not among the bytes of an archive. */
  let results = stdout
  let outcome: Outcome = { kind: 'done' }
  let settings: Settings | undefined
  const output = {
    out: (text: string) => stdout.write(text),
    err: (text: string) => stderr.write(text),
    note: (text: string) => notes.push(text),
  }
  const execute: Execute = async (work) => {
    const current = resolveSettings(program, host)
    settings = current
    const renderer = createRenderer(current.progress, host, current.color)
    // Also when a second Ctrl-C, or a fault, ends the process in the middle: the cursor has to come back.
    const stopWatching = host.onExit(() => renderer.close())
    using interrupts = watchInterrupts(host)
    const standard = new StandardStreams(host, stdout, interrupts.signal)
    try {
      const run = createRun(host, current, renderer, standard, interrupts.signal)
      for (const note of notes) run.logger.debug(note)
      const result = await runVerb(work, run)
      renderer.close()
      outcome = outcomeOf(result)
      if (standard.isOutputTaken) results = stderr
      printResult(result, current, results)
      // In JSON the report has told it.
      if (outcome.kind === 'failed' && !current.json) failed(outcome.error)
    } finally {
      if (standard.isOutputTaken) results = stderr
      renderer.close()
      stopWatching()
    }
  }
  const words = ctrWords(argv)
  const program: Command = await createProgram(execute, output, words)
  program.hook('preAction', async (_, verb) => {
    // Imported here so that help needs none of it.
    const { applySettings } = await import('./settings/apply-settings.ts')
    await applySettings(verb, host)
  })
  const failed = (error: unknown): Outcome => {
    printError(error, reportingSettings(argv, settings), host, results, stderr)
    return { kind: 'failed', error }
  }
  try {
    await program.parseAsync([...podmanWords(program, words)], { from: 'user' })
  } catch (error) {
    if (!isHelpDisplayed(error)) outcome = failed(usageError(error, verbIn(program, argv)))
  }
  await stdout.flushed()
  if (stdout.failure !== undefined && outcome.kind !== 'failed') {
    outcome = failed(fileError('standard output', 'write', stdout.failure))
  }
  await stderr.flushed()
  return exitCodeOf(outcome)
}

function outcomeOf(result: VerbResult): Outcome {
  if (result.kind === 'answer' && result.unwell !== undefined) return { kind: 'unwell', category: result.unwell }
  if (result.kind === 'answer' && result.isNegative === true) return { kind: 'negative' }
  if (result.kind !== 'summary') return { kind: 'done' }
  if (result.failure !== undefined) return { kind: 'failed', error: result.failure }
  return { kind: result.isPartial === true ? 'partial' : 'done' }
}

/** After an abort its reason is the one error that counts, whatever the interrupted work made of it. */
async function runVerb(work: (run: Run) => Promise<VerbResult>, run: Run): Promise<VerbResult> {
  try {
    return await work(run)
  } catch (error) {
    run.signal.throwIfAborted()
    throw error
  }
}

function printResult(result: VerbResult, settings: Settings, results: OutputPipe): void {
  switch (result.kind) {
    case 'bytes':
      results.write(result.bytes)
      break
    case 'answer':
    case 'summary':
      if (settings.json) results.write(resultEnvelope(result.report))
      else if (result.kind === 'answer' || !settings.quiet) results.write(result.text)
      break
  }
}

type ReportingSettings = Pick<Settings, 'json' | 'verbose' | 'color'> & { readonly isEvents: boolean }

/**
 * How an error is told. Read from the words themselves where there are no settings, because it must be told in the
 * wanted form also when parsing failed.
 */
function reportingSettings(argv: readonly string[], settings: Settings | undefined): ReportingSettings {
  if (settings !== undefined) return { ...settings, isEvents: settings.progress === 'json' }
  const end = argv.indexOf('--')
  const before = end === -1 ? argv : argv.slice(0, end)
  const words = new Set(before)
  const progress = argv[argv.indexOf('--progress') + 1]
  return {
    json: words.has('--json') || asksForFormatJson(before),
    verbose: words.has('--verbose') || words.has('-v'),
    color: !words.has('--no-color'),
    isEvents: words.has('--progress=json') || (words.has('--progress') && progress === 'json'),
  }
}

function printError(
  error: unknown,
  settings: ReportingSettings,
  host: Host,
  results: OutputPipe,
  stderr: OutputPipe,
): void {
  if (settings.json) results.write(errorEnvelope(error))
  if (settings.isEvents) {
    stderr.write(`${JSON.stringify({ event: 'error', ...errorFields(error) })}\n`)
  } else if (!settings.json || settings.verbose) {
    stderr.write(errorText(error, paintFor(host.stderr, host.env, settings.color), settings.verbose))
  }
}

/** The verb, or the action of a verb, that the words name, as far as they do. */
function verbIn(command: Command, argv: readonly string[]): Command | undefined {
  for (const [at, word] of argv.entries()) {
    const verb = command.commands.find((known) => known.name() === word)
    if (verb !== undefined) return verbIn(verb, argv.slice(at + 1)) ?? verb
  }
  return undefined
}
