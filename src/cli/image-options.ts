import { Option } from 'commander'
import { parsePlatform, type Platform } from '../oci/index.ts'
import { collect } from './option-values.ts'

/** `--platform`, repeatable. */
export function platformOption(description: string): Option {
  return new Option('--platform <platform>', `${description}, such as linux/arm64 (repeatable)`).argParser(collect)
}

/** `--baseline`, repeatable: further images that lend their content. */
export function baselineOption(): Option {
  return new Option('--baseline <image>', 'a further image that the receiver has (repeatable)').argParser(collect)
}

/**
 * The platforms that were asked for.
 *
 * @throws {TareError} `INVALID_ARGUMENT`
 */
export function parsePlatforms(texts: readonly string[] | undefined): readonly Platform[] {
  return (texts ?? []).map((text) => parsePlatform(text))
}
