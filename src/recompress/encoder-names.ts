import type { Encoder } from './recipe.ts'

/** First and last release of klauspost/compress in each family, by the family's id. @see docs/formats/encoders.md */
const KLAUSPOST_RELEASES: readonly (readonly [first: string, last: string])[] = [
  ['1.9.0', '1.9.7'],
  ['1.9.8', '1.10.0'],
  ['1.10.1', '1.10.1'],
  ['1.10.2', '1.11.12'],
  ['1.11.13', '1.12.1'],
  ['1.12.2', '1.12.2'],
  ['1.12.3', '1.13.6'],
  ['1.14.0', '1.14.1'],
  ['1.14.2', '1.14.2'],
  ['1.14.3', '1.14.4'],
  ['1.15.0', '1.15.9'],
  ['1.15.10', '1.15.10'],
  ['1.15.11', '1.15.14'],
  ['1.15.15', '1.17.11'],
  ['1.18.0', '1.18.0'],
  ['1.18.1', '1.18.1'],
  ['1.18.2', '1.19.2'],
  ['1.20.0', '1.20.3'],
]
/** The family that the standard library of Go 1.27 took over. */
const GO_127_FAMILY = 17

/** The software whose output an encoder makes again, for people: `pgzip with klauspost/compress 1.15.15 to 1.17.11`. */
export function encoderName(encoder: Encoder): string {
  switch (encoder.kind) {
    case 'verbatim':
      return 'as it is'
    case 'unknown':
      return 'unknown encoder'
    case 'baseline':
      return 'unknown encoder, as in the baseline'
    case 'go':
      return 'Go 1.7 to 1.26'
    case 'klauspost': {
      const releases = klauspostReleases(encoder.family)
      return encoder.family === GO_127_FAMILY ? `Go 1.27, or ${releases}` : releases
    }
    case 'pgzip':
      return `pgzip with ${klauspostReleases(encoder.family)}`
    case 'zlib':
      return 'zlib'
    case 'gzip':
      return encoder.isRsyncable ? 'GNU gzip --rsyncable' : 'GNU gzip'
    case 'pigz':
      return ['pigz', encoder.mode === 'serial' ? '-p 1' : '', encoder.isIndependent ? '-i' : ''].join(' ').trimEnd()
  }
}

/** The family of klauspost's encoder that a release belongs to; undefined for one that is not known. */
export function klauspostFamily(release: string): number | undefined {
  const at = KLAUSPOST_RELEASES.findIndex(
    ([first, last]) => compareReleases(first, release) <= 0 && compareReleases(release, last) <= 0,
  )
  return at === -1 ? undefined : at
}

function klauspostReleases(family: number): string {
  const [first, last] = KLAUSPOST_RELEASES[family] ?? ['of a newer family', 'of a newer family']
  return `klauspost/compress ${first === last ? first : `${first} to ${last}`}`
}

function compareReleases(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true })
}
