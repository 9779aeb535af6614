import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const CARRIED = fileURLToPath(new URL('../../fixtures/', import.meta.url))
const SHARED = fileURLToPath(new URL('../../../shared/fixtures/', import.meta.url))

/** Path of a fixture that the project carries: `images/app-docker-v1.oci.tar`. */
export function fixture(name: string): string {
  const path = CARRIED + name
  if (!existsSync(path)) throw new Error(`fixture ${name} is not in the project`)
  return path
}

/** Path of a fixture beside the checkout, and a reason to skip the test where it is absent. */
export function sharedFixture(name: string): { readonly path: string; readonly skip: string | false } {
  const path = SHARED + name
  return { path, skip: existsSync(path) ? false : `../shared/fixtures/${name} is not here` }
}
