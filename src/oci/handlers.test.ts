import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hasErrorCode } from '../errors/index.ts'
import type { ContentManager, Labels } from './content.ts'
import type { Descriptor } from './descriptor.ts'
import {
  childGcLabels,
  childGcLabelsWithoutLayers,
  ConcurrencyLimiter,
  type DescriptorHandler,
  dispatch,
  filterPlatforms,
  handleInOrder,
  labelsForChildren,
  limitManifests,
  setChildrenLabels,
  setChildrenMappedLabels,
  SkipDescriptor,
  StopHandling,
  walk,
  walkNotEmpty,
} from './handlers.ts'
import { MEDIA_TYPE } from './media-type.ts'
import { onlyPlatform } from './platform-matcher.ts'
import { parsePlatform } from './platform.ts'

function blob(name: string, mediaType: string = MEDIA_TYPE.OCI_LAYER, platform?: string): Descriptor {
  const hex = Buffer.from(name).toString('hex').padEnd(64, '0')
  const descriptor = { mediaType, digest: `sha256:${hex}`, size: 1 } as const
  return platform === undefined ? descriptor : { ...descriptor, platform: parsePlatform(platform) }
}

const nameOf = ({ digest }: Descriptor): string =>
  Buffer.from(digest.slice(7).replace(/(?:00)+$/, ''), 'hex').toString()

/** A tree by names: `a` leads to `b` and `c`. */
function tree(children: Readonly<Record<string, readonly string[]>>, visited: string[] = []): DescriptorHandler {
  return async (descriptor) => {
    visited.push(nameOf(descriptor))
    return (children[nameOf(descriptor)] ?? []).map((name) => blob(name))
  }
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2))

describe('handleInOrder()', () => {
  const gives =
    (...names: readonly string[]): DescriptorHandler =>
    async () =>
      names.map((name) => blob(name))

  test('lays end to end what the handlers give', async () => {
    const children = await handleInOrder(gives('a'), gives(), gives('b', 'a'))(blob('x'))
    assert.deepEqual(children.map(nameOf), ['a', 'b', 'a'])
  })

  test('is stopped by StopHandling, also as a cause, and keeps what came before', async () => {
    for (const error of [new StopHandling(), new Error('wrapped', { cause: new StopHandling() })]) {
      const stop: DescriptorHandler = () => Promise.reject(error)
      const children = await handleInOrder(gives('a'), stop, gives('b'))(blob('x'))
      assert.deepEqual(children.map(nameOf), ['a'])
    }
  })

  test('fails with the error of a handler, SkipDescriptor included', async () => {
    const skip: DescriptorHandler = () => Promise.reject(new SkipDescriptor())
    await assert.rejects(handleInOrder(gives('a'), skip)(blob('x')), SkipDescriptor)
  })
})

describe('walk()', () => {
  test('visits each before its children, in order, and twice what is listed twice', async () => {
    const visited: string[] = []
    await walk(tree({ a: ['b', 'c'], b: ['d'], c: ['d'] }, visited), [blob('a'), blob('e')])
    assert.deepEqual(visited.join(''), 'abdcde')
  })

  test('does not go below what throws SkipDescriptor, also as a cause', async () => {
    const visited: string[] = []
    const inner = tree({ a: ['b', 'c'], b: ['d'] }, visited)
    await walk(
      async (descriptor) => {
        const children = await inner(descriptor)
        if (nameOf(descriptor) === 'b') throw new Error('wrapped', { cause: new SkipDescriptor() })
        return children
      },
      [blob('a')],
    )
    assert.equal(visited.join(''), 'abc')
  })

  test('ends with the first error, of which StopHandling is one', async () => {
    await assert.rejects(
      walk(() => Promise.reject(new StopHandling()), [blob('a')]),
      StopHandling,
    )
    const stop = AbortSignal.abort(new RangeError('enough'))
    await assert.rejects(walk(tree({}), [blob('a')], { signal: stop }), RangeError)
  })

  test('walkNotEmpty() fails where nothing led anywhere', async () => {
    await walkNotEmpty(tree({ a: ['b'] }), [blob('a')])
    for (const roots of [[blob('a')], []]) {
      await assert.rejects(walkNotEmpty(tree({}), roots), (error) => hasErrorCode(error, 'EMPTY_WALK'))
    }
  })
})

describe('dispatch()', () => {
  test('visits everything, at most as many at a time as the limiter lets in, however deep', async () => {
    const visited: string[] = []
    let running = 0
    let most = 0
    const inner = tree({ a: ['b', 'c', 'd'], b: ['e', 'f'], e: ['g'] }, visited)
    await dispatch(
      async (descriptor) => {
        most = Math.max(most, ++running)
        await pause()
        running--
        return inner(descriptor)
      },
      [blob('a'), blob('h')],
      { limiter: new ConcurrencyLimiter(2) },
    )
    assert.equal(visited.toSorted().join(''), 'abcdefgh')
    assert.equal(most, 2)
  })

  test('throws the first error, after those that run have ended, and ends the signal they got', async () => {
    let wasAborted = false
    let hasEnded = false
    const handler: DescriptorHandler = async (descriptor, signal) => {
      if (nameOf(descriptor) === 'bad') throw new RangeError('bad')
      await pause()
      wasAborted = signal?.aborted === true
      hasEnded = true
      return [blob('never')]
    }
    await assert.rejects(dispatch(handler, [blob('slow'), blob('bad')]), RangeError)
    assert.deepEqual([wasAborted, hasEnded], [true, true])
  })

  test('does not wait for a place when its signal ends', async () => {
    const limiter = new ConcurrencyLimiter(1)
    const held = Promise.withResolvers<undefined>()
    const holding = limiter.run(() => held.promise)
    const stop = new AbortController()
    const dispatching = dispatch(tree({}), [blob('a')], { limiter, signal: stop.signal })
    stop.abort(new RangeError('enough'))
    await assert.rejects(dispatching, RangeError)
    held.resolve(undefined)
    await holding
    assert.equal(await limiter.run(async () => 'free'), 'free')
  })

  test('skips below SkipDescriptor', async () => {
    await dispatch(() => Promise.reject(new SkipDescriptor()), [blob('a')])
  })
})

describe('filterPlatforms()', () => {
  const members = [
    blob('a', MEDIA_TYPE.OCI_MANIFEST, 'linux/amd64'),
    blob('b', MEDIA_TYPE.OCI_MANIFEST),
    blob('c', MEDIA_TYPE.OCI_MANIFEST, 'linux/arm64'),
  ]

  test('drops what does not match; what has no platform stays', async () => {
    const handler = filterPlatforms(async () => members, onlyPlatform(parsePlatform('linux/arm64')))
    assert.deepEqual((await handler(blob('x'))).map(nameOf), ['b', 'c'])
    assert.equal((await filterPlatforms(async () => members, undefined)(blob('x'))).length, 3)
  })

  test('limitManifests() sorts and cuts the members of an index, and nothing else', async () => {
    const arm = onlyPlatform(parsePlatform('linux/arm64'))
    const index = blob('x', MEDIA_TYPE.OCI_INDEX)
    const all = async (): Promise<readonly Descriptor[]> => members
    assert.deepEqual((await limitManifests(all, arm, 1)(index)).map(nameOf), ['c'])
    assert.deepEqual((await limitManifests(all, arm, 0)(index)).map(nameOf), ['c', 'a', 'b'])
    assert.deepEqual((await limitManifests(all, arm, 1)(blob('x'))).map(nameOf), ['a', 'b', 'c'])
    const none = async (): Promise<readonly Descriptor[]> => []
    assert.deepEqual(await limitManifests(none, arm, 0)(index), [])
    await assert.rejects(limitManifests(none, arm, 1)(index), (error) => hasErrorCode(error, 'NO_MATCHING_PLATFORM'))
  })
})

describe('labelsForChildren()', () => {
  const children = [
    blob('c', MEDIA_TYPE.OCI_CONFIG),
    blob('l'),
    blob('m', MEDIA_TYPE.OCI_MANIFEST),
    blob('k', MEDIA_TYPE.OCI_LAYER_GZIP),
    blob('i', MEDIA_TYPE.OCI_INDEX),
    blob('d', MEDIA_TYPE.DOCKER_CONFIG),
    blob('u', 'application/unknown'),
    blob('p', MEDIA_TYPE.CHECKPOINT),
  ]
  const short = (labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
    Object.fromEntries(
      Object.entries(labels).map(([key, digest]) => [
        key.replace('containerd.io/gc.ref.content', ''),
        nameOf({ ...blob(''), digest: digest as Descriptor['digest'] }),
      ]),
    )

  test('numbers each key on its own; nested indexes and unknown kinds share the bare one', () => {
    assert.deepEqual(short(labelsForChildren(children)), {
      '.config': 'c',
      '.config1': 'd',
      '.config2': 'p',
      '.l.0': 'l',
      '.l.1': 'k',
      '.m.0': 'm',
      '.0': 'i',
      '.1': 'u',
    })
    assert.equal(childGcLabels(blob('i', MEDIA_TYPE.OCI_INDEX))[0], 'containerd.io/gc.ref.content.')
  })

  test('leaves layers out where the map does, and takes digits for sha256 keys', () => {
    assert.deepEqual(
      Object.keys(short(labelsForChildren(children, childGcLabelsWithoutLayers))).includes('.l.0'),
      false,
    )
    const [key] = Object.keys(labelsForChildren([blob('l')], () => ['x.sha256.']))
    assert.equal(key, `x.sha256.${blob('l').digest.slice(7, 19)}`)
  })

  test('setChildrenLabels() adds to the parent in one update, and changes nothing where the map gives no key', async () => {
    const updates: { readonly digest: string; readonly labels: Labels; readonly paths: readonly string[] }[] = []
    const manager: ContentManager = {
      info: () => Promise.reject(new Error('not asked')),
      delete: () => Promise.reject(new Error('not asked')),
      async *list() {},
      async updateLabels(digest, labels, paths = []) {
        updates.push({ digest, labels, paths })
        return { digest, labels, sizeBytes: 1, createdAt: new Date(0), updatedAt: new Date(0) }
      },
    }
    const parent = blob('x', MEDIA_TYPE.OCI_MANIFEST)
    assert.equal((await setChildrenLabels(manager, async () => children)(parent)).length, children.length)
    assert.equal(updates.length, 1)
    assert.equal(updates[0]?.digest, parent.digest)
    assert.deepEqual(
      updates[0]?.paths,
      Object.keys(updates[0]?.labels ?? {}).map((key) => `labels.${key}`),
    )
    await setChildrenMappedLabels(
      manager,
      async () => children,
      () => [],
    )(parent)
    await setChildrenMappedLabels(manager, async () => [])(parent)
    assert.equal(updates.length, 1)
  })

  test('setChildrenLabels() fails where the parent is absent', async () => {
    const manager = { updateLabels: () => Promise.reject(new RangeError('absent')) }
    // The cast holds: nothing else of a manager is called.
    const handler = setChildrenLabels(manager as unknown as ContentManager, async () => children)
    await assert.rejects(handler(blob('x')), RangeError)
  })
})
