import { type ErrorCode, isTareError } from '../../errors/index.ts'

/** How one thing that Tare needs is. */
export interface Check {
  /** Stable: `node`, `kernels`, `threads`, `workdir`, `cache`, `config`, `credentials`, `clock`, `registry`, `signing`. */
  readonly name: string
  /** `warn`: some things will not work, or may not. `fail`: Tare cannot do its work like this. */
  readonly status: 'ok' | 'warn' | 'fail'
  readonly detail: string
  /** What to do. */
  readonly hint?: string | undefined
  /** The error that stands behind it. */
  readonly code?: ErrorCode | undefined
}

/** A check that an error ended. Anything that is no error of ours passes. */
export function failedCheck(name: string, error: unknown, status: 'warn' | 'fail' = 'fail'): Check {
  if (!isTareError(error)) throw error
  const { message, hint, code } = error
  return { name, status, detail: message, hint, code }
}
