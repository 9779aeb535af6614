import { Option } from 'commander'
import { hasErrorCode, TareError } from '../errors/index.ts'
import type { Labels } from '../oci/index.ts'
import type { ImageRecord, ImageStore, Store, StoreNamespace } from '../store/index.ts'
import { collect } from './option-values.ts'
import type { Run } from './run.ts'

/** What verbs over the local store have in common. */
export interface StoreOptionValues {
  readonly namespace?: string
}

/** A store that is open, and the namespace that the user means. */
export interface OpenedStore extends AsyncDisposable {
  readonly store: Store
  readonly namespace: StoreNamespace
}

/** `--namespace`, as `ctr` has it. */
export function namespaceOption(): Option {
  return new Option('-n, --namespace <name>', 'namespace in the store').default('default')
}

/** `--label KEY=VALUE`, repeatable. */
export function labelOption(): Option {
  return new Option('--label <key=value>', 'label the record (repeatable)').argParser(collect)
}

/**
 * Opens the local store.
 *
 * @param mayCreate - make the store where there is none; else that is an error
 * @throws {TareError} `FILE_NOT_FOUND`, `UNSUPPORTED_FORMAT`, `STORE_DAMAGED`, …
 */
export async function openStore(run: Run, values: StoreOptionValues, mayCreate = false): Promise<OpenedStore> {
  const { Store } = await import('../store/index.ts')
  await using resources = new AsyncDisposableStack()
  const options = { create: mayCreate, signal: run.signal }
  const store = resources.use(await Store.open(run.settings.storeDirectory, options))
  const namespace = store.namespace(values.namespace)
  const held = resources.move()
  return { store, namespace, [Symbol.asyncDispose]: () => held.disposeAsync() }
}

/**
 * Labels from `KEY=VALUE`; a key alone is `true`, an empty value takes the key away.
 *
 * @throws {TareError} `INVALID_ARGUMENT` for a label without a key
 */
export function parseLabels(texts: readonly string[]): Labels {
  const pairs = texts.map((text): readonly [string, string] => {
    const at = text.indexOf('=')
    if (at === 0 || text === '') {
      throw new TareError('INVALID_ARGUMENT', `label ${JSON.stringify(text.slice(0, 80))} has no key`, {
        hint: 'Give KEY=VALUE, KEY alone for true, or KEY= to take it away',
      })
    }
    return at === -1 ? [text, 'true'] : [text.slice(0, at), text.slice(at + 1)]
  })
  return Object.fromEntries(pairs)
}

/** Labels in a table. */
export function labelsText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`)
  return pairs.length === 0 ? '-' : pairs.join(',')
}

/**
 * The name of a record in full, as `store:` would write it: `docker.io/library/app:latest` for `app`.
 *
 * @throws {TareError} `INVALID_REFERENCE`
 */
export async function fullName(name: string): Promise<string> {
  const { normalName } = await import('../image/index.ts')
  return normalName(withoutPrefix(name))
}

/**
 * Finds a record by its name in full or, as records need not have Docker's form, by the text as it is.
 *
 * @throws {TareError} `NOT_FOUND`
 */
export async function findImage(images: ImageStore, name: string, run: Run): Promise<ImageRecord> {
  const { signal } = run
  const text = withoutPrefix(name)
  const full = await fullName(text).catch((error: unknown) => {
    if (hasErrorCode(error, 'INVALID_REFERENCE')) return text
    throw error
  })
  for (const candidate of new Set([full, text])) {
    try {
      return await images.get(candidate, { signal })
    } catch (error) {
      if (!hasErrorCode(error, 'NOT_FOUND')) throw error
    }
  }
  throw new TareError('NOT_FOUND', `image ${JSON.stringify(text.slice(0, 300))} is not in the store`, {
    hint: 'See what there is with tare image ls',
  })
}

/** Sets labels of an image, and leaves its others alone unless `replacesAll`. @returns the image with all it has */
export async function labelImage(
  images: ImageStore,
  found: ImageRecord,
  labels: Labels,
  { signal }: Run,
  replacesAll = false,
): Promise<ImageRecord> {
  const paths = replacesAll ? ['labels'] : Object.keys(labels).map((key) => `labels.${key}`)
  if (paths.length === 0) return found
  const { name, target } = found
  return images.update({ name, target, labels }, paths, { signal })
}

/** What `tare copy` takes is taken here too. */
function withoutPrefix(name: string): string {
  return name.startsWith('store:') ? name.slice('store:'.length) : name
}
