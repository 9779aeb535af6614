import type { ApplyReport } from '../../delta/index.ts'
import { reportFields } from './report-fields.ts'

/** What `tare apply` says in the end. */
export function applyText(report: ApplyReport): string {
  return reportFields(report)
}
