import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { hasErrorCode } from '../../src/errors/index.ts'
import {
  childDescriptors,
  type Descriptor,
  familiarReference,
  formatPlatform,
  formatReference,
  isConfigType,
  isDigest,
  isIndexType,
  isManifestType,
  matchPlatform,
  normalizePlatform,
  parseImageConfig,
  parseManifestDocument,
  parsePlatform,
  parseReference,
  platformOfConfig,
  rankPlatforms,
} from '../../src/oci/index.ts'
// The reader is no part of the public face, but everything foreign goes through it.
import { parseJson } from '../../src/oci/json.ts'
import { fixture, sharedFixture } from '../support/fixtures.ts'

const hex = (length: number): fc.Arbitrary<string> =>
  fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`)).filter((text) => text.length === length)
const digest = fc.oneof(
  hex(64).map((text) => `sha256:${text}`),
  hex(128).map((text) => `sha512:${text}`),
)
const registry = fc.oneof(
  fc.constantFrom('docker.io', 'localhost', 'localhost:5000', '[::1]:5000', '127.0.0.1', 'Host', 'x.y:1'),
  fc.domain(),
)
const component = fc.oneof(
  fc.constantFrom('library', 'localhost', 'a.b', 'a'.repeat(64)),
  fc.stringMatching(/^[a-z0-9]{1,5}((\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}$/),
)
const repository = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))
const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/)

const reference = fc.record({ registry, repository, tag: fc.option(tag), digest: fc.option(digest) }).map((parts) => {
  const suffix = (parts.tag === null ? '' : `:${parts.tag}`) + (parts.digest === null ? '' : `@${parts.digest}`)
  return `${parts.registry}/${parts.repository}${suffix}`
})

test('parseReference() reads back what formatReference() and familiarReference() write', () => {
  fc.assert(
    fc.property(reference, (text) => {
      const parsed = parseReference(text)
      assert.deepEqual(parseReference(formatReference(parsed)), parsed)
      assert.deepEqual(parseReference(familiarReference(parsed)), parsed)
      assert.ok(familiarReference(parsed).length <= formatReference(parsed).length)
    }),
  )
})

test('parseReference() gives a reference or INVALID_REFERENCE for any text', () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[A-Za-z0-9.:/@_\-[\]]{0,60}$/))
  fc.assert(
    fc.property(text, (any) => {
      try {
        const parsed = parseReference(any)
        assert.deepEqual(parseReference(formatReference(parsed)), parsed)
      } catch (error) {
        assert.ok(hasErrorCode(error, 'INVALID_REFERENCE'))
      }
    }),
  )
})

const architecture = fc.oneof(
  fc.constantFrom('amd64', 'x86_64', 'arm64', 'aarch64', 'arm', 'armhf', 'armel', 'i386', '386', 's390x', 'riscv64'),
  fc.stringMatching(/^[A-Za-z0-9_.-]{1,8}$/),
)
const variant = fc.oneof(
  fc.constantFrom('', '5', '6', '7', '8', 'v1', 'v2', 'v5', 'v6', 'v7', 'v8', 'v8.2', 'v9', 'v9.1'),
)
const option = fc.string({ unit: 'grapheme', maxLength: 8 })
const platform = fc
  .record(
    {
      os: fc.oneof(fc.constantFrom('linux', 'windows', 'macos', 'Linux'), fc.stringMatching(/^[A-Za-z0-9_-]{1,8}$/)),
      architecture,
      variant,
      'os.version': fc.oneof(fc.constantFrom('10.0.17763', '10.0.20348.1'), option),
      'os.features': fc.array(option, { maxLength: 3 }),
    },
    { requiredKeys: ['os', 'architecture'] },
  )
  .map(normalizePlatform)

test('parsePlatform() reads back what formatPlatform() writes', () => {
  fc.assert(
    fc.property(platform, (any) => {
      assert.deepEqual(parsePlatform(formatPlatform(any)), any)
    }),
  )
})

test('normalizePlatform() changes nothing the second time', () => {
  fc.assert(
    fc.property(platform, (any) => {
      assert.deepEqual(normalizePlatform(any), any)
    }),
  )
})

test('rankPlatforms() puts the wanted platform first and ranks just what matchPlatform() takes', () => {
  fc.assert(
    fc.property(platform, fc.array(platform, { maxLength: 8 }), (wanted, others) => {
      const candidates = [...others, wanted]
      const ranked = rankPlatforms(wanted, candidates)
      const matching = candidates.flatMap((candidate, position) => (matchPlatform(wanted, candidate) ? [position] : []))
      assert.deepEqual(
        ranked.toSorted((a, b) => a - b),
        matching,
      )
      const [best] = ranked
      assert.ok(best !== undefined)
      assert.equal(candidates[best]?.architecture, wanted.architecture)
      assert.equal(candidates[best]?.variant, wanted.variant)
    }),
  )
})

const readJson = (text: string): unknown => parseJson(new TextEncoder().encode(text), 'test', 1024 * 1024)

test('parseJson() reads what JSON.parse reads', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 8 }), fc.constantFrom(undefined, 2, '\t'), (json, space) => {
      const text = JSON.stringify(JSON.parse(json), null, space)
      assert.equal(JSON.stringify(readJson(text)), JSON.stringify(JSON.parse(text)))
    }),
  )
})

test('parseJson() refuses what JSON.parse refuses', () => {
  const token = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"a"',
    '"\\n"',
    '"\\q"',
    '1',
    '-',
    '0.5',
    'e3',
    'true',
    'nul',
    ' ',
    '\n',
  )
  fc.assert(
    fc.property(fc.array(token, { maxLength: 8 }), (tokens) => {
      const text = tokens.join('')
      const verdict = (parse: () => unknown): string | undefined => {
        try {
          return JSON.stringify(parse())
        } catch (error) {
          assert.ok(error instanceof SyntaxError || hasErrorCode(error, 'INVALID_DOCUMENT'))
          return undefined
        }
      }
      const expected = verdict(() => JSON.parse(text))
      const actual = verdict(() => readJson(text))
      // A repeated key is all that JSON.parse takes and we don't.
      if (actual !== undefined || !/("a"|"\\n").*("a"|"\\n")/s.test(text)) assert.equal(actual, expected)
    }),
    { numRuns: 2000 },
  )
})

test('parseManifestDocument() survives any JSON in any field', () => {
  const key = fc.constantFrom('schemaVersion', 'mediaType', 'config', 'layers', 'manifests', 'subject', 'annotations')
  const field = fc.constantFrom('mediaType', 'digest', 'size', 'urls', 'data', 'platform', 'annotations')
  const value = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.array(fc.dictionary(field, fc.jsonValue({ maxDepth: 1 }))))
  fc.assert(
    fc.property(fc.dictionary(key, value), (document) => {
      const bytes = new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, ...document }))
      try {
        for (const child of childDescriptors(parseManifestDocument(bytes, { subject: 'test' }))) {
          assert.ok(isDigest(child.digest) && child.mediaType !== '' && child.size >= 0)
        }
      } catch (error) {
        assert.ok(hasErrorCode(error, 'INVALID_DOCUMENT', 'SCHEMA1_UNSUPPORTED'), String(error))
      }
    }),
  )
})

/** Walks a layout in a tar from its `index.json` and parses every document on the way. */
function parseLayout(path: string): { readonly manifests: number; readonly configs: number } {
  const names = execFileSync('tar', ['-tf', path], { encoding: 'utf8' }).split('\n')
  const prefix = names.includes('index.json') ? '' : './'
  const read = (name: string): Uint8Array => execFileSync('tar', ['-xOf', path, prefix + name])
  const counts = { manifests: 0, configs: 0 }
  const visit = (descriptor: Descriptor): void => {
    const isConfig = isConfigType(descriptor.mediaType)
    if (!isConfig && !isManifestType(descriptor.mediaType) && !isIndexType(descriptor.mediaType)) return
    const bytes = read(`blobs/${descriptor.digest.replace(':', '/')}`)
    assert.equal(`sha256:${createHash('sha256').update(bytes).digest('hex')}`, descriptor.digest)
    assert.equal(bytes.length, descriptor.size)
    if (isConfig) {
      const config = parseImageConfig(bytes, descriptor.digest)
      assert.equal(platformOfConfig(config)?.os, 'linux')
      assert.ok(config.rootfs.diffIds.length > 0)
      counts.configs++
    } else {
      const document = parseManifestDocument(bytes, { subject: descriptor.digest, mediaType: descriptor.mediaType })
      assert.equal(document.mediaType, descriptor.mediaType)
      childDescriptors(document).forEach(visit)
      counts.manifests++
    }
  }
  childDescriptors(parseManifestDocument(read('index.json'), { subject: `index.json of ${path}` })).forEach(visit)
  return counts
}

for (const name of ['app-docker-v1', 'app-docker-v2', 'app-multi-v2', 'app-zstd-v2']) {
  test(`every document of ${name}.oci.tar is parsed`, () => {
    assert.ok(parseLayout(fixture(`images/${name}.oci.tar`)).configs > 0)
  })
}

const SHARED_LAYOUTS = ['buildah', 'buildkit', 'estargz', 'multi', 'umoci', 'zstd'].flatMap((maker) => [
  `app-${maker}-v1.oci.tar`,
  `app-${maker}-v2.oci.tar`,
])

for (const name of [...SHARED_LAYOUTS, 'app-docker29-save-v1.tar', 'app-docker29-save-v2.tar']) {
  const { path, skip } = sharedFixture(`images/${name}`)
  test(`every document of ${name} is parsed`, { skip }, () => {
    const { manifests, configs } = parseLayout(path)
    assert.ok(manifests > 0 && configs > 0)
  })
}

for (const name of ['app-docker-save-v1.tar', 'app-docker-save-v2.tar']) {
  const { path, skip } = sharedFixture(`images/${name}`)
  test(`the config of ${name} is parsed`, { skip }, () => {
    const listing = execFileSync('tar', ['-tf', path], { encoding: 'utf8' }).split('\n')
    const configName = listing.find((entry) => /^[0-9a-f]{64}\.json$/.test(entry))
    assert.ok(configName !== undefined)
    const config = parseImageConfig(execFileSync('tar', ['-xOf', path, configName]), configName)
    assert.equal(config.rootfs.diffIds.length, 3)
    assert.equal(platformOfConfig(config)?.architecture, 'amd64')
  })
}
