import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Descriptor, type Digest, MEDIA_TYPE, type Platform } from '../oci/index.ts'
import { ListModel } from './list-model.ts'

const A: Digest = `sha256:${'a'.repeat(64)}`
const B: Digest = `sha256:${'b'.repeat(64)}`
const ABSENT: Digest = `sha256:${'f'.repeat(64)}`
const { OCI_INDEX, DOCKER_LIST, OCI_MANIFEST } = MEDIA_TYPE

function member(digest: Digest, fields: Partial<Descriptor> = {}): Descriptor {
  return { mediaType: OCI_MANIFEST, digest, size: 562, ...fields }
}

function text(list: ListModel, type?: string): string {
  return new TextDecoder().decode(list.serialize(type))
}

function read(json: string | object): ListModel {
  const bytes = new TextEncoder().encode(typeof json === 'string' ? json : JSON.stringify(json))
  return ListModel.fromBytes(bytes, { subject: 'list' })
}

const LINUX: Platform = { os: 'linux', architecture: 'arm', variant: 'v7' }

test('ListModel.create() makes the empty Docker list of 108 bytes that podman stores', () => {
  const list = ListModel.create()
  assert.equal(text(list), `{"schemaVersion":2,"mediaType":"${DOCKER_LIST}","manifests":null}`)
  assert.equal(list.serialize().length, 108)
  assert.deepEqual(list.instances(), [])
})

test('ListModel.serialize() writes an OCI index with the keys in their order', () => {
  const list = ListModel.create()
  list.addInstance(
    member(A, {
      urls: ['https://example.com/a'],
      annotations: { z: '<1>', a: '&' },
      data: 'e30=',
      artifactType: 'application/x',
      platform: { ...LINUX, 'os.version': '1', 'os.features': ['f'], features: ['sse'] },
    }),
  )
  list.setSubject(member(B))
  list.setArtifactType(undefined, 'application/y')
  list.setAnnotations(undefined, { k: 'v' })
  assert.equal(
    text(list, OCI_INDEX),
    `{"schemaVersion":2,"mediaType":"${OCI_INDEX}","artifactType":"application/y","manifests":[` +
      `{"mediaType":"${OCI_MANIFEST}","digest":"${A}","size":562,"urls":["https://example.com/a"],` +
      '"annotations":{"a":"\\u0026","z":"\\u003c1\\u003e"},"data":"e30=",' +
      '"platform":{"architecture":"arm","os":"linux","os.version":"1","os.features":["f"],"variant":"v7"},' +
      `"artifactType":"application/x"}],"subject":{"mediaType":"${OCI_MANIFEST}","digest":"${B}","size":562},` +
      '"annotations":{"k":"v"}}',
  )
  assert.equal(
    text(list, DOCKER_LIST),
    `{"schemaVersion":2,"mediaType":"${DOCKER_LIST}","manifests":[` +
      `{"mediaType":"${OCI_MANIFEST}","size":562,"digest":"${A}","urls":["https://example.com/a"],` +
      '"platform":{"architecture":"arm","os":"linux","os.version":"1","os.features":["f"],"variant":"v7",' +
      '"features":["sse"]}}]}',
  )
})

test('ListModel.serialize() leaves an unknown platform out of an index and writes it empty into a Docker list', () => {
  const list = ListModel.create()
  list.addInstance(member(A, { platform: { os: '', architecture: '' } }))
  assert.ok(!text(list, OCI_INDEX).includes('platform'))
  assert.ok(text(list, DOCKER_LIST).includes('"platform":{"architecture":"","os":""}'))
})

test('ListModel.serialize() refuses what is no type of lists', () => {
  assert.throws(() => ListModel.create().serialize(OCI_MANIFEST), { code: 'INVALID_ARGUMENT' })
})

/** What makes the automatic choice, and the choice. */
const CHOICES: readonly (readonly [what: string, change: (list: ListModel) => void, type: string])[] = [
  ['members alone', () => {}, OCI_INDEX],
  ['features', (list) => list.setFeatures(A, ['sse']), DOCKER_LIST],
  ['URLs, which both formats have', (list) => list.setUrls(A, ['https://example.com']), OCI_INDEX],
  [
    'URLs and features',
    (list) => {
      list.setUrls(A, ['https://example.com'])
      list.setFeatures(A, ['sse'])
    },
    DOCKER_LIST,
  ],
  [
    'annotations and features',
    (list) => {
      list.setAnnotations(A, { a: 'b' })
      list.setFeatures(A, ['sse'])
    },
    OCI_INDEX,
  ],
  ['an artifact type', (list) => list.setArtifactType(A, 'application/x'), OCI_INDEX],
  ['no members', (list) => list.clear(), DOCKER_LIST],
  [
    'no members, but an annotation of the list',
    (list) => {
      list.clear()
      list.setAnnotations(undefined, { a: 'b' })
    },
    OCI_INDEX,
  ],
  [
    'no members, but a subject',
    (list) => {
      list.clear()
      list.setSubject(member(B))
    },
    OCI_INDEX,
  ],
  [
    'no members, but an artifact type of the list',
    (list) => {
      list.clear()
      list.setArtifactType(undefined, 'application/x')
    },
    OCI_INDEX,
  ],
]

for (const [what, change, type] of CHOICES) {
  test(`ListModel.preferredType() with ${what} is ${type === OCI_INDEX ? 'OCI' : 'Docker'}`, () => {
    const list = ListModel.create()
    list.addInstance(member(A, { platform: LINUX }))
    change(list)
    assert.equal(list.preferredType(), type)
    assert.equal(JSON.parse(text(list)).mediaType, type)
  })
}

test('ListModel.lossesIn() tells what each format cannot express', () => {
  const list = ListModel.create()
  list.addInstance(member(A, { annotations: { a: 'b' }, data: 'e30=', size: 2, artifactType: 'application/x' }))
  list.addInstance(member(B, { platform: { ...LINUX, features: ['sse'] } }))
  list.setAnnotations(undefined, { a: 'b' })
  list.setArtifactType(undefined, 'application/y')
  list.setSubject(member(A))
  assert.deepEqual(list.lossesIn(OCI_INDEX), [{ what: 'features', digest: B }])
  assert.deepEqual(list.lossesIn(DOCKER_LIST), [
    { what: 'annotations' },
    { what: 'artifact type' },
    { what: 'subject' },
    { what: 'annotations', digest: A },
    { what: 'artifact type', digest: A },
    { what: 'embedded data', digest: A },
  ])
})

test('ListModel goes from Docker to OCI and back with its platforms, and loses features on the way only', () => {
  const list = ListModel.create()
  const platform: Platform = { ...LINUX, 'os.version': '1', 'os.features': ['f'] }
  list.addInstance(member(A, { platform: { ...platform, features: ['sse'] }, urls: ['https://example.com'] }))
  const there = read(text(list, DOCKER_LIST))
  assert.equal(text(there, DOCKER_LIST), text(list, DOCKER_LIST))
  const back = read(text(there, OCI_INDEX))
  assert.deepEqual(back.member(A).platform, platform)
  assert.deepEqual(back.urls(A), ['https://example.com'])
  back.setFeatures(A, ['sse'])
  assert.equal(text(back, DOCKER_LIST), text(list, DOCKER_LIST))
})

test('ListModel.fromBytes() keeps null, empty and absent arrays of members apart', () => {
  for (const members of ['null', '[]']) {
    const json = `{"schemaVersion":2,"mediaType":"${DOCKER_LIST}","manifests":${members}}`
    assert.equal(text(read(json)), json)
  }
  const list = ListModel.create()
  list.addInstance(member(A))
  list.remove(A)
  assert.match(text(list), /"manifests":\[\]/)
  assert.throws(() => read(`{"schemaVersion":2,"mediaType":"${DOCKER_LIST}"}`), { code: 'INVALID_DOCUMENT' })
})

test('ListModel.fromBytes() keeps equal digests, nested indexes and artifacts as they are', () => {
  const manifests = [member(A, { platform: LINUX }), member(A), member(B, { mediaType: OCI_INDEX }), member(A)]
  const list = read({ schemaVersion: 2, mediaType: OCI_INDEX, manifests })
  assert.deepEqual(list.instances(), [A, A, B, A])
  assert.deepEqual(list.member(A).platform, LINUX)
  assert.equal(list.ociV1().manifests[2]?.mediaType, OCI_INDEX)
})

test('ListModel.fromBytes() says NOT_A_LIST for the manifest of an image, schema 1 included', () => {
  const config = { mediaType: MEDIA_TYPE.OCI_CONFIG, digest: A, size: 2 }
  for (const json of [
    { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [] },
    { schemaVersion: 2, mediaType: MEDIA_TYPE.DOCKER_MANIFEST, config, layers: [] },
    { schemaVersion: 1, name: 'app', fsLayers: [] },
  ]) {
    assert.throws(() => read(json), { code: 'NOT_A_LIST' })
  }
})

test('ListModel.fromBytes() refuses what is no JSON, or no list by its fields', () => {
  for (const json of ['', '{', '[]', '{"schemaVersion":2,"manifests":[{}]}', '{"schemaVersion":2,"manifests":7}']) {
    assert.throws(() => read(json), { code: 'INVALID_DOCUMENT' })
  }
})

test('ListModel.addInstance() of a digest that is listed moves it to the end and drops what was set on it', () => {
  const list = read({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [member(A), member(B), member(A)] })
  list.setAnnotations(A, { a: 'b' })
  list.setUrls(A, ['https://example.com'])
  list.addInstance(member(A, { platform: LINUX }))
  assert.deepEqual(list.instances(), [B, A])
  assert.deepEqual(list.annotations(A), {})
  assert.deepEqual(list.urls(A), [])
})

test('ListModel.remove() takes every member with the digest, or nothing', () => {
  const list = read({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [member(A), member(B), member(A)] })
  const before = text(list)
  assert.throws(() => list.remove(ABSENT), { code: 'INSTANCE_NOT_FOUND' })
  assert.equal(text(list), before)
  list.remove(A)
  assert.deepEqual(list.instances(), [B])
})

/** Getter, setter, a value, and the value of one that was never set. */
interface Field {
  readonly name: string
  readonly get: (list: ListModel, digest: Digest) => unknown
  readonly set: (list: ListModel, digest: Digest, value: never) => void
  readonly value: unknown
  readonly unset: unknown
  /** Whether it is part of the platform. */
  readonly isPlatform?: boolean
}

const FIELDS: readonly Field[] = [
  { name: 'os', get: (l, d) => l.os(d), set: (l, d, v) => l.setOs(d, v), value: 'linux', unset: '', isPlatform: true },
  {
    name: 'architecture',
    get: (l, d) => l.architecture(d),
    set: (l, d, v) => l.setArchitecture(d, v),
    value: 'arm64',
    unset: '',
    isPlatform: true,
  },
  {
    name: 'osVersion',
    get: (l, d) => l.osVersion(d),
    set: (l, d, v) => l.setOsVersion(d, v),
    value: '10.1',
    unset: '',
    isPlatform: true,
  },
  {
    name: 'variant',
    get: (l, d) => l.variant(d),
    set: (l, d, v) => l.setVariant(d, v),
    value: 'v7',
    unset: '',
    isPlatform: true,
  },
  {
    name: 'osFeatures',
    get: (l, d) => l.osFeatures(d),
    set: (l, d, v) => l.setOsFeatures(d, v),
    value: ['win32k'],
    unset: [],
    isPlatform: true,
  },
  {
    name: 'features',
    get: (l, d) => l.features(d),
    set: (l, d, v) => l.setFeatures(d, v),
    value: ['sse'],
    unset: [],
    isPlatform: true,
  },
  {
    name: 'urls',
    get: (l, d) => l.urls(d),
    set: (l, d, v) => l.setUrls(d, v),
    value: ['https://example.com'],
    unset: [],
  },
  {
    name: 'mediaType',
    get: (l, d) => l.mediaType(d),
    set: (l, d, v) => l.setMediaType(d, v),
    value: MEDIA_TYPE.DOCKER_MANIFEST,
    unset: OCI_MANIFEST,
  },
  {
    name: 'artifactType',
    get: (l, d) => l.artifactType(d),
    set: (l, d, v) => l.setArtifactType(d, v),
    value: 'application/x',
    unset: '',
  },
  {
    name: 'annotations',
    get: (l, d) => l.annotations(d),
    set: (l, d, v) => l.setAnnotations(d, v),
    value: { a: 'b' },
    unset: {},
  },
]

for (const { name, get, set, value, unset, isPlatform = false } of FIELDS) {
  test(`ListModel: ${name} is set on a member without a platform, and on it alone`, () => {
    const list = ListModel.create()
    list.addInstance(member(A))
    list.addInstance(member(B))
    assert.deepEqual(get(list, A), unset)
    set(list, A, value as never)
    assert.deepEqual(get(list, A), value)
    assert.deepEqual(get(list, B), unset)
    assert.equal(list.member(A).platform === undefined, !isPlatform)
  })

  test(`ListModel: ${name} that is set back leaves no trace`, () => {
    const list = ListModel.create()
    list.addInstance(member(A))
    const before = [text(list, OCI_INDEX), text(list, DOCKER_LIST)]
    set(list, A, value as never)
    if (name === 'annotations') list.clearAnnotations(A)
    else set(list, A, unset as never)
    assert.deepEqual([text(list, OCI_INDEX), text(list, DOCKER_LIST)], before)
  })

  test(`ListModel: ${name} of a digest that is not listed is INSTANCE_NOT_FOUND`, () => {
    const list = ListModel.create()
    list.addInstance(member(A))
    const before = text(list)
    assert.throws(() => get(list, ABSENT), { code: 'INSTANCE_NOT_FOUND' })
    assert.throws(() => set(list, ABSENT, value as never), { code: 'INSTANCE_NOT_FOUND' })
    assert.equal(text(list), before)
  })
}

test('ListModel.setAnnotations() adds to what is there, for members and for the list', () => {
  const list = ListModel.create()
  list.addInstance(member(A))
  for (const digest of [A, undefined]) {
    list.setAnnotations(digest, { a: '1', b: '2' })
    list.setAnnotations(digest, { b: '3', ['__proto__']: 'kept' })
    assert.deepEqual(Object.entries(list.annotations(digest)), [
      ['a', '1'],
      ['b', '3'],
      ['__proto__', 'kept'],
    ])
    list.clearAnnotations(digest)
    assert.deepEqual(list.annotations(digest), {})
  }
})

test('ListModel: what was handed in or out does not change with the list', () => {
  const list = ListModel.create()
  const urls = ['https://example.com/1']
  list.addInstance(member(A, { urls }))
  urls.push('https://example.com/2')
  assert.deepEqual(list.urls(A), ['https://example.com/1'])
  const copy = list.clone()
  const given = list.member(A)
  list.setOs(A, 'linux')
  list.setAnnotations(undefined, { a: 'b' })
  assert.equal(given.platform, undefined)
  assert.equal(copy.os(A), '')
  assert.deepEqual(copy.annotations(), {})
})

test('ListModel.clear() leaves the list itself as it was', () => {
  const list = ListModel.create()
  list.addInstance(member(A))
  list.setAnnotations(undefined, { a: 'b' })
  list.setSubject(member(B))
  list.clear()
  assert.deepEqual(list.instances(), [])
  assert.deepEqual(list.annotations(), { a: 'b' })
  assert.equal(list.subject()?.digest, B)
  list.setSubject(undefined)
  assert.equal(list.subject(), undefined)
})

test('ListModel.checkListed() and has() tell whether a digest is a member', () => {
  const list = ListModel.create()
  list.addInstance(member(A))
  list.checkListed(A)
  assert.ok(list.has(A))
  assert.ok(!list.has(B))
  assert.throws(() => list.checkListed(B), { code: 'INSTANCE_NOT_FOUND' })
})
