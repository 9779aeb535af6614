import { randomBytes } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { databaseError, isBusy } from './sqlite-error.ts'
import type { StoreLayout } from './layout.ts'

/**
 * Proof that a process lives: a file that it holds locked, and that the system lets go when the process ends, however
 * it ends. Tokens are never used twice. SQLite does the locking, since Node.js has no locks of its own.
 */
export class Owner implements Disposable {
  readonly token: string = randomBytes(12).toString('hex')
  readonly #layout: StoreLayout
  #lock: DatabaseSync | undefined

  private constructor(layout: StoreLayout) {
    this.#layout = layout
  }

  /** @throws {TareError} `FILE_ACCESS`, `DISK_FULL` */
  static create(layout: StoreLayout): Owner {
    const owner = new Owner(layout)
    const path = layout.owner(owner.token)
    try {
      owner.#lock = new DatabaseSync(path, { timeout: 0 })
      owner.#lock.exec('BEGIN EXCLUSIVE')
    } catch (error) {
      owner[Symbol.dispose]()
      throw databaseError(path, error)
    }
    return owner
  }

  [Symbol.dispose](): void {
    if (this.#lock === undefined) return
    rmSync(this.#layout.owner(this.token), { force: true })
    this.#lock.close()
    this.#lock = undefined
  }
}

/** Whether the process of a token may still live; what a dead one left is removed. */
export function isAlive(layout: StoreLayout, token: string): boolean {
  const path = layout.owner(token)
  if (!existsSync(path)) return false
  let lock: DatabaseSync | undefined
  try {
    lock = new DatabaseSync(path, { timeout: 0 })
    lock.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    // Where it can't be told, better wait than take what somebody has.
    if (isBusy(error)) return true
    throw databaseError(path, error)
  } finally {
    lock?.close()
  }
  rmSync(path, { force: true })
  return false
}
