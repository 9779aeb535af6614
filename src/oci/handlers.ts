import { TareError } from '../errors/index.ts'
import type { ContentManager } from './content.ts'
import type { Descriptor } from './descriptor.ts'
import { isIndexType, isKnownConfigType, isLayerType, isManifestType } from './media-type.ts'
import { type PlatformMatcher, sortByPlatform } from './platform-matcher.ts'

/** Does something with a descriptor, and gives those it leads to. */
export type DescriptorHandler = (descriptor: Descriptor, signal?: AbortSignal) => Promise<readonly Descriptor[]>

/** Thrown by a handler: what the descriptor leads to is of no interest. No failure. */
export class SkipDescriptor extends Error {
  override readonly name = 'SkipDescriptor'
}

/** Thrown by a handler inside {@link handleInOrder}: the handlers after it have nothing to do. Elsewhere a failure. */
export class StopHandling extends Error {
  override readonly name = 'StopHandling'
}

/** Errors wrapped deeper than this are not looked at. */
const MAX_CAUSES = 32

function isCausedBy(error: unknown, kind: typeof SkipDescriptor | typeof StopHandling): boolean {
  let at = error
  for (let depth = 0; depth < MAX_CAUSES && at instanceof Error; depth++) {
    if (at instanceof kind) return true
    at = at.cause
  }
  return false
}

/**
 * Makes one handler of several: they run in order, and what they lead to is laid end to end. A {@link StopHandling},
 * also as a cause, ends the row for the descriptor and keeps what the handlers before it gave.
 */
export function handleInOrder(...handlers: readonly DescriptorHandler[]): DescriptorHandler {
  return async (descriptor, signal) => {
    const children: Descriptor[] = []
    for (const handler of handlers) {
      try {
        children.push(...(await handler(descriptor, signal)))
      } catch (error) {
        if (isCausedBy(error, StopHandling)) break
        throw error
      }
    }
    return children
  }
}

/** What a walk may be told. */
export interface WalkOptions {
  readonly signal?: AbortSignal | undefined
}

/**
 * Visits descriptors and all they lead to, one after the other, each before its children. The first error ends the
 * walk. What is listed twice is visited twice.
 */
export async function walk(
  handler: DescriptorHandler,
  descriptors: readonly Descriptor[],
  { signal }: WalkOptions = {},
): Promise<void> {
  for (const descriptor of descriptors) {
    signal?.throwIfAborted()
    await walk(handler, await childrenOf(handler, descriptor, signal), { signal })
  }
}

/**
 * Like {@link walk}, but a walk on which nothing led anywhere is an error.
 *
 * @throws {TareError} `EMPTY_WALK`
 */
export async function walkNotEmpty(
  handler: DescriptorHandler,
  descriptors: readonly Descriptor[],
  options: WalkOptions = {},
): Promise<void> {
  let isEmpty = true
  const counting: DescriptorHandler = async (descriptor, signal) => {
    const children = await handler(descriptor, signal)
    if (children.length > 0) isEmpty = false
    return children
  }
  await walk(counting, descriptors, options)
  if (!isEmpty) return
  throw new TareError('EMPTY_WALK', 'nothing of the image is left', {
    hint: 'It may be for other platforms only; choose them, or all',
  })
}

async function childrenOf(
  handler: DescriptorHandler,
  descriptor: Descriptor,
  signal: AbortSignal | undefined,
): Promise<readonly Descriptor[]> {
  try {
    return await handler(descriptor, signal)
  } catch (error) {
    if (isCausedBy(error, SkipDescriptor)) return []
    throw error
  }
}

/** Lets a stated number of callers in at a time, in order of arrival. */
export class ConcurrencyLimiter {
  #free: number
  readonly #waiting: (() => void)[] = []

  /** @param count - callers at a time, at least 1 */
  constructor(count: number) {
    this.#free = Math.max(1, count)
  }

  /** Runs `work` when its turn comes; an abort before that is thrown at once. */
  async run<Output>(work: () => Promise<Output>, signal?: AbortSignal): Promise<Output> {
    await this.#enter(signal)
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }

  async #enter(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    if (this.#free > 0) {
      this.#free--
      return
    }
    await new Promise<void>((resolve, reject) => {
      const enter = (): void => {
        signal?.removeEventListener('abort', leave)
        resolve()
      }
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1)
        // The reason is the caller's, and is passed on as it is.
        reject(signal?.reason)
      }
      this.#waiting.push(enter)
      signal?.addEventListener('abort', leave, { once: true })
    })
  }
}

/** What {@link dispatch} may be told. */
export interface DispatchOptions extends WalkOptions {
  /** Bounds the handler calls that run at a time, also over several walks. @default no bound */
  readonly limiter?: ConcurrencyLimiter | undefined
}

/**
 * Visits descriptors and all they lead to, siblings at the same time. The limiter is held during a handler call only,
 * not while its children are visited, so that a deep tree can't lock itself up. The first error ends the signal that
 * handlers got, and is thrown when those that run have ended. What is listed twice is visited twice, maybe at once.
 */
export async function dispatch(
  handler: DescriptorHandler,
  descriptors: readonly Descriptor[],
  options: DispatchOptions = {},
): Promise<void> {
  const failure = new AbortController()
  const signal = options.signal === undefined ? failure.signal : AbortSignal.any([failure.signal, options.signal])
  let failed: { readonly error: unknown } | undefined
  const visit = async (descriptor: Descriptor): Promise<void> => {
    const handle = (): Promise<readonly Descriptor[]> => childrenOf(handler, descriptor, signal)
    try {
      signal.throwIfAborted()
      const children = await (options.limiter === undefined ? handle() : options.limiter.run(handle, signal))
      await Promise.all(children.map(visit))
    } catch (error) {
      failed ??= { error }
      failure.abort(error)
    }
  }
  await Promise.all(descriptors.map(visit))
  if (failed !== undefined) throw failed.error
}

/** Drops what a handler leads to that has a platform which does not match. What has none stays. */
export function filterPlatforms(handler: DescriptorHandler, matcher: PlatformMatcher | undefined): DescriptorHandler {
  return async (descriptor, signal) => {
    const children = await handler(descriptor, signal)
    if (matcher === undefined) return children
    return children.filter(({ platform }) => platform === undefined || matcher.matches(platform))
  }
}

/**
 * Keeps the best members of an index: sorted, those without a platform last, and cut. Other descriptors are left alone.
 *
 * @param count - members to keep; 0 or less only sorts
 * @throws {TareError} `NO_MATCHING_PLATFORM` when members are wanted and there are none
 */
export function limitManifests(handler: DescriptorHandler, matcher: PlatformMatcher, count: number): DescriptorHandler {
  return async (descriptor, signal) => {
    const children = await handler(descriptor, signal)
    if (!isIndexType(descriptor.mediaType)) return children
    const sorted = sortByPlatform(children, matcher)
    if (count <= 0) return sorted
    if (sorted.length > 0) return sorted.slice(0, count)
    throw new TareError('NO_MATCHING_PLATFORM', `index ${descriptor.digest} has no match for the platform`)
  }
}

/** Start of the labels by which a blob keeps others alive. */
export const GC_CONTENT_LABEL = 'containerd.io/gc.ref.content'

/** The label keys by which a parent refers to a child; keys that end in a dot get a running number. */
export type ChildLabelMap = (child: Descriptor) => readonly string[]

/** `….config` for configs, `….m.` for manifests, `….l.` for layers; for anything else, nested indexes too, just a number. */
export const childGcLabels: ChildLabelMap = ({ mediaType }) => {
  if (isKnownConfigType(mediaType)) return [`${GC_CONTENT_LABEL}.config`]
  if (isManifestType(mediaType)) return [`${GC_CONTENT_LABEL}.m.`]
  return [isLayerType(mediaType) ? `${GC_CONTENT_LABEL}.l.` : `${GC_CONTENT_LABEL}.`]
}

/** As {@link childGcLabels}, and nothing for layers. */
export const childGcLabelsWithoutLayers: ChildLabelMap = (child) =>
  isLayerType(child.mediaType) ? [] : childGcLabels(child)

/**
 * The labels by which a parent keeps its children. A key that ends in a dot is numbered from 0; any other stands alone
 * the first time and is numbered from 1 after that; one that ends in `.sha256.` takes the first twelve hex digits.
 */
export function labelsForChildren(
  children: readonly Descriptor[],
  map: ChildLabelMap = childGcLabels,
): Readonly<Record<string, string>> {
  const counts = new Map<string, number>()
  const labels: [string, string][] = []
  for (const child of children) {
    for (const key of map(child)) {
      const count = counts.get(key) ?? 0
      counts.set(key, count + 1)
      labels.push([numberedKey(key, count, child), child.digest])
    }
  }
  return Object.fromEntries(labels)
}

function numberedKey(key: string, count: number, child: Descriptor): string {
  if (key.endsWith('.sha256.')) return `${key}${child.digest.slice(7, 19)}`
  return key.endsWith('.') || count > 0 ? `${key}${count}` : key
}

/** As {@link setChildrenMappedLabels}, with {@link childGcLabels}. */
export function setChildrenLabels(manager: ContentManager, handler: DescriptorHandler): DescriptorHandler {
  return setChildrenMappedLabels(manager, handler, childGcLabels)
}

/**
 * Has a blob refer to what a handler leads to, by labels, in one update; labels it has stay. Where the map gives no key
 * at all nothing is changed.
 *
 * @throws {TareError} while handling: `BLOB_NOT_FOUND` when the parent is not there
 */
export function setChildrenMappedLabels(
  manager: ContentManager,
  handler: DescriptorHandler,
  map: ChildLabelMap = childGcLabels,
): DescriptorHandler {
  return async (descriptor, signal) => {
    const children = await handler(descriptor, signal)
    const labels = labelsForChildren(children, map)
    const paths = Object.keys(labels).map((key) => `labels.${key}`)
    if (paths.length > 0) await manager.updateLabels(descriptor.digest, labels, paths, { signal })
    return children
  }
}
