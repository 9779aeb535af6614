import type { Host, InterruptName } from './host.ts'

/** Exit codes as shells count them: 128 plus the number of the signal. */
const EXIT_CODES: Readonly<Record<InterruptName, number>> = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 }

/** The reason of an abort that the user, or the system, asked for with a signal. */
export class Interruption extends Error {
  override readonly name = 'Interruption'
  readonly signalName: InterruptName
  readonly exitCode: number

  constructor(signalName: InterruptName) {
    super(`interrupted by ${signalName}`)
    this.signalName = signalName
    this.exitCode = EXIT_CODES[signalName]
  }
}

/**
 * Turns signals into an abort: the first one aborts with an {@link Interruption}, so that everything below cleans up;
 * the second one leaves at once.
 */
export function watchInterrupts(host: Host): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController()
  const names: readonly InterruptName[] = ['SIGINT', 'SIGTERM', 'SIGHUP']
  const stops = names.map((name) =>
    host.onSignal(name, () => {
      const interruption = new Interruption(name)
      if (controller.signal.aborted) host.exit(interruption.exitCode)
      else controller.abort(interruption)
    }),
  )
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const stop of stops) stop()
    },
  }
}
