import { InvalidArgumentError, Option } from 'commander'
import { parsePlatform, type Platform } from '../oci/index.ts'
import { collect, parseSize } from './option-values.ts'

/** `--platform`, repeatable. */
export function platformOption(description: string): Option {
  return new Option('--platform <platform>', `${description}, such as linux/arm64 (repeatable)`).argParser(collect)
}

/** `--baseline`, repeatable: further images that lend their content. */
export function baselineOption(): Option {
  return new Option('--baseline <image>', 'a further image that the receiver has (repeatable)').argParser(collect)
}

/** Less is a slip of the pen, and would fill a directory before that is noticed. */
const LEAST_VOLUME_BYTES = 1024

/** `--split`, for verbs that write an archive. */
export function splitOption(): Option {
  return new Option(
    '--split <size>',
    'write volumes of this size, FILE.001, FILE.002, …, and their checksums to FILE.sha256: 650MB for a disc, at most ' +
      '4294967295 (4GB is less, 4G one too many) for FAT32',
  ).argParser((text) => {
    const volumeBytes = parseSize(text)
    if (volumeBytes < LEAST_VOLUME_BYTES) throw new InvalidArgumentError(`Give a size of ${LEAST_VOLUME_BYTES} or more`)
    return volumeBytes
  })
}

/**
 * The platforms that were asked for.
 *
 * @throws {TareError} `INVALID_ARGUMENT`
 */
export function parsePlatforms(texts: readonly string[] | undefined): readonly Platform[] {
  return (texts ?? []).map((text) => parsePlatform(text))
}
