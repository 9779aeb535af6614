import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { hasErrorCode } from '../errors/index.ts'
import { formatTransportReference, parseTransportReference, type TransportReference } from './reference-text.ts'

const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}` as const

suite('parseTransportReference()', () => {
  const accepted: readonly (readonly [string, TransportReference])[] = [
    [
      'docker://host:5000/app:v1',
      { transport: 'docker', reference: { registry: 'host:5000', repository: 'app', tag: 'v1' } },
    ],
    ['oci:layout', { transport: 'oci', path: 'layout' }],
    ['oci:layout:', { transport: 'oci', path: 'layout' }],
    ['oci:a/b:v1', { transport: 'oci', path: 'a/b', pick: { kind: 'name', name: 'v1' } }],
    [
      'oci:/a:docker.io/library/app:v1',
      { transport: 'oci', path: '/a', pick: { kind: 'name', name: 'docker.io/library/app:v1' } },
    ],
    [`oci:a@${DIGEST}`, { transport: 'oci', path: 'a', pick: { kind: 'digest', digest: DIGEST } }],
    [
      `oci-archive:a.tar:@${DIGEST}`,
      { transport: 'oci-archive', path: 'a.tar', pick: { kind: 'digest', digest: DIGEST } },
    ],
    [`oci:a:app@${DIGEST}`, { transport: 'oci', path: 'a', pick: { kind: 'name', name: `app@${DIGEST}` } }],
    ['oci-archive:a.tar:@2', { transport: 'oci-archive', path: 'a.tar', pick: { kind: 'position', position: 2 } }],
    ['oci:user@host/layout', { transport: 'oci', path: 'user@host/layout' }],
    ['docker-archive:a.tar', { transport: 'docker-archive', path: 'a.tar' }],
    [
      'docker-archive:a.tar:app',
      { transport: 'docker-archive', path: 'a.tar', pick: { kind: 'name', name: 'docker.io/library/app:latest' } },
    ],
    [
      'docker-archive:a.tar:host:5000/app:v1',
      { transport: 'docker-archive', path: 'a.tar', pick: { kind: 'name', name: 'host:5000/app:v1' } },
    ],
    [
      'docker-archive:a.tar:@0',
      { transport: 'docker-archive', path: 'a.tar', pick: { kind: 'position', position: 0 } },
    ],
    ['dir:/with:colon', { transport: 'dir', path: '/with:colon' }],
  ]
  for (const [text, reference] of accepted) {
    test(`reads ${text}`, () => {
      const parsed = parseTransportReference(text)
      assert.deepEqual(stripped(parsed), reference)
      assert.deepEqual(parseTransportReference(formatTransportReference(parsed)), parsed)
    })
  }

  const refused: readonly string[] = [
    'oci:',
    'oci::v1',
    'dir:',
    'docker:host/app',
    'docker://',
    'oci:a@sha256:12',
    'oci:a:@x',
    'docker-archive:a.tar:@-1',
    'docker-archive:a.tar:UPPER',
    `docker-archive:a.tar:app@${DIGEST}`,
    'oci:a\u0000b',
    `oci:${'a'.repeat(10_000)}`,
  ]
  for (const text of refused) {
    test(`refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
      assert.throws(
        () => parseTransportReference(text),
        (error) => hasErrorCode(error, 'INVALID_REFERENCE'),
      )
    })
  }

  const bare: readonly (readonly [string, string])[] = [
    ['./layout', 'oci:./layout'],
    ['out/app.tar', 'oci-archive:out/app.tar'],
    ['out/app.tar.gz:v1', 'oci-archive:out/app.tar.gz:v1'],
    ['ghcr.io/org/app:v1', 'docker://ghcr.io/org/app:v1'],
    ['localhost:5000/app', 'docker://localhost:5000/app'],
    ['alpine', 'docker://alpine'],
    ['https://ghcr.io/org/app', 'docker://ghcr.io/org/app'],
    ['', 'docker://'],
  ]
  for (const [text, suggestion] of bare) {
    test(`suggests a prefix for ${JSON.stringify(text)}`, () => {
      assert.throws(
        () => parseTransportReference(text),
        (error) => hasErrorCode(error, 'UNKNOWN_TRANSPORT') && error.hint?.includes(suggestion) === true,
      )
    })
  }

  for (const text of ['containers-storage:app', 'ostree:app', 'sif:app', 'tarball:app']) {
    test(`says that ${text} is not there yet`, () => {
      assert.throws(
        () => parseTransportReference(text),
        (error) => hasErrorCode(error, 'UNKNOWN_TRANSPORT') && error.message.includes('yet'),
      )
    })
  }

  test('reads store: names as Docker means them, with a digest or as one', () => {
    const parsed = (text: string): unknown => stripped(parseTransportReference(text))
    assert.deepEqual(parsed('store:app'), {
      transport: 'store',
      name: 'docker.io/library/app:latest',
      literal: 'app',
    })
    assert.deepEqual(parsed('store:docker.io/library/app:v1'), { transport: 'store', name: 'docker.io/library/app:v1' })
    assert.deepEqual(parsed(`store:ghcr.io/x/app:v1@${DIGEST}`), {
      transport: 'store',
      name: 'ghcr.io/x/app:v1',
      digest: DIGEST,
    })
    assert.deepEqual(parsed(`store:app@${DIGEST}`), {
      transport: 'store',
      name: `docker.io/library/app@${DIGEST}`,
      digest: DIGEST,
    })
    assert.deepEqual(parsed(`store:@${DIGEST}`), { transport: 'store', name: '', digest: DIGEST })
    for (const text of ['store:app', `store:app@${DIGEST}`, `store:app:v1@${DIGEST}`, `store:@${DIGEST}`]) {
      const reference = parseTransportReference(text)
      assert.deepEqual(parseTransportReference(formatTransportReference(reference)), reference)
    }
    for (const text of ['store:', 'store:UPPER', 'store:@sha256:1', 'store:a:b:c', 'store:../x']) {
      assert.throws(
        () => parseTransportReference(text),
        (error) => hasErrorCode(error, 'INVALID_REFERENCE'),
        text,
      )
    }
  })

  test('reads docker-daemon: names with a tag or digest, and image IDs', () => {
    const app = { registry: 'docker.io', repository: 'library/app' }
    for (const [text, image] of [
      ['docker-daemon:app', { ...app, tag: 'latest' }],
      ['docker-daemon:app:v1', { ...app, tag: 'v1' }],
      [`docker-daemon:app@${DIGEST}`, { ...app, digest: DIGEST }],
      [`docker-daemon:app:v1@${DIGEST}`, { ...app, tag: 'v1', digest: DIGEST }],
      ['docker-daemon:localhost/app:v1', { registry: 'localhost', repository: 'app', tag: 'v1' }],
      [`docker-daemon:${DIGEST}`, DIGEST],
    ] as const) {
      const reference = parseTransportReference(text)
      assert.deepEqual(reference, { transport: 'docker-daemon', image })
      assert.deepEqual(parseTransportReference(formatTransportReference(reference)), reference)
    }
    for (const text of ['docker-daemon:', 'docker-daemon:UPPER', 'docker-daemon:sha256:12', 'docker-daemon:a:b:c']) {
      assert.throws(
        () => parseTransportReference(text),
        (error) => hasErrorCode(error, 'INVALID_REFERENCE'),
        text,
      )
    }
  })

  test('reads a namespace before a containerd: name that starts with a registry, and k8s.io before any', () => {
    for (const [text, namespace, name] of [
      ['containerd:app', undefined, 'docker.io/library/app:latest'],
      ['containerd:docker.io/library/app:v1', undefined, 'docker.io/library/app:v1'],
      ['containerd:moby/app:v1', undefined, 'docker.io/moby/app:v1'],
      ['containerd:localhost:5000/app:v1', undefined, 'localhost:5000/app:v1'],
      ['containerd:example.com/my.project/app:v1', undefined, 'example.com/my.project/app:v1'],
      ['containerd:default/docker.io/library/app:v1', 'default', 'docker.io/library/app:v1'],
      ['containerd:moby/localhost/app', 'moby', 'localhost/app:latest'],
      ['containerd:k8s.io/registry.k8s.io/pause:3.9', 'k8s.io', 'registry.k8s.io/pause:3.9'],
      ['containerd:k8s.io/app:v1', 'k8s.io', 'docker.io/library/app:v1'],
      [`containerd:@${DIGEST}`, undefined, ''],
      [`containerd:moby/@${DIGEST}`, 'moby', ''],
    ] as const) {
      const reference = parseTransportReference(text)
      assert.ok(reference.transport === 'containerd')
      assert.deepEqual([reference.namespace, reference.name], [namespace, name], text)
      assert.deepEqual(parseTransportReference(formatTransportReference(reference)), reference)
    }
    const long = `containerd:${'n'.repeat(77)}/docker.io/library/app`
    for (const text of ['containerd:', 'containerd:k8s.io/', 'containerd:default/docker.io/UPPER', long]) {
      assert.throws(
        () => parseTransportReference(text),
        (error) => hasErrorCode(error, 'INVALID_REFERENCE'),
        text,
      )
    }
  })

  test('lets an existing path decide where a path with colons ends', () => {
    const parse = (text: string, ...existing: readonly string[]): TransportReference =>
      parseTransportReference(text, { exists: (path) => existing.includes(path) })
    assert.deepEqual(stripped(parse('oci:a:b:v1', 'a:b')), {
      transport: 'oci',
      path: 'a:b',
      pick: { kind: 'name', name: 'v1' },
    })
    assert.deepEqual(stripped(parse('oci:a:b', 'a:b')), { transport: 'oci', path: 'a:b' })
    // The first colon wins while what is before it exists, as for skopeo.
    assert.deepEqual(stripped(parse('oci:a:b', 'a', 'a:b')), {
      transport: 'oci',
      path: 'a',
      pick: { kind: 'name', name: 'b' },
    })
    assert.deepEqual(stripped(parse(`oci:a:b@${DIGEST}`, 'a:b')), {
      transport: 'oci',
      path: 'a:b',
      pick: { kind: 'digest', digest: DIGEST },
    })
  })
})

/** Without fields that are undefined, which strict equality would count. */
function stripped(reference: TransportReference): unknown {
  return JSON.parse(JSON.stringify(reference))
}

suite('parseTransportReference() with a user and a password', () => {
  for (const text of [
    'docker://bob:hunter2@host/app:v1',
    'docker://bob:hunt@er2/x@host:5000/app',
    'bob:hunter2@host/app',
    'https://bob:hunter2@host/app',
  ]) {
    test(`refuses ${text} and does not repeat it`, () => {
      assert.throws(
        () => parseTransportReference(text),
        (error) => hasErrorCode(error, 'INVALID_REFERENCE') && !/hunt/.test(`${error.message} ${error.hint}`),
      )
    })
  }

  test('takes a tag with a digest for what it is', () => {
    assert.equal(parseTransportReference(`docker://host:5000/a/b:v1@${DIGEST}`).transport, 'docker')
  })
})

suite('parseTransportReference() with a transport that is none', () => {
  const hintOf = (text: string): string => {
    try {
      parseTransportReference(text)
    } catch (error) {
      if (hasErrorCode(error, 'UNKNOWN_TRANSPORT')) return error.hint ?? ''
    }
    return assert.fail(`${text} was taken`)
  }

  test('suggests the lower-case one', () => assert.match(hintOf('OCI:layout:v1'), / oci:layout:v1\?/))
  test('does not take a scheme for the name of a host', () => assert.doesNotMatch(hintOf('dockr://host/app'), /dockr/))
})
