import type { DiffReport } from '../../delta/index.ts'
import { reportFields } from './report-fields.ts'

/** What `tare diff` says in the end. */
export function diffText(report: DiffReport): string {
  return reportFields(report)
}
