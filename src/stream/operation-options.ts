/** How a blob or a larger step is getting on. Only `cli/` turns these into something to look at. */
export interface ProgressEvent {
  /** `blob` moves bytes; `step` is named work such as matching a layer. */
  readonly kind: 'blob' | 'step'
  /** Identifies the bar: a digest, or a step's name. */
  readonly id: string
  /** What a person should read: `layer`, `config`, `patch layer`. */
  readonly label: string
  readonly doneBytes: number
  /** Undefined where the total is not known. */
  readonly totalBytes?: number | undefined
  readonly state: 'started' | 'running' | 'done' | 'skipped' | 'failed'
}

/** What a run wants to tell besides its result. */
export interface Logger {
  /** Something the user should know although the run goes on. */
  warn(message: string): void
  /** Detail for `--verbose`. */
  debug(message: string): void
}

/** Fields that every operation that waits understands. */
export interface OperationOptions {
  /** Ends the operation with its reason; nothing half-made stays visible. */
  readonly signal?: AbortSignal | undefined
  readonly logger?: Logger | undefined
  readonly onProgress?: ((event: ProgressEvent) => void) | undefined
}

/** A logger that says nothing. */
export const SILENT_LOGGER: Logger = { warn() {}, debug() {} }
