import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { MEDIA_TYPE, parsePlatform } from '../../src/oci/index.ts'
import { bytesSource, digestOf } from '../../src/stream/index.ts'
import { readTar } from '../../src/tar/index.ts'
import { type EndedInProcess, runInProcess } from '../support/command-line.ts'
import { fixture } from '../support/fixtures.ts'
import { buildImage, tarOf, writeImage, writeIndex } from '../support/image-builder.ts'
import { errorIn, resultIn } from '../support/run-tare.ts'
import { SCRATCH_CACHE } from '../support/scratch-cache.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

const LAYER = tarOf({ app: 'a'.repeat(3000) })
const RECIPE = { layers: [LAYER], compression: 'gzip' } as const
const V1 = buildImage(RECIPE).manifest.descriptor.digest
const SAVED = fixture('images/app-docker-save-v1.tar.gz')

let archives: TemporaryDirectory
/** A layout with one image, by its tag alone; another with an index of two platforms. */
let tagged: string
let index: string

before(async () => {
  archives = await temporaryDirectory()
  tagged = archives.join('tagged.tar')
  index = archives.join('index.tar')
  await writeImage(`oci-archive:${tagged}:v1`, RECIPE)
  const member = (platform: string): Parameters<typeof writeIndex>[1][number] => ({
    layers: [tarOf({ platform })],
    platform: parsePlatform(platform),
  })
  await writeIndex(`oci-archive:${index}:multi`, [member('linux/amd64'), member('linux/arm64')])
})
after(() => archives[Symbol.asyncDispose]())

type Tare = (...args: readonly string[]) => Promise<EndedInProcess>

/** The tool over a store of a directory, as `ctr` would be called. */
function over(directory: TemporaryDirectory): Tare {
  const env = { TARE_STORE: directory.join('store'), XDG_CACHE_HOME: SCRATCH_CACHE }
  return (...args) => runInProcess({ env, homeDirectory: directory.join('home') }, ...args)
}

/** The lines that a run printed, which has to go well. */
async function lines(run: Promise<EndedInProcess>): Promise<readonly string[]> {
  const { code, stdout, stderr } = await run
  assert.equal(code, 0, stdout + stderr)
  return stdout.split('\n').filter((line) => line !== '')
}

async function entries(tar: Buffer): Promise<readonly string[]> {
  const names: string[] = []
  for await (const item of readTar(bytesSource(tar))) if (item.kind === 'entry') names.push(item.entry.path)
  return names
}

/** What `images inspect` tells of the image itself. */
function inspected(ended: EndedInProcess): {
  readonly digest: string
  readonly manifests: readonly {
    readonly layers: readonly { readonly digest: string; readonly mediaType: string; readonly compression: string }[]
  }[]
} {
  return resultIn(ended)['image'] as ReturnType<typeof inspected>
}

/** What `images ls -q` gives in a namespace after an import there. */
async function namesAfter(tare: Tare, namespace: string, ...flags: readonly string[]): Promise<readonly string[]> {
  await lines(tare('images', 'import', '-n', namespace, ...flags))
  return lines(tare('images', 'ls', '-q', '-n', namespace))
}

describe('ctr images', () => {
  test('import --base-name, --digests, --skip-digest-for-named, --index-name, --no-unpack', async () => {
    await using dir = await temporaryDirectory()
    const tare = over(dir)
    const [today] = await namesAfter(tare, 'a', '--no-unpack', tagged)
    assert.match(today ?? '', /^import-\d{4}-\d{2}-\d{2}:v1$/)
    const base = ['--base-name', 'reg.example/app', tagged]
    assert.deepEqual(await namesAfter(tare, 'b', ...base), ['reg.example/app:v1'])
    const both = ['reg.example/app:v1', `reg.example/app@${V1}`]
    assert.deepEqual(await namesAfter(tare, 'c', '--digests', ...base), both)
    const named = ['--digests', '--skip-digest-for-named', ...base]
    assert.deepEqual(await namesAfter(tare, 'd', ...named), ['reg.example/app:v1'])
    const whole = ['--base-name', 'reg.example/app', '--index-name', 'whole', index]
    assert.deepEqual(await namesAfter(tare, 'e', ...whole), ['reg.example/app:multi', 'whole'])
    const alone = await tare('images', 'import', '--skip-digest-for-named', tagged, '--json')
    assert.deepEqual([alone.code, errorIn(alone)['code']], [2, 'INVALID_ARGUMENT'])
  })

  test('import --platform takes members, --compress-blobs packs plain layers, --label labels', async () => {
    await using dir = await temporaryDirectory()
    const tare = over(dir)
    await lines(tare('images', 'import', '--platform', 'linux/arm64', '--base-name', 'app', index))
    await lines(tare('gc'))
    // The index, the member, its config and its layer.
    assert.equal((await lines(tare('content', 'ls', '-q'))).length, 4)
    await lines(tare('images', 'import', '-n', 'packed', '--compress-blobs', '--label', 'from=docker', SAVED))
    const [image] = await lines(tare('images', 'ls', '-q', '-n', 'packed', 'labels.from==docker'))
    const { manifests } = inspected(await tare('images', 'inspect', '-n', 'packed', '--json', image ?? ''))
    assert.deepEqual(
      manifests[0]?.layers.map(({ compression }) => compression),
      ['gzip', 'gzip', 'gzip'],
    )
  })

  test('export --skip-manifest-json, --platform, --all-platforms, --skip-non-distributable', async () => {
    await using dir = await temporaryDirectory()
    const tare = over(dir)
    await lines(tare('images', 'import', '--base-name', 'app', index))
    const exported = async (...flags: readonly string[]): Promise<readonly string[]> => {
      const { code, output, stderr } = await tare('images', 'export', ...flags, '-', 'app:multi')
      assert.equal(code, 0, stderr)
      return entries(output)
    }
    const blobs = (names: readonly string[]): number => names.filter((name) => /[0-9a-f]{64}$/.test(name)).length
    const [whole, arm] = [await exported('--all-platforms'), await exported('--platform', 'linux/arm64')]
    assert.deepEqual([whole.includes('manifest.json'), arm.includes('manifest.json')], [false, true])
    assert.deepEqual([blobs(whole), blobs(arm)], [7, 4])
    assert.ok(!(await exported('--platform', 'linux/arm64', '--skip-manifest-json')).includes('manifest.json'))
    const both = await exported('--platform', 'linux/arm64', '--all-platforms', '--skip-non-distributable')
    assert.deepEqual([blobs(both), both.includes('manifest.json')], [7, true])
  })

  test('convert --uncompress --oci --platform, and prints the new digest', async () => {
    await using dir = await temporaryDirectory()
    const tare = over(dir)
    await lines(tare('images', 'import', '--base-name', 'app', tagged))
    const [plain] = await lines(
      tare('images', 'convert', '--uncompress', '--oci', '--all-platforms', 'app:v1', 'plain:v1'),
    )
    const { manifests, digest } = inspected(await tare('image', 'inspect', '--json', 'plain:v1'))
    assert.equal(plain, digest)
    assert.deepEqual(manifests[0]?.layers[0], {
      ...manifests[0]?.layers[0],
      digest: digestOf(LAYER),
      mediaType: MEDIA_TYPE.OCI_LAYER,
    })
    await lines(tare('images', 'import', '--base-name', 'app', index))
    const [one] = await lines(tare('images', 'convert', '--platform', 'linux/arm64', 'app:multi', 'arm'))
    assert.ok(one?.startsWith('sha256:'))
    assert.match((await tare('images', 'ls', 'name==docker.io/library/arm:latest')).stdout, /linux\/arm64/)
  })

  test('tag --force, label -r, rm --sync with their aliases, and names that are not there', async () => {
    await using dir = await temporaryDirectory()
    const tare = over(dir)
    await lines(tare('images', 'import', '--base-name', 'app', '--label', 'a=1', tagged))
    assert.deepEqual(await lines(tare('images', 'tag', 'app:v1', 'one', 'two')), [
      'docker.io/library/one:latest',
      'docker.io/library/two:latest',
    ])
    const taken = await tare('images', 'tag', 'app:v1', 'one', '--json')
    assert.deepEqual([taken.code, errorIn(taken)['code']], [2, 'ALREADY_EXISTS'])
    await lines(tare('images', 'tag', '--force', 'app:v1', 'one'))
    // Labels go along.
    assert.equal((await lines(tare('images', 'ls', '-q', 'labels.a==1'))).length, 3)
    await lines(tare('images', 'label', '-r', 'one', 'b=2', 'flag'))
    assert.match((await tare('images', 'list', 'labels.b==2')).stdout, / b=2,flag=true/)
    await lines(tare('images', 'label', 'one', 'b='))
    assert.equal((await lines(tare('images', 'ls', '-q', 'labels.b'))).length, 0)
    for (const [alias, name] of [
      ['remove', 'one'],
      ['del', 'two'],
    ] as const)
      await lines(tare('images', alias, name))
    await lines(tare('images', 'delete', '--sync', 'app:v1'))
    assert.deepEqual(await lines(tare('content', 'ls', '-q')), [])
    const absent = await tare('images', 'rm', 'one', '--json')
    assert.deepEqual([absent.code, errorIn(absent)['code']], [4, 'NOT_FOUND'])
  })

  test('ls, check and usage print tables, filters pick, and -q leaves the names', async () => {
    await using dir = await temporaryDirectory()
    const tare = over(dir)
    await lines(tare('images', 'import', '--base-name', 'app', tagged))
    const table = (await tare('images', 'ls')).stdout
    assert.match(
      table,
      /^name +digest +size +platforms +labels\napp:v1 +sha256:[0-9a-f]{64} +\d+ B +linux\/amd64 +-\n$/,
    )
    assert.deepEqual(await lines(tare('images', 'ls', '-q', 'name==other')), [])
    assert.match(
      (await tare('images', 'check', '--all-platforms')).stdout,
      /^name +status +blobs +size\napp:v1 +complete +2\/2 /,
    )
    assert.deepEqual(await lines(tare('images', 'check', '-q', '--all-platforms')), ['app:v1'])
    const digest = digestOf(gzipSync(LAYER))
    await lines(tare('content', 'rm', digest))
    const check = await tare('images', 'check', '--all-platforms')
    assert.deepEqual([check.code, /incomplete +1\/2/.test(check.stdout)], [4, true])
    assert.match((await tare('images', 'ls')).stdout, /\*/)
    assert.match((await tare('images', 'usage')).stdout, /^name +size +shared +alone\n/)
    const faulty = await tare('images', 'ls', 'name=~', '--json')
    assert.deepEqual([faulty.code, errorIn(faulty)['code']], [2, 'INVALID_ARGUMENT'])
  })
})

describe('ctr content', () => {
  test('ls, get, label, active, ingest with --expected-size and --expected-digest, rm', async () => {
    await using dir = await temporaryDirectory()
    const tare = over(dir)
    await lines(tare('images', 'import', '--base-name', 'app', tagged))
    const digest = digestOf(gzipSync(LAYER))
    assert.match(
      (await tare('content', 'ls', `digest==${digest}`)).stdout,
      /^digest +size +created +labels\nsha256:[0-9a-f]{64} +\d+ B /,
    )
    assert.ok((await tare('content', 'get', digest)).output.equals(gzipSync(LAYER)))
    await lines(tare('content', 'label', digest, 'kept=yes'))
    assert.deepEqual(await lines(tare('content', 'list', '-q', 'labels.kept==yes')), [digest])
    assert.match((await tare('content', 'active')).stdout, /^ref /)
    const wrong = await tare('content', 'ingest', 'ref', tagged, '--expected-digest', digestOf(LAYER), '--json')
    assert.deepEqual([wrong.code, errorIn(wrong)['code']], [4, 'DIGEST_MISMATCH'])
    const short = await tare('content', 'ingest', 'other', tagged, '--expected-size', '3', '--json')
    assert.deepEqual([short.code, errorIn(short)['code']], [4, 'SIZE_MISMATCH'])
    assert.deepEqual(await lines(tare('content', 'delete', digest)), [digest])
    const gone = await tare('content', 'get', digest)
    assert.deepEqual([gone.code, gone.output.length], [4, 0])
  })
})

describe('ctr leases', () => {
  test('create --id --expires with labels, list with filters and -q, delete --sync', async () => {
    await using dir = await temporaryDirectory()
    const tare = over(dir)
    assert.deepEqual(await lines(tare('leases', 'create', '--id', 'job', '--expires', '24h', 'team=web')), ['job'])
    const [random] = await lines(tare('leases', 'create'))
    assert.ok(random !== undefined && random !== 'job')
    assert.deepEqual(await lines(tare('leases', 'list', '-q', 'labels.team==web')), ['job'])
    assert.match((await tare('leases', 'ls', 'id==job')).stdout, /^id +created +labels\njob .*team=web/)
    const twice = await tare('leases', 'create', '--id', 'job', '--json')
    assert.deepEqual([twice.code, errorIn(twice)['code']], [2, 'ALREADY_EXISTS'])
    assert.deepEqual(await lines(tare('leases', 'delete', '--sync', 'job', random)), ['job', random])
    assert.deepEqual(await lines(tare('leases', 'ls', '-q')), [])
  })
})
