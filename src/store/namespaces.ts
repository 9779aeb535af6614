import { TareError } from '../errors/index.ts'
import type { Labels } from '../oci/index.ts'
import type { StoreContext } from './context.ts'
import { checkedLabels } from './labels.ts'
import { formatLabels, labelsOf, textOf } from './rows.ts'

/** One tenant of a store. */
export interface Namespace {
  readonly name: string
  readonly labels: Labels
}

/** As containerd has it: labels of letters and digits, joined by single `.`, `-` or `_`. */
const NAME_PATTERN = /^[A-Za-z0-9]+(?:[._-]+[A-Za-z0-9]+)*$/
const MAX_NAME_CHARS = 76

/** @throws {TareError} `INVALID_ARGUMENT` */
export function checkNamespace(name: string): string {
  if (name.length <= MAX_NAME_CHARS && NAME_PATTERN.test(name)) return name
  throw new TareError('INVALID_ARGUMENT', `namespace ${JSON.stringify(name.slice(0, 160))} is malformed`, {
    hint: `A namespace has up to ${MAX_NAME_CHARS} letters and digits, with . - _ between them`,
  })
}

/** The namespaces of a store. One comes into being with what is put there; only its labels need it to be made. */
export class Namespaces {
  readonly #context: StoreContext

  constructor(context: StoreContext) {
    this.#context = context
  }

  /** Makes a namespace, with labels. @throws {TareError} `ALREADY_EXISTS`, `INVALID_ARGUMENT` */
  async create(name: string, labels: Labels = {}): Promise<Namespace> {
    const checked = checkedLabels(labels, `namespace ${checkNamespace(name)}`)
    await this.#context.database.write((transaction) => {
      const row = [name, formatLabels(checked), this.#context.now()] as const
      if (transaction.run('INSERT OR IGNORE INTO namespaces VALUES (?, ?, ?)', ...row) === 1) return
      throw new TareError('ALREADY_EXISTS', `namespace ${name} is there already`)
    })
    return { name, labels: checked }
  }

  /** All there are, by name: those that were made, and those that hold something. */
  async list(): Promise<readonly Namespace[]> {
    const rows = await this.#context.database.read((transaction) =>
      transaction.all(`
        SELECT name, min(labels) AS labels FROM (
          SELECT name, labels FROM namespaces
          UNION SELECT namespace, '{}' FROM images
          UNION SELECT namespace, '{}' FROM blobs
          UNION SELECT namespace, '{}' FROM leases
          UNION SELECT namespace, '{}' FROM ingests
          UNION SELECT namespace, '{}' FROM lists
        ) GROUP BY name ORDER BY name`),
    )
    return rows.map((row) => ({ name: textOf(row, 'name'), labels: labelsOf(row, 'labels') }))
  }

  /** Removes a namespace that is empty. @throws {TareError} `NOT_FOUND`, `FAILED_PRECONDITION` while it holds something */
  async delete(name: string): Promise<void> {
    await this.#context.database.write((transaction) => {
      for (const table of ['images', 'blobs', 'leases', 'ingests', 'lists']) {
        if (transaction.get(`SELECT 1 FROM ${table} WHERE namespace = ? LIMIT 1`, name) === undefined) continue
        throw new TareError('FAILED_PRECONDITION', `namespace ${name} still holds ${table}`, {
          hint: 'Delete its images, lists and leases, then collect',
        })
      }
      if (transaction.run('DELETE FROM namespaces WHERE name = ?', name) === 1) return
      throw new TareError('NOT_FOUND', `namespace ${JSON.stringify(name.slice(0, 160))} is not in the store`)
    })
  }
}
