import type { Command } from 'commander'
import { fileError } from '../errors/index.ts'
import { type Outcome, exitCodeOf } from './exit-code.ts'
import { paintFor } from './format/colour.ts'
import { resolveSettings, type Settings } from './global-options.ts'
import type { Host } from './host.ts'
import { watchInterrupts } from './interruption.ts'
import { OutputPipe } from './output-pipe.ts'
import { createProgram } from './program.ts'
import { createRenderer } from './progress/select.ts'
import { errorEnvelope, errorFields, errorText, resultEnvelope } from './report-error.ts'
import { createRun, type Run, type VerbResult } from './run.ts'
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
  let outcome: Outcome = { kind: 'done' }
  const output = { out: (text: string) => stdout.write(text), err: (text: string) => stderr.write(text) }
  const program: Command = createProgram(async (work) => {
    const settings = resolveSettings(program, host)
    const renderer = createRenderer(settings.progress, host, settings.color)
    // Also when a second Ctrl-C, or a fault, ends the process in the middle: the cursor has to come back.
    const stopWatching = host.onExit(() => renderer.close())
    using interrupts = watchInterrupts(host)
    try {
      const result = await runVerb(work, createRun(host, settings, renderer, interrupts.signal))
      renderer.close()
      outcome = outcomeOf(result)
      printResult(result, settings, stdout)
    } finally {
      renderer.close()
      stopWatching()
    }
  }, output)
  try {
    await program.parseAsync([...argv], { from: 'user' })
  } catch (error) {
    if (!isHelpDisplayed(error)) {
      outcome = { kind: 'failed', error: usageError(error, verbIn(program, argv)) }
      printError(outcome.error, reportingSettings(argv), host, stdout, stderr)
    }
  }
  await stdout.flushed()
  if (stdout.failure !== undefined && outcome.kind !== 'failed') {
    outcome = { kind: 'failed', error: fileError('standard output', 'write', stdout.failure) }
    printError(outcome.error, reportingSettings(argv), host, stdout, stderr)
  }
  await stderr.flushed()
  return exitCodeOf(outcome)
}

function outcomeOf(result: VerbResult): Outcome {
  if (result.kind === 'answer' && result.unwell !== undefined) return { kind: 'unwell', category: result.unwell }
  return { kind: result.kind === 'summary' && result.isPartial === true ? 'partial' : 'done' }
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

function printResult(result: VerbResult, settings: Settings, stdout: OutputPipe): void {
  switch (result.kind) {
    case 'bytes':
      stdout.write(result.bytes)
      break
    case 'answer':
    case 'summary':
      if (settings.json) stdout.write(resultEnvelope(result.report))
      else if (result.kind === 'answer' || !settings.quiet) stdout.write(result.text)
      break
  }
}

type ReportingSettings = Pick<Settings, 'json' | 'verbose' | 'color'> & { readonly isEvents: boolean }

/** Read from the words themselves, because an error must be told in the wanted form also when parsing failed. */
function reportingSettings(argv: readonly string[]): ReportingSettings {
  const end = argv.indexOf('--')
  const words = new Set(end === -1 ? argv : argv.slice(0, end))
  const progress = argv[argv.indexOf('--progress') + 1]
  return {
    json: words.has('--json'),
    verbose: words.has('--verbose') || words.has('-v'),
    color: !words.has('--no-color'),
    isEvents: words.has('--progress=json') || (words.has('--progress') && progress === 'json'),
  }
}

function printError(
  error: unknown,
  settings: ReportingSettings,
  host: Host,
  stdout: OutputPipe,
  stderr: OutputPipe,
): void {
  if (settings.json) stdout.write(errorEnvelope(error))
  if (settings.isEvents) {
    stderr.write(`${JSON.stringify({ event: 'error', ...errorFields(error) })}\n`)
  } else if (!settings.json || settings.verbose) {
    stderr.write(errorText(error, paintFor(host.stderr, host.env, settings.color), settings.verbose))
  }
}

function verbIn(program: Command, argv: readonly string[]): string | undefined {
  return argv.find((word) => program.commands.some((verb) => verb.name() === word))
}
