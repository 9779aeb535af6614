import { TareError } from './tare-error.ts'

/** What is known of a file that was copied in part. */
export interface IncompleteFileFacts {
  /** Bytes there are. */
  readonly actualBytes: number
  /** Bytes there have to be at the least, where the file itself says so. */
  readonly expectedBytes?: number | undefined
  /** From this byte on there are zeros and nothing else: a copying program took the room and never filled it. */
  readonly zerosFromByte?: number | undefined
}

/** A file was copied in part: it is empty, is cut off or ends in zeros. Code `FILE_INCOMPLETE`. */
export class IncompleteFileError extends TareError {
  override readonly name = 'IncompleteFileError'
  readonly actualBytes: number
  readonly expectedBytes: number | undefined
  readonly zerosFromByte: number | undefined

  /** @param subject - the file */
  constructor(subject: string, facts: IncompleteFileFacts, cause?: unknown) {
    super('FILE_INCOMPLETE', `${subject} ${incompleteness(facts)}`, {
      cause,
      hint: 'Copy or send it again, to its end and with all its volumes',
    })
    this.actualBytes = facts.actualBytes
    this.expectedBytes = facts.expectedBytes
    this.zerosFromByte = facts.zerosFromByte
  }
}

function incompleteness({ actualBytes, expectedBytes, zerosFromByte }: IncompleteFileFacts): string {
  if (actualBytes === 0) return 'is empty'
  if (zerosFromByte === 0) return `holds ${actualBytes} zeros and nothing else: it looks half copied`
  if (zerosFromByte !== undefined) {
    return `ends in zeros, from byte ${zerosFromByte} of ${actualBytes} on: it looks half copied`
  }
  if (expectedBytes === undefined) return `is cut off after ${actualBytes} bytes`
  return `is cut off: it has ${actualBytes} of at least ${expectedBytes} bytes`
}

/** Volumes of a set are not there. Code `VOLUME_MISSING`. */
export class VolumeMissingError extends TareError {
  override readonly name = 'VolumeMissingError'
  /** Names of the files, in order. */
  readonly volumes: readonly string[]

  /** @param subject - what the volumes make up */
  constructor(subject: string, volumes: readonly string[]) {
    super('VOLUME_MISSING', `${subject}: ${named(volumes)} ${volumes.length === 1 ? 'is' : 'are'} missing`, {
      hint: 'Copy every volume into the same directory',
    })
    this.volumes = volumes
  }
}

/** Volumes of a set, or its list of checksums, are not what they were. Code `VOLUME_DAMAGED`. */
export class VolumeDamagedError extends TareError {
  override readonly name = 'VolumeDamagedError'
  /** Names of the files, in order. */
  readonly volumes: readonly string[]

  /**
   * @param subject - what the volumes make up
   * @param problem - what is wrong with each of them
   */
  constructor(subject: string, volumes: readonly string[], problem: string) {
    super('VOLUME_DAMAGED', `${subject}: ${named(volumes)} ${problem}`, {
      hint: volumes.length === 1 ? 'Copy this volume again' : 'Copy these volumes again',
    })
    this.volumes = volumes
  }
}

const MOST_NAMES = 8

function named(volumes: readonly string[]): string {
  const shown = volumes.slice(0, MOST_NAMES).join(', ')
  return volumes.length > MOST_NAMES ? `${shown} and ${volumes.length - MOST_NAMES} more` : shown
}
