import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { tarOf, writeImage } from '../support/image-builder.ts'
import { type Ended, errorIn, resultIn, runTare } from '../support/run-tare.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

let dir: TemporaryDirectory

/** Runs in the directory of the images. */
function tare(...args: readonly string[]): Promise<Ended> {
  return runTare(args, { cwd: dir.path, env: { SOURCE_DATE_EPOCH: '1700000000' } })
}

const DIFFAH = ['--archive-format', 'diffah', '--no-compare']

before(async () => {
  dir = await temporaryDirectory()
  const text = (release: string): string =>
    Array.from({ length: 400 }, (_, line) => `${Math.imul(line, 2654435761) >>> 5} ${line === 7 ? release : ''}`).join(
      '\n',
    )
  for (const release of ['v1', 'v2']) {
    const layers = [tarOf({ base: text('base') }), tarOf({ app: text(release) })]
    await writeImage(`oci:${dir.join('app')}:${release}`, { layers })
  }
  const made = await Promise.all([
    tare('diff', 'oci:app:v1', 'oci:app:v2', 'app.tare'),
    tare('diff', ...DIFFAH, 'oci:app:v1', 'oci:app:v2', 'diffah.tar'),
    tare('bundle', '--pair', 'web=oci:app:v1,oci:app:v2', 'bundle.tare'),
  ])
  for (const { code, stderr } of made) assert.equal(code, 0, stderr)
  assert.match(made[0].stdout, /^wrote: +app\.tare$/m)
  assert.match(made[1].stdout, /^wrote: +diffah\.tar$/m)
  assert.match(made[2].stdout, /^wrote: +bundle\.tare$/m)
})

after(() => dir[Symbol.asyncDispose]())

function keysOf(value: unknown): readonly string[] {
  assert.ok(typeof value === 'object' && value !== null)
  return Object.keys(value).toSorted()
}

function firstOf(value: unknown): unknown {
  assert.ok(Array.isArray(value) && value.length > 0)
  return value[0]
}

test('tare diff, bundle and apply say what they wrote, of archives of diffah too', async () => {
  // The first two: before the tests.
  for (const [delta, out] of [
    ['app.tare', 'oci:out:tare'],
    ['diffah.tar', 'oci:out:diffah'],
  ] as const) {
    const { code, stdout } = await tare('apply', delta, 'oci:app:v1', out)
    assert.equal(code, 0)
    assert.match(stdout, new RegExp(`^wrote: +${out}$`, 'm'))
    assert.match(stdout, /^layers: +2: 1 patch, 1 of the baseline$/m)
  }
})

test('tare diff and bundle --dry-run tell what would be shipped, as text and as JSON, in both formats', async () => {
  const images = ['oci:app:v1', 'oci:app:v2']
  const pair = ['--pair', `web=${images.join(',')}`]
  const [text, json, bundle, diffah] = await Promise.all([
    tare('diff', '-n', ...images, 'none.tare'),
    tare('diff', '-n', ...images, 'none.tare', '--json'),
    tare('bundle', '-n', ...pair, 'none.tare', '--json'),
    tare('bundle', '-n', ...DIFFAH, ...pair, 'none.tar', '--json'),
  ])
  assert.deepEqual([text.code, json.code, bundle.code, diffah.code], [0, 0, 0, 0])
  assert.match(text.stdout, /^ships: +at most \d.* of \d/m)
  assert.match(text.stdout, /^layer +[0-9a-f]{12} .* the baseline has it$/m)
  const report = resultIn(json)
  const [blobCount, shippedBytes] = [(report['blobs'] as readonly unknown[]).length, Number(report['shippedBytes'])]
  assert.equal(blobCount, 4)
  assert.ok(shippedBytes > 0 && shippedBytes < Number(report['targetBytes']))
  for (const ended of [bundle, diffah]) {
    const { images: planned, shippedBytes: shipped } = resultIn(ended)
    const image = firstOf(planned) as Readonly<Record<string, unknown>>
    assert.deepEqual([image['name'], (image['blobs'] as readonly unknown[]).length], ['web', blobCount])
    assert.ok(Number(shipped) > 0)
  }
  assert.ok(!(await readdir(dir.path)).some((name) => name.startsWith('none')))
})

test('tare diff --dry-run opens the key that it would sign with', async () => {
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
  await writeFile(dir.join('locked.key'), privateKey)
  const args = ['diff', '-n', 'oci:app:v1', 'oci:app:v2', 'none.tare', '--json', '--sign-key']
  const [locked, absent, none] = await Promise.all(
    ['locked.key', 'absent.key', 'app/index.json'].map((key) => tare(...args, key)),
  )
  assert.deepEqual([locked?.code, errorIn(locked as Ended)['code']], [2, 'KEY_PASSWORD'])
  assert.deepEqual([absent?.code, errorIn(absent as Ended)['code']], [3, 'FILE_NOT_FOUND'])
  assert.deepEqual([none?.code, errorIn(none as Ended)['code']], [2, 'INVALID_KEY'])
})

test('tare diff --intra-layer off ships what changed whole, in both formats', async () => {
  for (const [path, flags] of [
    ['off.tare', []],
    ['off.tar', DIFFAH],
  ] as const) {
    const ended = await tare('diff', ...flags, '--intra-layer=off', 'oci:app:v1', 'oci:app:v2', path, '--json')
    const blobs = resultIn(ended)['blobs'] as readonly Readonly<Record<string, unknown>>[]
    assert.deepEqual(
      blobs.slice(-2).map((blob) => blob['origin']),
      ['baseline', 'archive'],
    )
  }
})

test('tare diff refers to its target, unless --no-subject says otherwise; it is the same delta without', async () => {
  const subjectOf = async (file: string): Promise<unknown> => {
    const { code, stdout } = await tare('inspect', '--raw', `oci-archive:${file}`)
    assert.equal(code, 0)
    const { subject } = JSON.parse(stdout) as { readonly subject?: { readonly digest: string } }
    return subject?.digest
  }
  const inspected = resultIn(await tare('inspect', 'oci:app:v2', '--json'))
  assert.equal(await subjectOf('app.tare'), inspected['digest'])
  for (const args of [
    ['diff', '--no-subject', 'oci:app:v1', 'oci:app:v2', 'alone.tare'],
    ['apply', 'alone.tare', 'oci:app:v1', 'oci:out:alone'],
  ]) {
    const { code, stderr } = await tare(...args)
    assert.equal(code, 0, stderr)
  }
  assert.equal(await subjectOf('alone.tare'), undefined)
  assert.equal(resultIn(await tare('inspect', 'oci:out:alone', '--json'))['digest'], inspected['digest'])
})

test('tare keeps to --workdir, makes it where it has to, and leaves everything there that is not its own', async () => {
  await mkdir(dir.join('work'))
  await writeFile(dir.join('work', 'letter.txt'), 'mine')
  const args = ['diff', 'oci:app:v1', 'oci:app:v2', 'w.tare', '--workdir']
  const [there, made] = await Promise.all([tare(...args, 'work'), tare(...args.with(3, 'n.tare'), 'new/work')])
  assert.deepEqual([there.code, made.code], [0, 0])
  assert.deepEqual(await readdir(dir.join('work')), ['letter.txt'])
  assert.deepEqual(await readdir(dir.join('new', 'work')), [])
})

test('tare apply and unbundle --dry-run tell what the image takes from where, as text and as JSON', async () => {
  const outputs = ['--baseline', 'web=oci:app:v1', '--output', 'web=oci:dry']
  const [text, json, diffah, bundle] = await Promise.all([
    tare('apply', '-n', 'app.tare', 'oci:app:v1', 'oci:dry'),
    tare('apply', '-n', 'app.tare', 'oci:app:v1', 'oci:dry', '--json'),
    tare('apply', '-n', 'diffah.tar', 'oci:app:v1', 'oci:dry', '--json'),
    tare('unbundle', '-n', 'bundle.tare', ...outputs, '--json'),
  ])
  assert.deepEqual([text.code, json.code, diffah.code, bundle.code], [0, 0, 0, 0])
  for (const line of ['layers: +2: 1 patch, 1 of the baseline', 'over the wire: +0 B of', 'memory: +at most']) {
    assert.match(text.stdout, new RegExp(`^${line}`, 'm'))
  }
  const image = firstOf(resultIn(bundle)['images']) as Readonly<Record<string, unknown>>
  assert.equal((image['preflight'] as Readonly<Record<string, unknown>>)['status'], 'ok')
  for (const plan of [resultIn(json), resultIn(diffah), image['plan']]) {
    assert.deepEqual(keysOf(plan), [
      'baselineBytes',
      'blobs',
      'delta',
      'deltaBytes',
      'memoryBytes',
      'name',
      'spoolBytes',
      'target',
      'targetBytes',
      'wire',
      'writtenBytes',
    ])
  }
  assert.ok(!(await readdir(dir.path)).includes('dry'))
})

test('tare inspect --json of a delta has these fields, whatever its format', async () => {
  for (const delta of ['app.tare', 'diffah.tar', 'bundle.tare']) {
    const summary = resultIn(await tare('inspect', delta, '--json'))
    const common = ['createdAt', 'digest', 'format', 'images', 'isBundle', 'reference', 'shippedBytes', 'targetBytes']
    assert.deepEqual(
      keysOf(summary).filter((key) => key !== 'platform'),
      [...common, 'tool', 'totals'],
    )
    assert.equal(summary['createdAt'], '2023-11-14T22:13:20Z')
    assert.equal(summary['platform'], delta === 'diffah.tar' ? 'linux/amd64' : undefined)
    assert.deepEqual(keysOf(summary['totals']), [
      'leftOutBytes',
      'leftOutCount',
      'patchBytes',
      'patchCount',
      'patchedBytes',
      'wholeBytes',
      'wholeCount',
    ])
    const image = firstOf(summary['images']) as Readonly<Record<string, unknown>>
    assert.deepEqual(keysOf(image), [
      'baselines',
      'blobs',
      'histogram',
      'layers',
      'name',
      'needs',
      'shippedBytes',
      'target',
      'targetBytes',
      'topSavings',
      'waste',
    ])
    assert.deepEqual(keysOf(firstOf(image['layers'])), [
      'digest',
      'kind',
      'mediaType',
      'patchFrom',
      'ratio',
      'savedBytes',
      'shippedBytes',
      'targetBytes',
    ])
    assert.deepEqual(keysOf(firstOf(image['topSavings'])), ['digest', 'savedBytes', 'savedRatio'])
    assert.deepEqual(keysOf(firstOf(image['histogram'])), ['count', 'label'])
    assert.deepEqual(keysOf(firstOf(image['baselines'])), ['descriptor', 'name'])
  }
})

test('tare inspect of a delta prints a head, and for each image its layers, savings and sizes', async () => {
  const [own, theirs] = await Promise.all([tare('inspect', 'app.tare'), tare('inspect', 'diffah.tar')])
  for (const { stdout } of [own, theirs]) {
    for (const line of [
      'digest: +sha256:[0-9a-f]{64}',
      'made by: +tare \\S+',
      'made at: +2023-11-14T22:13:20Z',
      'ships: +\\d.*% of ',
      'whole: +2 blobs, ',
      'patched: +1 blob, .*; saves ',
      'left out: +1 blob, ',
      'target: +sha256:[0-9a-f]{64} \\(application/vnd',
      'baseline: +\\S*app\\S*, sha256:',
      'layer +size +shipped +of it +how +from',
      '[0-9a-f]{12} .*0 % +the baseline has it$',
      '[0-9a-f]{12} .*% +patch +[0-9a-f]{12}$',
      'waste: +none',
      'saves most +saved +of it',
      '<1MiB +█{12} +2',
      '>=1GiB +░{12} +0',
    ]) {
      assert.match(stdout, new RegExp(`^${line}`, 'm'))
    }
  }
  assert.match(theirs.stdout, /^format: +diffah v1$/m)
  assert.match(theirs.stdout, /^platform: +linux\/amd64$/m)
})

test('tare diff, apply, bundle and unbundle with too few or too many arguments show how to write them', async () => {
  const wrong = [
    ['diff', 'oci:a', 'oci:b'],
    ['diff', 'oci:a', 'oci:b', 'c', 'd'],
    ['apply', 'a'],
    ['apply', 'a', 'oci:b', 'oci:c', 'd'],
    ['bundle'],
    ['bundle', 'a', 'b', 'c'],
    ['unbundle'],
    ['unbundle', 'a'],
    ['unbundle', 'a', 'b', 'c', 'd'],
  ]
  const ended = await Promise.all(wrong.map((args) => tare(...args, '--json')))
  for (const [at, run] of ended.entries()) {
    const words = wrong[at]?.join(' ')
    assert.equal(run.code, 2, words)
    const { code, hint } = errorIn(run)
    assert.equal(code, 'INVALID_COMMAND_LINE', words)
    assert.match(String(hint), new RegExp(`or example tare ${wrong[at]?.[0]} `), words)
    assert.match(String(hint), new RegExp(`ee tare ${wrong[at]?.[0]} --help`), words)
  }
})
