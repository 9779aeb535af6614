import { TareError } from '../errors/index.ts'
import { type Descriptor, type Digest, isDigest, type Labels } from '../oci/index.ts'
import { type NamespaceContext, touch } from './context.ts'
import type { Transaction } from './database.ts'
import { type FieldReader, type Filter, labelField, parseFilters, type Selector } from './filter/index.ts'
import { checkedLabels, isWithin, mergedLabels, unknownPath } from './labels.ts'
import { dateOf, digestColumn, formatLabels, labelsOf, numberOf, type Row, textOf } from './rows.ts'

/** What an image record is made of. */
export interface NewImage {
  readonly name: string
  /** The root of the image. Media type, digest, size and annotations are kept; all else goes. */
  readonly target: Descriptor
  readonly labels?: Labels | undefined
}

/** A name for an image. It owns no bytes: those are kept alive by it, and go with a collection. */
export interface ImageRecord extends NewImage {
  readonly labels: Labels
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** Options of {@link ImageStore.delete}. */
export interface DeleteImageOptions {
  readonly signal?: AbortSignal | undefined
  /** Wait for a collection, so that the space is free when this returns. @default false */
  readonly synchronous?: boolean | undefined
  /** Delete only while the record points there. */
  readonly target?: Digest | undefined
}

/** Options of the others. */
export interface ImageStoreOptions {
  readonly signal?: AbortSignal | undefined
}

/** Options of {@link ImageStore.putAll}. */
export interface PutImageOptions extends ImageStoreOptions {
  /** Whether a record that is moved loses the labels it had. @default false */
  readonly replaceLabels?: boolean | undefined
}

/** The image records of one namespace. */
export interface ImageStore {
  /** @throws {TareError} `NOT_FOUND` */
  get(name: string, options?: ImageStoreOptions): Promise<ImageRecord>
  /**
   * Records that any of the filters picks, by name; all where there is none. Fields are `name`, `target.digest`,
   * `target.mediatype`, `labels.KEY`, `annotations.KEY`.
   *
   * @throws {TareError} `INVALID_ARGUMENT` for a malformed filter
   */
  list(filters?: readonly string[], options?: ImageStoreOptions): Promise<readonly ImageRecord[]>
  /** @throws {TareError} `ALREADY_EXISTS`, `INVALID_ARGUMENT` */
  create(image: NewImage, options?: ImageStoreOptions): Promise<ImageRecord>
  /**
   * Changes a record, at once and as a whole.
   *
   * @param fieldPaths - what to change: `target`, `labels`, `labels.KEY`, `annotations`, `annotations.KEY`; everything
   * when left out. An empty value takes its key away
   * @throws {TareError} `NOT_FOUND`, `INVALID_ARGUMENT`
   */
  update(image: NewImage, fieldPaths?: readonly string[], options?: ImageStoreOptions): Promise<ImageRecord>
  /**
   * Points names at targets, all at once or none: makes a record, or moves it and keeps its labels. Of equal names the
   * last counts.
   *
   * @throws {TareError} `INVALID_ARGUMENT`
   */
  putAll(images: readonly NewImage[], options?: PutImageOptions): Promise<readonly ImageRecord[]>
  /** @throws {TareError} `NOT_FOUND`, also when the record points elsewhere than `target` */
  delete(name: string, options?: DeleteImageOptions): Promise<void>
}

const MAX_NAME_BYTES = 4096
const COLUMNS = 'name, media_type, digest, size, annotations, labels, created_at, updated_at'

/** The image records in the store's database. */
export class LocalImages implements ImageStore {
  readonly #context: NamespaceContext

  constructor(context: NamespaceContext) {
    this.#context = context
  }

  async get(name: string, { signal }: ImageStoreOptions = {}): Promise<ImageRecord> {
    return this.#context.database.read((transaction) => this.#require(transaction, name), signal)
  }

  async list(filters: readonly string[] = [], { signal }: ImageStoreOptions = {}): Promise<readonly ImageRecord[]> {
    const filter = parseFilters(filters)
    const { conditions, values } = narrowing(filter, this.#context.namespace)
    const rows = await this.#context.database.read(
      (transaction) =>
        transaction.all(
          `SELECT ${COLUMNS} FROM images WHERE namespace = ?${conditions} ORDER BY ${conditions === '' ? 'name' : '+name'}`,
          this.#context.namespace,
          ...values,
        ),
      signal,
    )
    return rows.filter((row) => filter.matches(fieldsOf(row))).map(toRecord)
  }

  async create(image: NewImage, { signal }: ImageStoreOptions = {}): Promise<ImageRecord> {
    const checked = checkedImage(image)
    return this.#context.database.write((transaction) => {
      if (this.#find(transaction, image.name) !== undefined) {
        throw new TareError('ALREADY_EXISTS', `image ${image.name} is there already`)
      }
      return this.#insert(transaction, checked)
    }, signal)
  }

  async update(
    image: NewImage,
    fieldPaths: readonly string[] = [],
    { signal }: ImageStoreOptions = {},
  ): Promise<ImageRecord> {
    for (const path of fieldPaths) {
      if (path !== 'target' && !isWithin('labels', path) && !isWithin('annotations', path)) {
        throw unknownPath(path, 'an image record')
      }
    }
    return this.#context.database.write((transaction) => {
      const before = this.#require(transaction, image.name)
      return this.#replace(transaction, before, checkedImage(changed(before, image, fieldPaths)))
    }, signal)
  }

  async putAll(
    images: readonly NewImage[],
    { replaceLabels, signal }: PutImageOptions = {},
  ): Promise<readonly ImageRecord[]> {
    const checked = images.map(checkedImage)
    return this.#context.database.write((transaction) => {
      return checked.map((image) => {
        const before = this.#find(transaction, image.name)
        if (before === undefined) return this.#insert(transaction, image)
        const labels = replaceLabels === true ? image.labels : { ...before.labels, ...image.labels }
        return this.#replace(transaction, before, { ...image, labels })
      })
    }, signal)
  }

  async delete(name: string, { signal, synchronous, target }: DeleteImageOptions = {}): Promise<void> {
    await this.#context.database.write((transaction) => {
      const found = this.#require(transaction, name)
      if (target !== undefined && found.target.digest !== target) {
        throw new TareError('NOT_FOUND', `image ${name} points at ${found.target.digest}, not at ${target}`)
      }
      transaction.run('DELETE FROM images WHERE namespace = ? AND name = ?', this.#context.namespace, name)
    }, signal)
    if (synchronous === true) await this.#context.collect(signal)
  }

  #find(transaction: Transaction, name: string): ImageRecord | undefined {
    const row = transaction.get(
      `SELECT ${COLUMNS} FROM images WHERE namespace = ? AND name = ?`,
      this.#context.namespace,
      name,
    )
    return row === undefined ? undefined : toRecord(row)
  }

  #require(transaction: Transaction, name: string): ImageRecord {
    const found = this.#find(transaction, name)
    if (found !== undefined) return found
    throw new TareError('NOT_FOUND', `image ${JSON.stringify(name.slice(0, 300))} is not in the store`)
  }

  #insert(transaction: Transaction, image: CheckedImage): ImageRecord {
    const now = new Date(this.#context.now())
    return this.#write(transaction, { ...image, createdAt: now, updatedAt: now })
  }

  #replace(transaction: Transaction, before: ImageRecord, image: CheckedImage): ImageRecord {
    const { createdAt } = before
    return this.#write(transaction, { ...image, createdAt, updatedAt: new Date(this.#context.now()) })
  }

  #write(transaction: Transaction, record: ImageRecord): ImageRecord {
    const { name, target, labels, createdAt, updatedAt } = record
    transaction.run(
      `INSERT OR REPLACE INTO images (namespace, ${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      this.#context.namespace,
      name,
      target.mediaType,
      target.digest,
      target.size,
      formatLabels(target.annotations ?? {}),
      formatLabels(labels),
      createdAt.getTime(),
      updatedAt.getTime(),
    )
    touch(transaction, this.#context.namespace, 'image', name)
    return record
  }
}

interface CheckedImage extends NewImage {
  readonly labels: Labels
}

function changed(before: ImageRecord, image: NewImage, paths: readonly string[]): NewImage {
  if (paths.length === 0) return image
  const target = paths.includes('target') ? image.target : before.target
  const annotationPaths = paths.filter((path) => isWithin('annotations', path))
  const labelPaths = paths.filter((path) => isWithin('labels', path))
  return {
    name: before.name,
    target: {
      ...target,
      annotations: mergedLabels(
        target.annotations ?? {},
        image.target.annotations ?? {},
        'annotations',
        annotationPaths,
      ),
    },
    labels: mergedLabels(before.labels, image.labels ?? {}, 'labels', labelPaths),
  }
}

function checkedImage({ name, target, labels }: NewImage): CheckedImage {
  const subject = `image ${JSON.stringify(name.slice(0, 300))}`
  const refuse = (problem: string): never => {
    throw new TareError('INVALID_ARGUMENT', `${subject} ${problem}`)
  }
  if (name === '') refuse('has no name')
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) refuse(`has a name of more than ${MAX_NAME_BYTES} bytes`)
  // Names end up in terminals and logs, and may come from archives of anybody.
  if (/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u.test(name)) refuse('has control characters in its name')
  if (!isDigest(target.digest)) refuse('points at something without a well-formed digest')
  if (!Number.isSafeInteger(target.size) || target.size <= 0) refuse('points at something without a size')
  if (target.mediaType === '') refuse('points at something without a media type')
  const { mediaType, digest, size } = target
  const annotations = Object.entries(target.annotations ?? {}).filter(([, value]) => value !== '')
  return {
    name,
    target:
      annotations.length === 0
        ? { mediaType, digest, size }
        : { mediaType, digest, size, annotations: Object.fromEntries(annotations) },
    labels: checkedLabels(labels ?? {}, subject),
  }
}

function toRecord(row: Row): ImageRecord {
  const annotations = textOf(row, 'annotations')
  const target = {
    mediaType: textOf(row, 'media_type'),
    digest: digestColumn(row, 'digest'),
    size: numberOf(row, 'size'),
  }
  return {
    name: textOf(row, 'name'),
    target: annotations === '{}' ? target : { ...target, annotations: labelsOf(row, 'annotations') },
    labels: labelsOf(row, 'labels'),
    createdAt: dateOf(row, 'created_at'),
    updatedAt: dateOf(row, 'updated_at'),
  }
}

/** Reads fields off a row: most rows are looked at for one field only. */
function fieldsOf(row: Row): FieldReader {
  return (path) => {
    switch (path[0] ?? '') {
      case 'name':
        return textOf(row, 'name')
      case 'target': {
        const column = TARGET_COLUMNS[path.slice(0, 2).join('.')]
        return column === undefined ? undefined : textOf(row, column)
      }
      case 'labels':
      case 'annotations':
        return labelField(labelsOf(row, path[0] ?? ''), path)
      default:
        return undefined
    }
  }
}

/**
 * What SQL may look for so that not every record has to be read: names, digests, types, and labels that are plain. The
 * filter itself decides in the end.
 */
function narrowing(
  filter: Filter,
  namespace: string,
): { readonly conditions: string; readonly values: readonly string[] } {
  const found = filter.alternatives.map((selectors) =>
    selectors.flatMap((selector) => lookupOf(selector, namespace) ?? []),
  )
  if (found.length > MAX_LOOKUPS || found.some((lookups) => lookups.length === 0)) return { conditions: '', values: [] }
  const alternatives = found.map((lookups) => `(${lookups.map(({ condition }) => condition).join(' AND ')})`)
  return {
    conditions: ` AND (${alternatives.join(' OR ')})`,
    values: found.flatMap((lookups) => lookups.flatMap(({ values }) => values)),
  }
}

interface Lookup {
  readonly condition: string
  readonly values: readonly string[]
}

function lookupOf({ fieldPath, operator, value }: Selector, namespace: string): Lookup | undefined {
  const [field, ...rest] = fieldPath
  const column = fieldPath.length === 1 && field === 'name' ? 'name' : TARGET_COLUMNS[fieldPath.join('.')]
  if (column !== undefined && operator !== '==') return undefined
  // Left to itself SQLite would rather read the whole namespace in the order of the names.
  if (column === 'digest') return { condition: BY_DIGEST, values: [namespace, value] }
  if (column !== undefined) return { condition: `${column} = ?`, values: [value] }
  const key = rest.join('.')
  // What is quoted in a path of SQLite's can't hold a quote.
  if ((field !== 'labels' && field !== 'annotations') || /["\\]/.test(key)) return undefined
  const path = `$."${key}"`
  if (operator === '==') return { condition: `json_extract(${field}, ?) = ?`, values: [path, value] }
  return operator === 'present' ? { condition: `json_extract(${field}, ?) IS NOT NULL`, values: [path] } : undefined
}

const BY_DIGEST = 'name IN (SELECT name FROM images INDEXED BY images_by_digest WHERE namespace = ? AND digest = ?)'
const TARGET_COLUMNS: Readonly<Record<string, string>> = { 'target.digest': 'digest', 'target.mediatype': 'media_type' }

/** More alternatives than this are not looked up one by one. */
const MAX_LOOKUPS = 100
