import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { parseDigest } from '../../src/oci/index.ts'
import { startRegistry } from '../../src/registry/index.ts'
import { runInProcess } from '../support/command-line.ts'
import { fixture } from '../support/fixtures.ts'
import { tarOf, writeImage, writeIndex } from '../support/image-builder.ts'
import { type Ended, TARE_MAIN } from '../support/run-tare.ts'
import { SCRATCH_ENVIRONMENT } from '../support/scratch-cache.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

const MULTI = `oci-archive:${fixture('images/app-multi-v2.oci.tar')}`
const DOCKER = `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`
const AMD64 = 'sha256:cb8632dd2a0bea761d652029124e650558a06b96bc26bcc14cf059e042a037bd'
const ARM64 = 'sha256:ca702ec0cc16a164f72e51581267346697a4088698f2563442758084aa69bca0'
const DOCKER_V1 = 'sha256:cf43158f5d24944bbd5f28a42d5af6a84d9a270f352aa883dda58ed41095a3f5'
const ABSENT = `sha256:${'0'.repeat(64)}`
const NO_TLS = '--tls-verify=false'

/** Runs the tool with lists of its own. */
function manifest(home: TemporaryDirectory, ...args: readonly string[]): Promise<Ended> {
  const env = { ...SCRATCH_ENVIRONMENT, XDG_DATA_HOME: home.join('data') }
  return runInProcess({ env, homeDirectory: home.path }, 'manifest', ...args)
}

/** The same in a process of its own. */
function startManifest(home: TemporaryDirectory, ...args: readonly string[]): ChildProcess {
  const env = { ...SCRATCH_ENVIRONMENT, XDG_DATA_HOME: home.join('data') }
  return spawn(process.execPath, [TARE_MAIN, 'manifest', ...args], { cwd: home.path, env, stdio: 'ignore' })
}

/** Runs it, and makes sure that it went well. */
async function done(home: TemporaryDirectory, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await manifest(home, ...args)
  assert.equal(code, 0, stderr)
  return stdout
}

async function failed(home: TemporaryDirectory, code: string, exitCode: number, ...args: readonly string[]) {
  const ended = await manifest(home, ...args, '--json')
  const { error } = JSON.parse(ended.stdout) as { readonly error: Readonly<Record<string, unknown>> }
  assert.deepEqual([error['code'], ended.code], [code, exitCode], String(error['message']))
  return error
}

interface Inspected {
  readonly mediaType: string
  readonly manifests: readonly (Readonly<Record<string, unknown>> & { readonly digest: string })[] | null
  readonly annotations?: Readonly<Record<string, string>>
  readonly subject?: Readonly<Record<string, unknown>>
}

async function inspect(home: TemporaryDirectory, name: string, ...more: readonly string[]): Promise<Inspected> {
  return JSON.parse(await done(home, 'inspect', name, ...more)) as Inspected
}

test('tare manifest create prints the ID and keeps an empty list by its name', async () => {
  await using home = await temporaryDirectory()
  const id = (await done(home, 'create', 'app')).trim()
  assert.match(id, /^[0-9a-f]{64}$/)
  for (const name of ['app', 'app:latest', 'localhost/app', id, id.slice(0, 10)]) {
    assert.equal((await inspect(home, name)).manifests, null)
  }
  await failed(home, 'NAME_IN_USE', 2, 'create', 'app:latest')
  assert.equal((await done(home, 'create', '--amend', 'app', DOCKER)).trim(), id)
  assert.equal((await inspect(home, 'app')).manifests?.length, 1)
})

test('tare manifest create with images makes no list when one cannot be read', async () => {
  await using home = await temporaryDirectory()
  await failed(home, 'FILE_NOT_FOUND', 3, 'create', 'app', DOCKER, `oci:${home.join('absent')}`)
  assert.equal((await manifest(home, 'exists', 'app')).code, 1)
  await done(home, 'create', 'app', '--all', '--annotation', 'a=b=c', MULTI, DOCKER)
  const list = await inspect(home, 'app')
  assert.deepEqual(
    list.manifests?.map(({ digest }) => digest),
    [AMD64, ARM64, DOCKER_V1],
  )
  assert.deepEqual(list.annotations, { a: 'b=c' })
})

test('tare manifest add takes one platform, all of them, or the one that is chosen, and says what is said of it', async () => {
  await using home = await temporaryDirectory()
  const id = await done(home, 'create', 'app')
  assert.equal(await done(home, 'add', 'app', MULTI, '--platform', 'linux/arm64'), id)
  const options = ['--arch', 'arm', '--variant', 'v7', '--os', 'freebsd', '--os-version', '14', '--features', 'sse,avx']
  await done(home, 'add', 'app', DOCKER, ...options, '--os-features', 'x', '--annotation', 'a=b')
  const { manifests } = await inspect(home, 'app')
  assert.deepEqual(manifests?.[0]?.['platform'], { architecture: 'arm64', os: 'linux', variant: 'v8' })
  assert.deepEqual(manifests?.[1]?.['platform'], {
    architecture: 'arm',
    os: 'freebsd',
    'os.version': '14',
    'os.features': ['x'],
    variant: 'v7',
    features: ['sse', 'avx'],
  })
  assert.deepEqual(manifests?.[1]?.['annotations'], { a: 'b' })
  await done(home, 'add', '--all', 'app', MULTI)
  assert.deepEqual(
    (await inspect(home, 'app')).manifests?.map(({ digest }) => digest),
    [DOCKER_V1, AMD64, ARM64],
  )
  await failed(home, 'NOT_FOUND', 4, 'add', 'other', DOCKER)
  await failed(home, 'INVALID_ARGUMENT', 2, 'add', 'app', DOCKER, '--annotation', 'a')
  await failed(home, 'NO_MATCHING_PLATFORM', 2, 'add', 'app', MULTI, '--platform', 'linux/s390x')
})

test('tare manifest add takes the platform of the machine where none is chosen', async () => {
  await using home = await temporaryDirectory()
  const architecture = 'amd64'
  const platforms = [architecture, 's390x'].map((arch) => ({ os: 'linux', architecture: arch }))
  await writeIndex(
    `oci:${home.join('index')}`,
    platforms.map((platform) => ({ layers: [tarOf({ for: platform.architecture })], platform })),
  )
  await done(home, 'create', 'app', `oci:${home.join('index')}`)
  const { manifests } = await inspect(home, 'app')
  assert.deepEqual(
    manifests?.map(({ platform }) => platform),
    [{ architecture, os: 'linux' }],
  )
})

test('tare manifest add --artifact adds files, which annotate finds by their names', async () => {
  await using home = await temporaryDirectory()
  await writeFile(home.join('sbom.json'), '{}')
  await writeFile(home.join('config.json'), '{"x":1}')
  await done(home, 'create', 'app', DOCKER)
  const options = ['--artifact-type', 'application/spdx+json', '--artifact-config', home.join('config.json')]
  await done(home, 'add', 'app', '--artifact', home.join('sbom.json'), ...options, '--artifact-subject', DOCKER)
  await done(home, 'annotate', 'app', 'sbom.json', '--annotation', 'a=b')
  const artifact = (await inspect(home, 'app')).manifests?.[1]
  assert.deepEqual(
    [artifact?.['artifactType'], artifact?.['annotations'], artifact?.['files']],
    ['application/spdx+json', { a: 'b' }, [home.join('sbom.json')]],
  )
  await failed(home, 'INVALID_ARGUMENT', 2, 'add', 'app', '--artifact-type', 'application/x', DOCKER)
  await done(home, 'push', 'app', `dir:${home.join('pushed')}`)
  const pushed = JSON.parse(
    await readFile(home.join('pushed', `${artifact?.digest.slice(7)}.manifest.json`), 'utf8'),
  ) as { readonly subject: { readonly digest: string }; readonly config: { readonly data: string } }
  assert.equal(pushed.subject.digest, DOCKER_V1)
  assert.equal(Buffer.from(pushed.config.data, 'base64').toString(), '{"x":1}')
  await writeFile(home.join('sbom.json'), '[]')
  await failed(home, 'DIGEST_MISMATCH', 4, 'push', 'app', `dir:${home.join('again')}`)
})

test('tare manifest annotate changes a member, or the list, and refuses what is neither', async () => {
  await using home = await temporaryDirectory()
  const id = await done(home, 'create', 'app', '--all', MULTI)
  assert.equal(await done(home, 'annotate', 'app', AMD64, '--annotation', 'a=1', '--annotation', 'b=2'), id)
  await done(home, 'annotate', 'app', AMD64, '--annotation', 'b=3', '--os-features', 'f1,f2', '--variant', 'v2')
  await done(home, 'annotate', 'app', ARM64, '--arch', 'arm')
  await done(home, 'annotate', 'app', '--index', '--annotation', 'list=yes', '--subject', DOCKER)
  const list = await inspect(home, 'app')
  assert.deepEqual(list.manifests?.[0]?.['annotations'], { a: '1', b: '3' })
  assert.deepEqual(list.manifests?.[0]?.['platform'], {
    architecture: 'amd64',
    os: 'linux',
    'os.features': ['f1', 'f2'],
    variant: 'v2',
  })
  // As podman: an architecture without a variant takes the variant away.
  assert.deepEqual(list.manifests?.[1]?.['platform'], { architecture: 'arm', os: 'linux' })
  assert.deepEqual(list.annotations, { list: 'yes' })
  assert.equal(list.subject?.['digest'], DOCKER_V1)
  await done(home, 'annotate', 'app', AMD64, '--unset', 'annotations', '--unset', 'variant', '--unset', 'os-features')
  const [amd64] = (await inspect(home, 'app')).manifests ?? []
  assert.deepEqual([amd64?.['platform'], amd64?.['annotations']], [{ architecture: 'amd64', os: 'linux' }, undefined])

  const before = await done(home, 'inspect', 'app')
  await failed(home, 'INSTANCE_NOT_FOUND', 2, 'annotate', 'app', ABSENT, '--annotation', 'a=b')
  await failed(home, 'INSTANCE_NOT_FOUND', 2, 'annotate', 'app', DOCKER, '--annotation', 'a=b')
  for (const args of [
    ['app'],
    ['app', AMD64, '--index'],
    ['app', AMD64, '--subject', DOCKER],
    ['app', '--index', '--arch', 'arm'],
    ['app', AMD64, '--unset', 'colour'],
    ['app', AMD64, '--annotation', '=b'],
  ]) {
    await failed(home, 'INVALID_ARGUMENT', 2, 'annotate', ...args)
  }
  assert.equal(await done(home, 'inspect', 'app'), before)
})

test('tare manifest remove takes a member off, and refuses one that is not listed', async () => {
  await using home = await temporaryDirectory()
  const id = await done(home, 'create', 'app', '--all', MULTI)
  assert.equal(await done(home, 'remove', 'app', AMD64), id)
  assert.deepEqual(
    (await inspect(home, 'app')).manifests?.map(({ digest }) => digest),
    [ARM64],
  )
  await failed(home, 'INSTANCE_NOT_FOUND', 2, 'remove', 'app', AMD64)
  await failed(home, 'INVALID_DIGEST', 4, 'remove', 'app', 'sha256:x')
})

test('tare manifest exists answers with 0 and 1', async () => {
  await using home = await temporaryDirectory()
  await done(home, 'create', 'app')
  const [yes, no, json] = await Promise.all([
    manifest(home, 'exists', 'app'),
    manifest(home, 'exists', 'other'),
    manifest(home, 'exists', 'other', '--json'),
  ])
  assert.deepEqual([yes.code, yes.stdout, yes.stderr], [0, '', ''])
  assert.deepEqual([no.code, no.stdout, no.stderr], [1, '', ''])
  assert.deepEqual([json.code, JSON.parse(json.stdout)], [1, { schemaVersion: 1, result: { exists: false } }])
})

test('tare manifest rm prints what it removed, goes on after a name that is not there, and exits 6 then', async () => {
  await using home = await temporaryDirectory()
  const id = (await done(home, 'create', 'one')).trim()
  await done(home, 'create', 'two')
  assert.equal(await done(home, 'rm', 'one'), `Untagged: localhost/one:latest\nDeleted: ${id}\n`)
  const partly = await manifest(home, 'rm', 'one', 'two')
  assert.equal(partly.code, 6)
  assert.match(partly.stdout, /^Untagged: localhost\/two:latest\n/)
  await failed(home, 'NOT_FOUND', 4, 'rm', 'one')
  assert.equal(await done(home, 'rm', '--ignore', 'one'), '')
  assert.deepEqual(JSON.parse(await done(home, 'ls', '--json')).result, { lists: [] })
})

test('tare manifest ls shows every list, also when one is damaged', async () => {
  await using home = await temporaryDirectory()
  assert.match(await done(home, 'ls'), /^name /)
  await failed(home, 'NOT_FOUND', 4, 'rm', 'app')
  assert.equal(existsSync(home.join('data')), false, 'reading makes no store')
  const id = (await done(home, 'create', 'app', '--all', MULTI)).trim()
  assert.match(
    await done(home, 'ls'),
    new RegExp(`localhost/app:latest +${id.slice(0, 12)} +OCI index +2 +linux/amd64`),
  )
  {
    using database = new DatabaseSync(home.join('data', 'tare', 'store', 'tare.db'))
    database.prepare("DELETE FROM list_items WHERE list = ? AND name = 'manifest'").run(id)
  }
  await done(home, 'create', 'good')
  const { stdout, stderr } = await manifest(home, 'ls')
  assert.match(stdout, /localhost\/app:latest .*damaged/)
  assert.match(stdout, /localhost\/good:latest/)
  assert.match(stderr, /warning/)
})

test('tare manifest inspect shows an index of any place, and a single image with a warning', async () => {
  await using home = await temporaryDirectory()
  await using registry = await startRegistry()
  const remote = `${registry.address}/app:v1`
  await done(home, 'from', MULTI, remote, NO_TLS)
  assert.deepEqual(await inspect(home, remote, NO_TLS), await inspect(home, MULTI))
  const single = await manifest(home, 'inspect', DOCKER)
  assert.match(single.stderr, /not a list/)
  assert.equal((JSON.parse(single.stdout) as { readonly schemaVersion: number }).schemaVersion, 2)
  const absent = await failed(home, 'NOT_FOUND', 4, 'inspect', `${registry.address}/app:v2`, NO_TLS)
  assert.match(String(absent['message']), /^no list is named ".*\/app:v2", and /)
})

test('tare manifest push and from write an archive to standard output; none is a member from standard input', async () => {
  await using home = await temporaryDirectory()
  await done(home, 'create', 'app', MULTI)
  for (const args of [
    ['push', 'app', 'oci-archive:-'],
    ['from', MULTI, 'oci-archive:-'],
  ]) {
    const { code, stdout, stderr } = await manifest(home, ...args)
    assert.equal(code, 0, stderr)
    assert.match(stdout, /"imageLayoutVersion"/)
    assert.match(stderr, /^pushed: /m)
  }
  await failed(home, 'INVALID_ARGUMENT', 2, 'add', 'app', 'oci-archive:-')
  await failed(home, 'INVALID_ARGUMENT', 2, 'from', 'oci-archive:-', 'oci:/never')
})

test('tare manifest push writes to the registry of its name, and the digest into a file', async () => {
  await using home = await temporaryDirectory()
  await using registry = await startRegistry()
  const name = `${registry.address}/app:v1`
  await done(home, 'create', name, '--all', MULTI)
  const summary = await done(home, 'push', '--all', name, NO_TLS, '--digestfile', home.join('digest'))
  const digest = await readFile(home.join('digest'), 'utf8')
  assert.match(digest, /^sha256:[0-9a-f]{64}$/)
  assert.ok(summary.includes(digest))
  const quiet = await manifest(home, 'push', '-q', name, `docker://${registry.address}/app:v2`, '--insecure')
  assert.deepEqual([quiet.code, quiet.stdout, quiet.stderr], [0, '', ''])
  await failed(home, 'INVALID_ARGUMENT', 2, 'push', name, '--insecure', NO_TLS)
  await done(home, 'create', 'local')
  await failed(home, 'INVALID_ARGUMENT', 2, 'push', 'local')
  await failed(home, 'NOT_FOUND', 4, 'push', 'absent', 'dir:/never')
})

test('tare manifest push takes some members, one platform, or none', async () => {
  await using home = await temporaryDirectory()
  await using registry = await startRegistry()
  const at = (name: string): string => `docker://${registry.address}/${name}`
  await done(home, 'create', 'app', '--all', MULTI)
  await failed(home, 'SPARSE_INDEX', 2, 'push', '--all=false', 'app', at('none:v1'), NO_TLS)
  await failed(home, 'SPARSE_INDEX', 2, 'push', 'app', '--instance', AMD64, at('some:v1'), NO_TLS)
  await done(home, 'push', 'app', '--instance', AMD64, '--partial', 'rewrite', at('some:v1'), NO_TLS)
  assert.equal((await inspect(home, at('some:v1'), NO_TLS)).manifests?.length, 1)
  const one = JSON.parse(await done(home, 'push', 'app', '--platform', 'linux/arm64', at('one:v1'), NO_TLS, '--json'))
  assert.deepEqual([one.result.index, one.result.digest], ['dropped', ARM64])
  await done(home, 'push', 'app', '--platform', 'linux/arm64', '--platform', 'linux/amd64', at('two:v1'), NO_TLS)
  await done(home, 'push', '--no-all', 'app', at('two:v2'), NO_TLS)
  await failed(home, 'INVALID_ARGUMENT', 2, 'push', 'app', '--no-all', '--instance', AMD64, 'dir:/never')
})

test('tare manifest push converts, adds copies, and removes the list when told', async () => {
  await using home = await temporaryDirectory()
  await done(home, 'create', 'app', '--all', MULTI)
  await done(home, 'push', 'app', '--format', 'v2s2', `dir:${home.join('docker')}`)
  const docker = await inspect(home, `dir:${home.join('docker')}`)
  assert.match(docker.mediaType, /manifest\.list/)
  await done(home, 'push', 'app', '--add-compression', 'gzip,zstd', `dir:${home.join('copies')}`)
  assert.equal((await inspect(home, `dir:${home.join('copies')}`)).manifests?.length, 4)
  await done(
    home,
    'push',
    'app',
    '--compression-format',
    'zstd',
    '--compression-level',
    '1',
    `dir:${home.join('zstd')}`,
  )
  assert.equal((await inspect(home, `dir:${home.join('zstd')}`)).manifests?.length, 2)
  await failed(home, 'INVALID_ARGUMENT', 2, 'push', 'app', '--format', 'v2s1', 'dir:/never')
  await failed(home, 'INVALID_ARGUMENT', 2, 'push', 'app', '--add-compression', 'lz4', 'dir:/never')
  await failed(home, 'INVALID_ARGUMENT', 2, 'push', 'app', '--force-compression', 'dir:/never')
  await failed(home, 'INVALID_ARGUMENT', 2, 'push', 'app', '--compression-level', '1', 'dir:/never')
  await failed(home, 'DESTINATION_EXISTS', 2, 'push', '--rm', 'app', `dir:${home.join('docker')}`)
  assert.equal((await manifest(home, 'exists', 'app')).code, 0)
  await done(home, 'push', '--rm', '--force', 'app', `dir:${home.join('docker')}`)
  assert.equal((await manifest(home, 'exists', 'app')).code, 1)
})

test('tare manifest push signs list and members, takes signatures along, and changes nothing that is signed', async () => {
  await using home = await temporaryDirectory()
  await using registry = await startRegistry()
  const at = (name: string): string => `docker://${registry.address}/${name}`
  const referrers = async (repository: string, digest: string): Promise<number> =>
    (await registry.storage.referrers(repository, parseDigest(digest))).length
  const key = home.join('ec.key')
  await writeFile(key, Buffer.from(await readFile(fixture('diffah/keys/ec.key.b64'), 'latin1'), 'base64'))
  await done(home, 'create', 'app', '--all', MULTI)
  const options = ['--sign-by-sigstore-private-key', key, '--digestfile', home.join('digest')]
  await done(home, 'push', 'app', at('signed:v1'), NO_TLS, ...options)
  const digest = await readFile(home.join('digest'), 'utf8')
  for (const signed of [AMD64, ARM64, digest]) assert.equal(await referrers('signed', signed), 1)

  await done(home, 'from', at('signed:v1'), at('carried:v1'), NO_TLS)
  assert.equal(await referrers('carried', AMD64), 1)
  // The list was made here, and nobody has signed it.
  assert.equal(await referrers('carried', digest), 0)
  await done(home, 'from', at('signed:v1'), at('bare:v1'), NO_TLS, '--remove-signatures')
  assert.equal(await referrers('bare', AMD64), 0)
  await failed(home, 'SIGNATURE_FORBIDS_CHANGE', 5, 'from', at('signed:v1'), at('docker:v1'), NO_TLS, '-f', 'v2s2')
  await done(home, 'from', at('signed:v1'), at('docker:v1'), NO_TLS, '-f', 'v2s2', '--remove-signatures')

  const lockedKey = home.join('cosign.key')
  await writeFile(lockedKey, Buffer.from(await readFile(fixture('diffah/keys/cosign.key.b64'), 'latin1'), 'base64'))
  const [password, wrong] = [home.join('password'), home.join('wrong')]
  await writeFile(password, 'tare\nnot this\n')
  await writeFile(wrong, 'nothing\n')
  const locked = ['push', 'app', at('locked:v1'), NO_TLS, '--sign-by-sigstore-private-key', lockedKey]
  await failed(home, 'KEY_PASSWORD', 2, ...locked, '--sign-passphrase-file', wrong)
  await done(home, ...locked, '--sign-passphrase-file', password)
  assert.equal(await referrers('locked', digest), 1)
  await failed(home, 'INVALID_ARGUMENT', 2, 'push', 'app', at('x:v1'), NO_TLS, '--sign-passphrase-file', password)

  await failed(home, 'UNSUPPORTED_BY_DESTINATION', 2, 'push', 'app', 'dir:/never', '--sign-key', key)
  await failed(home, 'FILE_NOT_FOUND', 3, 'push', 'app', at('x:v1'), NO_TLS, '--sign-key', home.join('absent'))
})

test('tare manifest from makes and pushes a list in one go, of chosen platforms, and keeps nothing', async () => {
  await using home = await temporaryDirectory()
  await using registry = await startRegistry()
  const at = (name: string): string => `docker://${registry.address}/${name}`
  const options = [
    '--annotation',
    'a=b',
    '--artifact-type',
    'application/x',
    '--subject',
    DOCKER,
    '--digestfile',
    home.join('d'),
  ]
  await done(
    home,
    'from',
    DOCKER,
    MULTI,
    at('app:v1'),
    '--platform',
    'linux/arm64',
    ...options,
    '--dest-tls-verify=false',
  )
  const list = await inspect(home, at('app:v1'), NO_TLS)
  assert.deepEqual(
    [list.manifests?.map(({ digest }) => digest), list.annotations, list.subject?.['digest']],
    [[ARM64], { a: 'b' }, DOCKER_V1],
  )
  await done(home, 'from', at('app:v1'), DOCKER, at('app:v2'), NO_TLS)
  assert.equal((await inspect(home, at('app:v2'), NO_TLS)).manifests?.length, 2)
  await failed(home, 'INVALID_COMMAND_LINE', 2, 'from', at('app:v3'))
  await failed(home, 'NO_MATCHING_PLATFORM', 2, 'from', DOCKER, 'dir:/never', '--platform', 'linux/s390x')
  assert.deepEqual((await readdir(home.path)).sort(), ['d'])
})

test('tare manifest keeps members of the local store, and says when one is no longer there', async () => {
  await using home = await temporaryDirectory()
  const run = (...args: readonly string[]): Promise<Ended> =>
    runInProcess({ env: SCRATCH_ENVIRONMENT, homeDirectory: home.path }, ...args, '--store', home.join('store'))
  for (const args of [
    ['copy', DOCKER, 'store:kept'],
    ['copy', MULTI, 'store:gone'],
    ['manifest', 'create', '--all', 'app', 'store:kept', 'store:gone'],
    ['manifest', 'push', '--all', 'app', `oci:${home.join('layout')}:all`],
  ]) {
    const { code, stderr } = await run(...args)
    assert.equal(code, 0, stderr)
  }
  assert.deepEqual(
    (await inspect(home, `oci:${home.join('layout')}:all`)).manifests?.map(({ digest }) => digest),
    [DOCKER_V1, AMD64, ARM64],
  )
  // The list keeps what it took, whatever becomes of the image; until content is deleted by force.
  assert.equal((await run('image', 'rm', '--sync', 'gone')).code, 0)
  assert.equal((await run('manifest', 'push', '--all', 'app', `oci:${home.join('layout')}:kept`)).code, 0)
  assert.equal((await run('content', 'rm', AMD64)).code, 0)
  const ended = await run('manifest', 'push', '--all', 'app', `oci:${home.join('layout')}:again`, '--json')
  assert.equal(ended.code, 4)
  const { error } = JSON.parse(ended.stdout) as { readonly error: Readonly<Record<string, string>> }
  assert.match(error['message'] ?? '', /is no longer at store:gone/)
  await failed(home, 'NOT_FOUND', 4, 'inspect', `oci:${home.join('layout')}:again`)
})

test('tare manifest: a bare name is in a registry, what looks like a path is not', async () => {
  await using home = await temporaryDirectory()
  await done(home, 'create', 'app')
  const error = await failed(home, 'UNKNOWN_TRANSPORT', 2, 'add', 'app', './image.tar')
  assert.match(String(error['hint']), /oci-archive:/)
  await failed(home, 'NETWORK', 3, 'add', 'app', '127.0.0.1:9/app:v1', NO_TLS, '--retry-times', '0')
})

/** Images that differ, each for a platform of its own. */
async function distinctImages(home: TemporaryDirectory, count: number): Promise<readonly string[]> {
  const images: string[] = []
  for (let at = 0; at < count; at++) {
    const reference = `oci:${home.join(`image-${at}`)}`
    const platform = { os: 'linux', architecture: `arch${at}` }
    await writeImage(reference, { layers: [tarOf({ at: String(at) })], platform })
    images.push(reference)
  }
  return images
}

test('tare manifest add in ten processes at once loses nothing', async () => {
  await using home = await temporaryDirectory()
  const images = await distinctImages(home, 10)
  await done(home, 'create', 'app')
  const codes = await Promise.all(
    images.map(async (image): Promise<unknown> => {
      const [code]: readonly unknown[] = await once(startManifest(home, 'add', 'app', image), 'exit')
      return code
    }),
  )
  assert.deepEqual(
    codes,
    images.map(() => 0),
  )
  const { manifests } = await inspect(home, 'app')
  assert.deepEqual(
    manifests?.map(({ platform }) => (platform as { readonly architecture: string }).architecture).sort(),
    images.map((_, at) => `arch${at}`),
  )
})

test('tare manifest add that is killed leaves the list as it was, or with all that was added', async () => {
  await using home = await temporaryDirectory()
  const images = await distinctImages(home, 6)
  await done(home, 'create', 'app')
  let known = 0
  for (let round = 0; round < 5; round++) {
    const child = startManifest(home, 'add', 'app', ...images)
    const exited = once(child, 'exit')
    await Promise.race([exited, wait(300 + 250 * round)])
    child.kill('SIGKILL')
    await exited
    const { manifests } = await inspect(home, 'app')
    const count = manifests?.length ?? 0
    assert.ok(count === known || count === images.length, `${count} members after a kill, ${known} before`)
    known = count
  }
  // What the killed ones held or left half-written stands in nobody's way.
  await done(home, 'create', 'other')
  await done(home, 'add', 'app', ...images)
})
