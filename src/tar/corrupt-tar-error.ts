import { TareError } from '../errors/index.ts'

/** A tar archive is damaged, cut off, or no tar archive at all. Code `CORRUPT_TAR`. */
export class CorruptTarError extends TareError {
  override readonly name = 'CorruptTarError'
  /** Byte of the archive at which the trouble was seen: the start of the block, or the end of what there is. */
  readonly offset: number
  /** Bytes that the archive would have to have at the least, where it is cut off. */
  readonly neededBytes: number | undefined

  /**
   * @param subject - which archive: `layer sha256:…`, a path
   * @param problem - what is wrong there, without a final period
   * @param neededBytes - where the archive is cut off: bytes it would have to have at the least
   */
  constructor(subject: string, offset: number, problem: string, neededBytes?: number) {
    super('CORRUPT_TAR', `${subject}: ${problem} at byte ${offset}`, {
      hint: 'The archive is damaged or incomplete; make or fetch it again',
    })
    this.offset = offset
    this.neededBytes = neededBytes
  }
}
