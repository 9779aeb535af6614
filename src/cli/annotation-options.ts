import { TareError } from '../errors/index.ts'
import type { Annotations } from '../oci/index.ts'

/**
 * Reads what `--annotation KEY=VALUE` was given; the last value of a key counts.
 *
 * @throws {TareError} `INVALID_ARGUMENT`
 */
export function parseAnnotations(texts: readonly string[] | undefined): Annotations {
  return Object.fromEntries(
    (texts ?? []).map((text) => {
      const at = text.indexOf('=')
      if (at > 0) return [text.slice(0, at), text.slice(at + 1)]
      throw new TareError('INVALID_ARGUMENT', `annotation ${JSON.stringify(text.slice(0, 160))} is malformed`, {
        hint: 'Write KEY=VALUE',
      })
    }),
  )
}
