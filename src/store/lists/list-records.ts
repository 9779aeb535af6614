import { randomBytes } from 'node:crypto'
import { TareError } from '../../errors/index.ts'
import type { ListRecord, NewList } from './list-store.ts'

const ID_PATTERN = /^[0-9a-f]{64}$/
const ID_PREFIX_PATTERN = /^[0-9a-f]{1,64}$/

/** Makes sure of an ID. @throws {TareError} `INVALID_ARGUMENT` */
export function requireListId(id: string): string {
  if (ID_PATTERN.test(id)) return id
  throw new TareError('INVALID_ARGUMENT', `${JSON.stringify(id.slice(0, 160))} is not the ID of a list`, {
    hint: 'An ID is 64 lower-case hex digits',
  })
}

/** An ID that no list has. */
function randomListId(): string {
  return randomBytes(32).toString('hex')
}

/**
 * Picks a list by its name, its ID or a beginning of it, in this order.
 *
 * @throws {TareError} `NOT_FOUND`, `AMBIGUOUS_IMAGE`
 */
export function findRecord<Found extends ListRecord>(records: readonly Found[], idOrName: string): Found {
  const named = records.find((record) => record.names.includes(idOrName) || record.id === idOrName)
  if (named !== undefined) return named
  const prefix = idOrName.replace(/^sha256:/, '')
  const matching = ID_PREFIX_PATTERN.test(prefix) ? records.filter(({ id }) => id.startsWith(prefix)) : []
  const [only, ...others] = matching
  if (only === undefined) {
    throw new TareError('NOT_FOUND', `no list is named ${JSON.stringify(idOrName.slice(0, 260))}`, {
      hint: 'tare manifest ls shows the lists there are',
    })
  }
  if (others.length === 0) return only
  throw new TareError('AMBIGUOUS_IMAGE', `${matching.length} lists have IDs that begin with ${prefix}`, {
    hint: 'Give more digits, or a name',
  })
}

/** The error for an ID that no list has. */
export function unknownList(id: string): TareError {
  return new TareError('NOT_FOUND', `no list has the ID ${id}`, { hint: 'tare manifest ls shows the lists there are' })
}

/**
 * The record of a new list.
 *
 * @throws {TareError} `NAME_IN_USE` where another list has its ID or one of its names
 */
export function newRecord(records: readonly ListRecord[], { id, names }: NewList, changedAt: Date): ListRecord {
  const record = { id: id === undefined ? randomListId() : requireListId(id), names: [...new Set(names)], changedAt }
  const sameId = records.find((other) => other.id === record.id)
  if (sameId !== undefined) throw inUse(`a list with the ID ${record.id}`)
  const taken = record.names.find((name) => records.some((other) => other.names.includes(name)))
  if (taken !== undefined) throw inUse(`a list named ${taken}`)
  return record
}

function inUse(what: string): TareError {
  return new TareError('NAME_IN_USE', `${what} exists already`, {
    hint: 'Choose another name, remove it with tare manifest rm, or add to it with --amend',
  })
}
