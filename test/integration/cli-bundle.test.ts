import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import type { ApplyBundleReport, DeltaSummary } from '../../src/delta/index.ts'
import { tarOf, writeImage } from '../support/image-builder.ts'
import { type Ended, errorIn, resultIn, runTare } from '../support/run-tare.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

let dir: TemporaryDirectory
let digests: Readonly<Record<string, string>>

/** Runs in the directory of the images. */
function tare(...args: readonly string[]): Promise<Ended> {
  return runTare(args, { cwd: dir.path })
}

before(async () => {
  dir = await temporaryDirectory()
  const text = (release: string, name: string): string =>
    Array.from({ length: 300 }, (_, line) => `${name} ${line} ${line % 90 === 3 ? release : ''}`).join('\n')
  const write = async (name: string, release: string): Promise<string> => {
    const layers = [tarOf({ base: text('zero', 'base') }), tarOf({ [name]: text(release, name) })]
    const image = await writeImage(`oci:${dir.join(`images/${name}`)}:${release}`, { layers, compression: 'gzip' })
    return image.descriptor.digest
  }
  for (const name of ['web', 'db']) await write(name, 'v1')
  digests = { web: await write('web', 'v2'), db: await write('db', 'v2') }
  await writeImage(`oci:${dir.join('images/other')}`, { layers: [tarOf({ other: 'thing' })] })
  // Paths start from the folder of the spec.
  await writeFile(
    dir.join('images/bundle.yaml'),
    'pairs:\n- {name: web, baseline: "oci:web:v1", target: "oci:web:v2"}\n- {name: db, baseline: ["oci:db:v1"], target: "oci:db:v2"}\n',
  )
  await writeFile(
    dir.join('images/baselines.json'),
    JSON.stringify({ baselines: { web: 'oci:web:v1', db: 'oci:db:v1' } }),
  )
  const made = await tare('bundle', 'images/bundle.yaml', 'release.tare', '--json')
  assert.equal(made.code, 0, made.stderr)
})

after(() => dir[Symbol.asyncDispose]())

function statuses(ended: Ended): readonly (readonly unknown[])[] {
  const report = resultIn(ended) as unknown as ApplyBundleReport
  return report.images.map(({ name, status, copy, error }) => [name, status, copy?.digest, error?.code])
}

test('tare bundle with --pair writes the same bytes as with a spec', async () => {
  const pairs = ['web', 'db'].flatMap((name) => ['--pair', `${name}=oci:images/${name}:v1,oci:images/${name}:v2`])
  const { code, stdout } = await tare('bundle', ...pairs, 'pairs.tare')
  assert.equal(code, 0)
  assert.match(stdout, /^images: 2$/m)
  assert.deepEqual(await readFile(dir.join('pairs.tare')), await readFile(dir.join('release.tare')))
})

test('tare bundle refuses a spec with a typo in a key and says where, a name that repeats, and a missing spec', async () => {
  await writeFile(
    dir.join('typo.yaml'),
    'pairs:\n- name: web\n  baselin: oci:images/web:v1\n  target: oci:images/web:v2\n',
  )
  const typo = await tare('bundle', 'typo.yaml', 'x.tare', '--json')
  assert.equal(typo.code, 2)
  assert.match(String(errorIn(typo)['message']), /typo\.yaml:3:3.*baseline/)
  const pair = 'web=oci:images/web:v1,oci:images/web:v2'
  const twice = await tare('bundle', '--pair', pair, '--pair', pair, 'x.tare')
  assert.equal(twice.code, 2)
  assert.equal((await tare('bundle', 'x.tare')).code, 2)
  assert.equal((await tare('bundle', 'absent.yaml', 'x.tare')).code, 3)
  assert.ok(!(await readdir(dir.path)).includes('x.tare'))
})

test('tare unbundle writes all images of a bundle as its files say', async () => {
  await writeFile(dir.join('outputs.yaml'), 'outputs:\n  web: oci:out/all:web\n  db: oci-archive:out/db.tar\n')
  const ended = await tare('unbundle', 'release.tare', 'images/baselines.json', 'outputs.yaml', '--json')
  assert.equal(ended.code, 0, ended.stderr)
  assert.deepEqual(statuses(ended), [
    ['web', 'ok', digests['web'], undefined],
    ['db', 'ok', digests['db'], undefined],
  ])
  assert.equal((await tare('verify', 'oci-archive:out/db.tar', '-q')).code, 0)
})

test('tare unbundle goes on without an image that lacks its baseline, and ends with code 6', async () => {
  const args = ['unbundle', 'release.tare', '--baseline', 'web=oci:images/other', '--baseline', 'db=oci:images/db:v1']
  const outputs = ['--output', 'web=oci:out/part:web', '--output', 'db=oci:out/part:db']
  const ended = await tare(...args, ...outputs, '--json')
  assert.equal(ended.code, 6)
  assert.deepEqual(statuses(ended), [
    ['web', 'skipped-preflight', undefined, 'BASELINE_LACKS_BLOB'],
    ['db', 'ok', digests['db'], undefined],
  ])
  const text = await tare(...args, ...outputs)
  assert.match(text.stdout, /^applied: 1 of 2 images$/m)
  assert.match(text.stdout, /hint: The delta was made against .*web/)
})

test('tare unbundle --strict writes nothing unless every image can be done', async () => {
  const args = ['unbundle', 'release.tare', '--baseline', 'web=oci:images/other', '--baseline', 'db=oci:images/db:v1']
  const outputs = ['--output', 'web=oci:out/strict-web', '--output', 'db=oci:out/strict-db']
  const ended = await tare(...args, ...outputs, '--strict', '--json')
  assert.equal(ended.code, 4)
  assert.deepEqual(
    statuses(ended).map((row) => row[1]),
    ['skipped-preflight', 'not-started'],
  )
  assert.ok(!existsSync(dir.join('out', 'strict-db')))
  // A failure of all is no success in part either.
  const alone = await tare(
    'unbundle',
    'release.tare',
    '--baseline',
    'web=oci:images/other',
    '--output',
    'web=oci:out/w',
  )
  assert.equal(alone.code, 4)
})

test('tare unbundle ends with the code of what failed in the middle, or 6, and says which images were done', async () => {
  const bytes = await readFile(dir.join('release.tare'))
  const at = bytes.findLastIndex((byte) => byte !== 0)
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
  await writeFile(dir.join('failing.tare'), bytes)
  const run = (out: string, ...flags: readonly string[]): Promise<Ended> => {
    const images = ['web', 'db'].flatMap((name) => [
      '--baseline',
      `${name}=oci:images/${name}:v1`,
      '--output',
      `${name}=oci:out/${out}:${name}`,
    ])
    return tare('unbundle', 'failing.tare', ...images, ...flags, '--json')
  }
  const [strict, partial] = await Promise.all([run('failing-strict', '--strict'), run('failing-partial')])
  for (const ended of [strict, partial]) {
    const rows = statuses(ended)
    assert.deepEqual(
      rows.map((row) => row[1]),
      ['ok', 'failed-compose'],
    )
  }
  assert.deepEqual([strict.code, partial.code], [4, 6])
})

test('tare unbundle --dry-run tells what each image takes and lacks', async () => {
  const args = ['unbundle', 'release.tare', '--baseline', 'web=oci:images/web:v1', '--output', 'web=oci:out/dry']
  const ended = await tare(...args, '--dry-run', '--json')
  const images = resultIn(ended)['images'] as readonly { readonly preflight: { readonly status: string } }[]
  assert.deepEqual(
    images.map((image) => image.preflight.status),
    ['ok', 'error'],
  )
  // As the run itself would end.
  assert.equal(ended.code, 6)
  const other = ['--baseline', 'db=oci:images/other', '--output', 'db=oci:out/dry-db']
  const strict = await tare(...args, ...other, '-n', '--strict')
  assert.equal(strict.code, 4)
  assert.match(strict.stdout, /^would apply: +1 of 2 images$/m)
  assert.match(strict.stdout, /^web +ok +2: 1 patch, 1 of the baseline /m)
  assert.ok(!existsSync(dir.join('out', 'dry')))
})

test('tare unbundle refuses names that the bundle does not have, and lists without a counterpart', async () => {
  const unknown = await tare(
    'unbundle',
    'release.tare',
    '--baseline',
    'x=oci:images/other',
    '--output',
    'x=oci:out/x',
    '--json',
  )
  assert.equal(unknown.code, 2)
  assert.equal(errorIn(unknown)['code'], 'UNKNOWN_IMAGE_NAME')
  assert.match(String(errorIn(unknown)['hint']), /web, db/)
  assert.equal((await tare('unbundle', 'release.tare', '--baseline', 'web=oci:images/web:v1')).code, 2)
  const lone = ['--baseline', 'web=oci:images/web:v1', '--output', 'db=oci:out/lone']
  const ended = await tare('unbundle', 'release.tare', ...lone, '--json')
  assert.equal(ended.code, 2)
  assert.deepEqual(
    statuses(ended).map((row) => row[3]),
    ['BASELINE_REQUIRED', 'BASELINE_REQUIRED'],
  )
})

test('tare apply --image picks an image of a bundle, and is told the names without it', async () => {
  const ended = await tare('apply', 'release.tare', 'oci:images/db:v1', 'dir:out/applied', '--image', 'db', '--json')
  assert.equal(ended.code, 0, ended.stdout)
  const without = await tare('apply', 'release.tare', 'oci:images/db:v1', 'dir:out/none', '--json')
  assert.equal(without.code, 2)
  assert.equal(errorIn(without)['code'], 'IMAGE_NAME_REQUIRED')
})

test('tare inspect tells of a bundle by image, with layers, savings and sizes', async () => {
  const { stdout } = await tare('inspect', 'release.tare')
  assert.match(stdout, /^images: +2: web, db$/m)
  assert.match(stdout, /^waste: +none$/m)
  assert.match(stdout, /^saves most/m)
  assert.match(stdout, /^<1MiB +█+ +2$/m)
  const summary = resultIn(await tare('inspect', 'release.tare', '--json')) as unknown as DeltaSummary
  assert.deepEqual(
    summary.images.map((image) => [image.name, image.layers.map((layer) => layer.kind)]),
    [
      ['web', ['baseline', 'patch']],
      ['db', ['baseline', 'patch']],
    ],
  )
})

test('tare verify finds a damaged blob in a delta and in an image, and tells which', async () => {
  assert.equal((await tare('verify', 'release.tare')).code, 0)
  const bytes = await readFile(dir.join('release.tare'))
  // The last blob lies before the two closing blocks and less than a block of filling.
  const at = bytes.findLastIndex((byte) => byte !== 0)
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
  await writeFile(dir.join('damaged.tare'), bytes)
  const delta = await tare('verify', 'damaged.tare', '--json')
  assert.equal(delta.code, 4)
  assert.equal((resultIn(delta)['problems'] as readonly unknown[]).length, 1)

  const layout = dir.join('rotten')
  const image = await writeImage(`oci:${layout}`, { layers: [tarOf({ a: 'one' }), tarOf({ b: 'two' })] })
  assert.equal((await tare('verify', `oci:${layout}`)).code, 0)
  for (const name of await readdir(`${layout}/blobs/sha256`)) {
    const content = await readFile(`${layout}/blobs/sha256/${name}`)
    if (content.length > 1000) await writeFile(`${layout}/blobs/sha256/${name}`, content.fill(1, 600, 601))
  }
  const rotten = await tare('verify', `oci:${layout}`, '--json')
  assert.equal(rotten.code, 4)
  assert.equal(resultIn(rotten)['digest'], image.descriptor.digest)
  assert.deepEqual(
    (resultIn(rotten)['problems'] as readonly { readonly code: string }[]).map((problem) => problem.code),
    ['DIGEST_MISMATCH', 'DIGEST_MISMATCH'],
  )
})
