/** Archives of diffah, schema v1: read, planned, written. */
export { type Comparison, type ComparisonTools } from './compare.ts'
export { diffDiffah, type DiffahOptions, type DiffahReport, planDiffah } from './diff-diffah.ts'
export { DiffahArchive, diffahArchiveIn, openDiffahArchive } from './read-diffah.ts'
