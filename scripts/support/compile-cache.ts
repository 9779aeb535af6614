import process from 'node:process'
import { fileURLToPath } from 'node:url'

/** Where Node keeps sources as it compiled them: types stripped, bytecode made. */
export const COMPILE_CACHE: string =
  process.env['NODE_COMPILE_CACHE'] ?? fileURLToPath(new URL('../../node_modules/.cache/compiled', import.meta.url))

// Imported ahead of a script, this is for the processes that it starts as well.
process.env['NODE_COMPILE_CACHE'] = COMPILE_CACHE
