import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ErrorCode, hasErrorCode, InvalidDocumentError } from '../../errors/index.ts'
import type { Digest } from '../../oci/index.ts'
import { formatSidecar, parseSidecar, type Sidecar } from './sidecar.ts'

const digest = (digit: string): Digest => `sha256:${digit.repeat(64)}`
const [MANIFEST, CONFIG, FULL, PATCHED] = [digest('a'), digest('b'), digest('c'), digest('d')]
const SOURCE = digest('e')

interface Document {
  [key: string]: unknown
  blobs: Record<string, Record<string, unknown>>
  images: Record<string, Record<string, unknown> | string>[]
}

/** A sidecar without a fault, to be spoilt. */
function sound(): Document {
  return {
    version: 'v1',
    feature: 'bundle',
    tool: 'diffah',
    tool_version: 'v0.2.0',
    created_at: '2026-03-02T09:15:00.25Z',
    platform: 'linux/arm64',
    blobs: {
      [MANIFEST]: {
        size: 861,
        media_type: 'application/vnd.oci.image.manifest.v1+json',
        encoding: 'full',
        archive_size: 861,
      },
      [CONFIG]: {
        size: 1702,
        media_type: 'application/vnd.oci.image.config.v1+json',
        encoding: 'full',
        archive_size: 1702,
      },
      [FULL]: {
        size: 400,
        media_type: 'application/vnd.oci.image.layer.v1.tar+gzip',
        encoding: 'full',
        archive_size: 400,
      },
      [PATCHED]: {
        size: 73_400_320,
        media_type: 'application/vnd.oci.image.layer.v1.tar+gzip',
        encoding: 'patch',
        codec: 'zstd-patch',
        patch_from_digest: SOURCE,
        archive_size: 9_120_455,
      },
    },
    images: [
      {
        name: 'web',
        baseline: {
          manifest_digest: digest('f'),
          media_type: 'application/vnd.oci.image.manifest.v1+json',
          source_hint: 'registry.example/web:41',
        },
        target: {
          manifest_digest: MANIFEST,
          manifest_size: 861,
          media_type: 'application/vnd.oci.image.manifest.v1+json',
        },
      },
    ],
  }
}

function parse(document: unknown): Sidecar {
  const text = typeof document === 'string' ? document : JSON.stringify(document)
  return parseSidecar(Buffer.from(text), 'archive')
}

/** The paths of all problems. */
function problemsOf(document: unknown): readonly string[] {
  try {
    parse(document)
    return []
  } catch (error) {
    if (error instanceof InvalidDocumentError) return error.problems.map((problem) => problem.path)
    throw error
  }
}

/** The problems of a sound document after a change. */
function problemsAfter(change: (document: Document) => void): readonly string[] {
  const document = sound()
  change(document)
  return problemsOf(document)
}

const code =
  (...codes: readonly ErrorCode[]) =>
  (error: unknown): boolean =>
    hasErrorCode(error, ...codes)

const at = (blob: string, key: string): string => `$.blobs[${JSON.stringify(blob)}].${key}`

describe('parseSidecar()', () => {
  test('gives what a sound sidecar says', () => {
    const sidecar = parse(sound())
    assert.equal(sidecar.tool, 'diffah')
    assert.equal(sidecar.platform, 'linux/arm64')
    assert.equal(sidecar.createdAt, '2026-03-02T09:15:00.25Z')
    assert.deepEqual(sidecar.blobs.get(PATCHED), {
      size: 73_400_320,
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      archiveSize: 9_120_455,
      encoding: 'patch',
      patchFrom: SOURCE,
    })
    assert.deepEqual(
      sidecar.images.map(({ name, baseline, target }) => [name, baseline.sourceHint, target.manifestDigest]),
      [['web', 'registry.example/web:41', MANIFEST]],
    )
  })

  test('rule 1: what is no JSON, or has a value of a wrong type', () => {
    assert.throws(() => parse('{"feature":"bundle",'), code('INVALID_DOCUMENT'))
    assert.throws(() => parse('[]'), code('INVALID_DOCUMENT'))
    assert.throws(() => parse('"v1"'), code('INVALID_DOCUMENT'))
    assert.throws(() => parse(''), code('INVALID_DOCUMENT'))
    assert.deepEqual(
      problemsAfter((document) => {
        document['tool'] = 7
        document['created_at'] = 'yesterday'
        document.blobs[FULL] = { size: '400', encoding: 'full', archive_size: 400.5 }
      }).toSorted(),
      ['$.created_at', '$.tool', at(FULL, 'archive_size'), at(FULL, 'size')].toSorted(),
    )
    assert.deepEqual(problemsAfter((document) => Object.assign(document, { blobs: [] })).slice(0, 1), ['$.blobs'])
    assert.deepEqual(problemsAfter((document) => Object.assign(document, { images: {} })).slice(0, 1), ['$.images'])
  })

  test('rule 2: an archive of the format before bundles, whatever else it says', () => {
    const before = { version: 'v1', tool: 'diffah', platform: 'linux/amd64', shipped_in_delta: [] }
    for (const document of [
      before,
      {},
      { ...sound(), feature: 'other' },
      { ...sound(), feature: null, version: 'v2' },
    ]) {
      assert.throws(() => parse(document), code('OBSOLETE_FORMAT'))
    }
  })

  test('rule 3: a schema of the future', () => {
    assert.throws(() => parse({ ...sound(), version: 'v2', blobs: 'elsewhere' }), code('UNSUPPORTED_FORMAT'))
    assert.throws(() => parse({ feature: 'bundle' }), code('UNSUPPORTED_FORMAT'))
  })

  test('rules 4 to 6: platform, blobs and images are there', () => {
    for (const platform of ['', null, undefined]) {
      assert.deepEqual(problemsOf({ ...sound(), platform }), ['$.platform'])
    }
    for (const blobs of [null, undefined]) {
      assert.deepEqual(problemsOf({ ...sound(), blobs }), ['$.blobs', '$.images[0].target.manifest_digest'])
    }
    assert.deepEqual(problemsOf({ ...sound(), blobs: {} }), ['$.images[0].target.manifest_digest'])
    for (const images of [null, undefined, []]) assert.deepEqual(problemsOf({ ...sound(), images }), ['$.images'])
  })

  test('rules 7 and 8: names', () => {
    for (const name of ['', '-web', '.web', '_', 'we b', 'web/1', '../x', 'wéb', 'web\n', 'a\0b']) {
      assert.deepEqual(
        problemsAfter(({ images: [image] }) => Object.assign(image ?? {}, { name })),
        ['$.images[0].name'],
      )
    }
    for (const name of ['0', 'Web', 'a-b_c.d', 'A..b']) {
      assert.deepEqual(
        problemsAfter(({ images: [image] }) => Object.assign(image ?? {}, { name })),
        [],
      )
    }
    assert.deepEqual(
      problemsAfter(({ images }) => images.push(...images)),
      ['$.images[1].name'],
    )
  })

  test('rules 9 to 11: manifest digests are there, and the target among the blobs', () => {
    const image = (part: 'baseline' | 'target', value: unknown): readonly string[] =>
      problemsAfter(({ images: [first] }) => Object.assign(first?.[part] ?? {}, { manifest_digest: value }))
    for (const value of ['', null]) {
      assert.deepEqual(image('target', value), ['$.images[0].target.manifest_digest'])
      assert.deepEqual(image('baseline', value), ['$.images[0].baseline.manifest_digest'])
    }
    assert.deepEqual(image('target', digest('0')), ['$.images[0].target.manifest_digest'])
  })

  test('rules 12 and 13: a full blob has no codec and no source, and its size is its size', () => {
    const blob = (fields: Record<string, unknown>): readonly string[] =>
      problemsAfter(({ blobs }) => Object.assign(blobs[FULL] ?? {}, fields))
    assert.deepEqual(blob({ codec: 'zstd-patch' }), [at(FULL, 'codec')])
    assert.deepEqual(blob({ patch_from_digest: SOURCE }), [at(FULL, 'patch_from_digest')])
    assert.deepEqual(blob({ codec: '', patch_from_digest: null }), [])
    assert.deepEqual(blob({ archive_size: 399 }), [at(FULL, 'archive_size')])
    assert.deepEqual(blob({ size: 0, archive_size: 0 }), [])
  })

  test('rules 14 to 16: a patch has a codec, a source, and is smaller than its blob', () => {
    const blob = (fields: Record<string, unknown>): readonly string[] =>
      problemsAfter(({ blobs }) => Object.assign(blobs[PATCHED] ?? {}, fields))
    assert.deepEqual(blob({ codec: '' }), [at(PATCHED, 'codec')])
    assert.deepEqual(blob({ patch_from_digest: '' }), [at(PATCHED, 'patch_from_digest')])
    for (const size of [0, 73_400_320, 73_400_321]) {
      assert.deepEqual(blob({ archive_size: size }), [at(PATCHED, 'archive_size')], `${size}`)
    }
    assert.deepEqual(blob({ archive_size: 1 }), [])
    assert.deepEqual(blob({ archive_size: 73_400_319 }), [])
  })

  test('rule 17: other encodings', () => {
    for (const encoding of ['Full', 'delta', '']) {
      const problems = problemsAfter(({ blobs }) => Object.assign(blobs[FULL] ?? {}, { encoding }))
      assert.deepEqual(problems, [at(FULL, 'encoding')])
    }
  })

  test('a codec of the future is told apart from damage', () => {
    const document = sound()
    Object.assign(document.blobs[PATCHED] ?? {}, { codec: 'bsdiff' })
    assert.throws(() => parse(document), code('UNSUPPORTED_FORMAT'))
  })

  test('digests that are none are refused wherever they stand', () => {
    for (const crafted of ['sha256:../../x', 'sha256:', 'md5:00', `sha256:${'A'.repeat(64)}`, '../../etc/passwd']) {
      assert.deepEqual(
        problemsAfter(({ blobs }) => Object.assign(blobs, { [crafted]: blobs[FULL] })),
        [`$.blobs[${JSON.stringify(crafted)}]`],
      )
      assert.deepEqual(
        problemsAfter(({ blobs }) => Object.assign(blobs[PATCHED] ?? {}, { patch_from_digest: crafted })),
        [at(PATCHED, 'patch_from_digest')],
      )
      assert.deepEqual(
        problemsAfter(({ images: [image] }) => Object.assign(image?.['target'] ?? {}, { manifest_digest: crafted })),
        ['$.images[0].target.manifest_digest'],
      )
    }
  })

  test('sizes below zero, beyond 2^53 and with fractions are refused', () => {
    for (const size of [-1, 2 ** 53, 1.5, 1e300]) {
      const problems = problemsAfter(({ blobs }) => Object.assign(blobs[FULL] ?? {}, { size, archive_size: size }))
      assert.ok(problems.includes(at(FULL, 'size')), `${size}`)
    }
  })

  test('a manifest that is stored as a patch, or has another size, is refused', () => {
    const patch = { encoding: 'patch', codec: 'zstd-patch', patch_from_digest: SOURCE, archive_size: 5 }
    assert.deepEqual(
      problemsAfter(({ blobs }) => Object.assign(blobs[MANIFEST] ?? {}, patch)),
      ['$.images[0].target.manifest_digest'],
    )
    assert.deepEqual(
      problemsAfter(({ images: [image] }) => Object.assign(image?.['target'] ?? {}, { manifest_size: 860 })),
      ['$.images[0].target.manifest_size'],
    )
  })

  test('fields that nobody knows are ignored, and told of', () => {
    const told: string[] = []
    const bytes = Buffer.from(JSON.stringify({ ...sound(), new_field: { deep: [1] } }))
    const logger = { warn() {}, debug: (message: string): void => void told.push(message) }
    assert.equal(parseSidecar(bytes, 'archive', { logger }).platform, 'linux/arm64')
    assert.equal(told.length, 1)
    assert.match(told[0] ?? '', /new_field/)
  })

  test('a field twice, or in other capitals, is refused: readers would disagree', () => {
    const text = JSON.stringify(sound())
    assert.deepEqual(problemsOf(text.replace('"tool":', '"platform":"x","tool":')), ['$.platform'])
    assert.deepEqual(problemsOf(text.replace('"tool":', '"Platform":"x","tool":')), ['$.Platform'])
  })

  test('all problems are told at once', () => {
    const problems = problemsAfter((document) => {
      document['platform'] = ''
      Object.assign(document.blobs[FULL] ?? {}, { archive_size: 1 })
      Object.assign(document.blobs[PATCHED] ?? {}, { archive_size: 0 })
      Object.assign(document.images[0] ?? {}, { name: '-' })
    })
    assert.equal(problems.length, 4)
  })
})

describe('formatSidecar()', () => {
  test('writes what it was parsed from, as diffah does', () => {
    const text = JSON.stringify(sound(), undefined, 2)
    assert.equal(Buffer.from(formatSidecar(parse(text))).toString(), text)
  })

  test('sorts blobs, leaves out an empty hint and the fields of patches', () => {
    const document = sound()
    document.blobs = Object.fromEntries(Object.entries(document.blobs).toReversed())
    Object.assign(document.images[0]?.['baseline'] ?? {}, { source_hint: '' })
    const text = Buffer.from(formatSidecar(parse(document))).toString()
    const order = [MANIFEST, CONFIG, FULL, PATCHED].map((blob) => text.indexOf(`"${blob}": {`))
    assert.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
    )
    assert.ok(!text.includes('source_hint'))
    assert.equal(text.match(/codec/g)?.length, 1)
  })

  test('escapes strings as Go does', () => {
    const document = { ...sound(), tool: '<a & b> \u2028 "é" \\ \u0001 \b\f\n' }
    const text = Buffer.from(formatSidecar(parse(document))).toString()
    const escaped = String.raw`"tool": "\u003ca \u0026 b\u003e \u2028 \"é\" \\ \u0001 \b\f\n"`
    assert.ok(text.includes(escaped))
    assert.deepEqual(parse(text).tool, document.tool)
  })
})
