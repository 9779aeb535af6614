import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { suite, test } from 'node:test'
import { promisify } from 'node:util'
import { openSource } from '../../src/transport/index.ts'
import { runInProcess } from '../support/command-line.ts'
import { fixture } from '../support/fixtures.ts'
import { tarOf, writeImage, writeIndex } from '../support/image-builder.ts'
import { copyTo } from '../support/incremental-images.ts'
import { type RecordingRegistry, recordingRegistry } from '../support/recording-registry.ts'
import { type Ended, errorIn, resultIn, TARE_MAIN } from '../support/run-tare.ts'
import { SCRATCH_CACHE, SCRATCH_ENVIRONMENT } from '../support/scratch-cache.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const layer = (name: string, bytes = 2000): Uint8Array => tarOf({ [name]: name.repeat(bytes / name.length) })
const gzip = { compression: 'gzip' } as const

type Fields = Readonly<Record<string, unknown>>

function tare(...args: readonly string[]): Promise<Ended> {
  return runInProcess({ env: SCRATCH_ENVIRONMENT, homeDirectory: SCRATCH_CACHE }, ...args)
}

function imagesIn(ended: Ended): readonly Fields[] {
  return resultIn(ended)['images'] as readonly Fields[]
}

/** What the first image of a report lists under `name`. */
function listed(ended: Ended, name: string): readonly Fields[] {
  return (imagesIn(ended)[0]?.[name] ?? []) as readonly Fields[]
}

async function digestAt(registry: RecordingRegistry, name: string): Promise<unknown> {
  await using source = await openSource(registry.at(name), registry.context)
  return await source.resolve().then(
    ({ descriptor }) => descriptor.digest,
    () => undefined,
  )
}

const ALICE = { username: 'alice', password: 'secret-a' }
const BOB = { username: 'bob', password: 'secret-b' }

suite('tare incremental', () => {
  test('pulls with credentials of each side, inspects, vets and pushes, and reports as JSON', async () => {
    await using directory = await temporaryDirectory()
    await using one = await recordingRegistry(ALICE)
    await using two = await recordingRegistry(BOB)
    await writeImage(one.at('app:v1'), { layers: [layer('a')], ...gzip }, one.context)
    const v2 = await writeImage(two.at('app:v2'), { layers: [layer('a'), layer('b')], ...gzip }, two.context)
    const path = directory.join('app.tar')
    const pulled = await tare(
      'incremental',
      'pull',
      '--json',
      '--tls-verify=false',
      '--base-creds',
      'alice:secret-a',
      '--final-creds',
      'bob:secret-b',
      '--base',
      one.at('app:v1'),
      two.at('app:v2'),
      path,
    )
    assert.deepEqual(
      [imagesIn(pulled)[0]?.['digest'], listed(pulled, 'blobs').map((blob) => blob['outcome'])],
      [v2.descriptor.digest, ['carried', 'omitted', 'carried']],
    )
    assert.equal(resultIn(pulled)['fileBytes'], (await stat(path)).size)
    const inspected = await tare('inspect', path, '--json')
    assert.equal(resultIn(inspected)['isComplete'], false)
    assert.deepEqual(listed(inspected, 'bases')[0]?.['name'], `${one.address}/app:v1`)
    const target = ['--tls-verify=false', '--creds', 'alice:secret-a', path, one.at('app:v2')]
    const vetted = await tare('incremental', 'vet', '--json', ...target)
    assert.deepEqual(
      listed(vetted, 'blobs').map((blob) => blob['origin']),
      ['carried', 'present', 'carried'],
    )
    const pushed = await tare('incremental', 'push', '--json', ...target)
    assert.deepEqual(
      listed(pushed, 'blobs').map((blob) => blob['outcome']),
      ['written', 'present', 'written'],
    )
    assert.equal(await digestAt(one, 'app:v2'), v2.descriptor.digest)
    assert.equal((await tare('verify', path)).code, 0)
  })

  test('vet and push exit 4 naming every missing layer, and make no tag', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const images = ['v1', 'v2'].map((name) => `oci:${directory.join(name)}:${name}`)
    await writeImage(images[0] ?? '', { layers: [layer('a'), layer('b')], ...gzip })
    await writeImage(images[1] ?? '', { layers: [layer('a'), layer('b'), layer('c')], ...gzip })
    const path = directory.join('app.tar')
    await tare('incremental', 'pull', '--base', images[0] ?? '', images[1] ?? '', path)
    for (const action of ['vet', 'push']) {
      const ended = await tare('incremental', action, path, registry.at('app:v2'), '--tls-verify=false', '--json')
      assert.equal(ended.code, 4)
      const error = errorIn(ended)
      assert.equal(error['code'], 'TARGET_LACKS_BLOB')
      const missing = error['missing'] as readonly Fields[]
      assert.equal(missing.length, 2)
      for (const { digest } of missing) assert.ok(String(error['message']).includes(String(digest)))
    }
    assert.equal(await digestAt(registry, 'app:v2'), undefined)
  })

  test('carries several images, and pushes them with a prefix or a map', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    for (const name of ['a:v1', 'b:v1']) {
      await writeImage(
        registry.at(name),
        { layers: [layer('shared'), layer(name.slice(0, 1))], ...gzip },
        registry.context,
      )
    }
    const path = directory.join('all.tar')
    const pulled = await tare(
      'incremental',
      'pull',
      '--tls-verify=false',
      registry.at('a:v1'),
      registry.at('b:v1'),
      path,
      '--json',
    )
    assert.equal(imagesIn(pulled).length, 2)
    const map = `${registry.address}/a:v1=${registry.at('mapped:x')}`
    const pushed = await tare(
      'incremental',
      'push',
      '--tls-verify=false',
      '--map',
      map,
      path,
      registry.at('mirror'),
      '--json',
    )
    assert.deepEqual(
      imagesIn(pushed).map((image) => image['destination']),
      [registry.at('mapped:x'), registry.at('mirror/b:v1')],
    )
    assert.equal((await tare('incremental', 'push', '--tls-verify=false', path, registry.at('mirror:tag'))).code, 2)
    assert.equal((await tare('incremental', 'push', '--tls-verify=false', '--map', 'nonsense', path)).code, 2)
    const { stdout } = await tare('inspect', path)
    assert.match(stdout, /a:v1/)
    assert.match(stdout, /b:v1/)
  })

  test('takes one platform, and all by default', async () => {
    await using directory = await temporaryDirectory()
    const image = `oci-archive:${fixture('images/app-multi-v2.oci.tar')}`
    const path = directory.join('app.tar')
    const one = await tare('incremental', 'pull', '--platform', 'linux/arm64', image, path, '--json')
    assert.deepEqual(imagesIn(one)[0]?.['platforms'], ['linux/arm64/v8'])
    const all = await tare('incremental', 'pull', '--all-platforms', image, path, '--json')
    assert.deepEqual(imagesIn(all)[0]?.['platforms'], ['linux/amd64', 'linux/arm64/v8'])
    const both = await tare(
      'incremental',
      'pull',
      '--all-platforms',
      '--platform',
      'linux/arm64',
      image,
      path,
      '--json',
    )
    assert.equal(errorIn(both)['code'], 'INVALID_ARGUMENT')
    const none = await tare('incremental', 'pull', '--platform', 'windows/amd64', image, path, '--json')
    assert.equal(errorIn(none)['code'], 'NO_MATCHING_PLATFORM')
  })

  test('diff writes an overlay that pushes over the old archive', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const paths = ['v1', 'v2', 'overlay'].map((name) => directory.join(`${name}.tar`))
    const [v1, v2, overlay] = paths
    assert.ok(v1 && v2 && overlay)
    for (const [path, letter] of [
      [v1, 'b'],
      [v2, 'c'],
    ] as const) {
      const image = `oci:${directory.join(letter)}:app`
      await writeImage(image, { layers: [layer('a', 100_000), layer(letter)], ...gzip })
      assert.equal((await tare('incremental', 'pull', image, path)).code, 0)
    }
    const made = resultIn(await tare('incremental', 'diff', v1, v2, overlay, '--json'))
    assert.deepEqual([made['carriedBlobs'], made['omittedBlobs']], [2, 1])
    const pushed = await tare(
      'incremental',
      'push',
      '--tls-verify=false',
      '--overlay',
      overlay,
      v1,
      registry.at('app:v2'),
      '--json',
    )
    await using source = await openSource(`oci-archive:${v2}`)
    assert.equal(imagesIn(pushed)[0]?.['digest'], (await source.resolve()).descriptor.digest)
    assert.equal(await digestAt(registry, 'app:v2'), imagesIn(pushed)[0]?.['digest'])
  })

  test('inventory stands for a registry that is out of reach', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    for (const tag of ['v1', 'v2']) {
      await writeImage(registry.at(`team/app:${tag}`), { layers: [layer(tag)], ...gzip }, registry.context)
    }
    await writeImage(registry.at('other:x'), { layers: [layer('x')], ...gzip }, registry.context)
    const file = directory.join('site.json')
    const counts: number[] = []
    for (const args of [
      [registry.at('team/app:v1')],
      ['--all-tags', registry.at('team/app:v1')],
      ['--registry', registry.address],
    ]) {
      const taken = await tare('inventory', '--tls-verify=false', ...args, '-o', file, '--json')
      counts.push(imagesIn(taken).length)
    }
    assert.deepEqual(counts, [1, 2, 3])
    const final = `oci:${directory.join('final')}:v3`
    await writeImage(final, { layers: [layer('v1'), layer('x'), layer('new')], ...gzip })
    const path = directory.join('app.tar')
    for (const base of [`inventory:${file}`, file]) {
      const pulled = await tare('incremental', 'pull', '--base', base, final, path, '--json')
      assert.deepEqual(
        listed(pulled, 'blobs').map((blob) => blob['outcome']),
        ['carried', 'omitted', 'omitted', 'carried'],
      )
    }
    assert.equal((await tare('incremental', 'vet', path, '--against', file)).code, 0)
    await tare('inventory', '--tls-verify=false', registry.at('other:x'), '-o', file)
    const missing = await tare('incremental', 'vet', path, '--against', file, '--json')
    assert.equal(missing.code, 4)
    assert.equal((errorIn(missing)['missing'] as readonly Fields[]).length, 1)
    const patched = await tare(
      'incremental',
      'pull',
      '--patch',
      '--base',
      file,
      final,
      directory.join('d.tare'),
      '--json',
    )
    assert.equal(errorIn(patched)['code'], 'INVALID_ARGUMENT')
    assert.equal((await tare('inventory', '-o', file)).code, 2)
    await writeFile(directory.join('other.json'), '{}')
    const strange = await tare('incremental', 'pull', '--base', directory.join('other.json'), final, path, '--json')
    assert.equal(errorIn(strange)['code'], 'INVALID_DOCUMENT')
  })

  test('diff leaves out what an inventory has, patches nothing against it and says so; vet checks that offline', async () => {
    await using directory = await temporaryDirectory()
    const layout = `oci:${directory.join('layout')}`
    const [old, also] = [layer('old'), layer('also')]
    await writeImage(`${layout}:v1`, { layers: [old], ...gzip })
    await writeImage(`${layout}:other`, { layers: [layer('other')], ...gzip })
    const v2 = `oci:${directory.join('final')}:v2`
    const { descriptor } = await writeImage(v2, { layers: [old, also], ...gzip })
    const [file, path] = [directory.join('site.json'), directory.join('app.tare')]
    await tare('inventory', layout, '-o', file)
    const made = await tare('diff', `inventory:${file}`, v2, path, '--json')
    assert.match(made.stderr, /content patches need the layers themselves/)
    const [, , known, fresh] = resultIn(made)['blobs'] as readonly Fields[]
    assert.equal(known?.['origin'], 'baseline')
    assert.deepEqual(fresh?.['sources'] ?? [], [])
    // Of all images in the inventory the one that lends a layer is recorded.
    const baselines = (resultIn(made)['baselines'] as readonly Fields[]).map((baseline) => baseline['reference'])
    assert.deepEqual(baselines, ['inventory:v1'])
    assert.equal((await tare('incremental', 'vet', path, '--against', file)).code, 0)
    const applied = await tare('apply', path, `${layout}:v1`, `oci:${directory.join('out')}:v2`, '--json')
    assert.equal(applied.code, 0, applied.stdout)
    assert.ok(applied.stdout.includes(descriptor.digest))
    await tare('inventory', `${layout}:other`, '-o', file)
    const missing = await tare('incremental', 'vet', path, '--against', file, '--json')
    assert.deepEqual([missing.code, errorIn(missing)['code']], [4, 'TARGET_LACKS_BLOB'])
  })

  test('diff of an image and an inventory patches against the one, and leaves out what either has', async () => {
    await using directory = await temporaryDirectory()
    const lines = Array.from({ length: 400 }, (_, at) => `line ${at * at}`).join('\n')
    const [known, v1, v2] = ['known', 'v1', 'v2'].map((name) => `oci:${directory.join(name)}:x`)
    assert.ok(known && v1 && v2)
    // The inventory has the old lines too, where nobody can read them.
    await writeImage(known, { layers: [layer('known'), tarOf({ lines })], ...gzip })
    await writeImage(v1, { layers: [tarOf({ lines })], ...gzip })
    await writeImage(v2, { layers: [layer('known'), tarOf({ lines: `${lines} and more` })], ...gzip })
    const file = directory.join('site.json')
    await tare('inventory', known, '-o', file)
    const made = await tare('diff', `inventory:${file}`, '--baseline', v1, v2, directory.join('app.tare'), '--json')
    const [, , left, patched] = resultIn(made)['blobs'] as readonly Fields[]
    assert.deepEqual([left?.['origin'], patched?.['origin']], ['baseline', 'patch'])
    assert.equal((patched?.['sources'] as readonly unknown[] | undefined)?.length, 1)
    const out = `oci:${directory.join('out')}:x`
    const applied = await tare('apply', directory.join('app.tare'), known, '--baseline', v1, out)
    assert.equal(applied.code, 0, applied.stderr)
  })

  test('inventory of a layout takes all that is in it', async () => {
    await using directory = await temporaryDirectory()
    const layout = `oci:${directory.join('layout')}`
    for (const name of ['v1', 'v2']) await writeImage(`${layout}:${name}`, { layers: [layer(name)], ...gzip })
    const taken = await tare('inventory', layout, '-o', directory.join('site.json'), '--json')
    assert.deepEqual(
      imagesIn(taken).map((image) => image['name']),
      ['v1', 'v2'],
    )
  })

  test('inventory --all-of store takes every image of the local store, without layers it lacks', async () => {
    await using directory = await temporaryDirectory()
    const store = ['--store', directory.join('store')]
    const layout = `oci:${directory.join('layout')}`
    for (const name of ['v1', 'v2']) {
      await writeImage(`${layout}:${name}`, { layers: [layer(name)], ...gzip })
      assert.equal((await tare('copy', `${layout}:${name}`, `store:app:${name}`, ...store)).code, 0)
    }
    const taken = await tare('inventory', '--all-of', 'store', ...store, '-o', directory.join('site.json'), '--json')
    assert.deepEqual(
      imagesIn(taken).map((image) => image['name']),
      ['docker.io/library/app:v1', 'docker.io/library/app:v2'],
    )
    assert.equal((await tare('inventory', '--all-of', 'cellar', '-o', directory.join('site.json'))).code, 2)
  })

  test('archives go through pipes, and into volumes', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const final = `oci:${directory.join('final')}:v1`
    const { descriptor } = await writeImage(final, { layers: [layer('a')], ...gzip })
    const call = (...words: readonly string[]): string =>
      ['node', TARE_MAIN, ...words].map((word) => `'${word}'`).join(' ')
    const to = registry.at('app:v1')
    const pipe = `${call('incremental', 'pull', final, '-')} | ${call('incremental', 'push', '--tls-verify=false', '-', to)}`
    const path = `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`
    await promisify(execFile)('sh', ['-ec', pipe], { env: { PATH: path, XDG_CACHE_HOME: SCRATCH_CACHE } })
    assert.equal(await digestAt(registry, 'app:v1'), descriptor.digest)
    const file = directory.join('app.tar')
    const split = await tare('incremental', 'pull', '--split', '4KiB', final, file, '--json')
    assert.equal(split.code, 0, split.stdout)
    assert.ok((await readdir(directory.path)).filter((name) => name.startsWith('app.tar.')).length > 1)
    const pushed = await tare('incremental', 'push', '--tls-verify=false', file, registry.at('other:v1'))
    assert.equal(pushed.code, 0, pushed.stderr)
    assert.equal(await digestAt(registry, 'other:v1'), descriptor.digest)
    assert.equal((await tare('incremental', 'pull', '--resume', final, '-')).code, 2)
  })

  test('pull --patch writes a delta, which vet, push, inspect and apply understand', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const words = 'all that there is to say '.repeat(10_000)
    const library = layer('library', 50_000)
    const base = { layers: [library, tarOf({ words })], ...gzip }
    await writeImage(registry.at('app:v1'), base, registry.context)
    const v2 = `oci:${directory.join('final')}:v2`
    const changed = { ...base, layers: [library, tarOf({ words: `${words}, and more` })] }
    const { digest } = (await writeImage(v2, changed)).descriptor
    const path = directory.join('app.tare')
    const common = ['--tls-verify=false', '--json']
    const made = await tare('incremental', 'pull', '--patch', '--base', registry.at('app:v1'), v2, path, ...common)
    assert.equal(made.code, 0, made.stderr)
    assert.deepEqual(
      (resultIn(made)['blobs'] as readonly Fields[]).map((blob) => blob['origin']),
      ['archive', 'archive', 'baseline', 'patch'],
    )
    const vetted = await tare('incremental', 'vet', path, registry.at('app:v2'), ...common)
    assert.ok(listed(vetted, 'layers').length > 0)
    const empty = await tare('incremental', 'vet', path, 'docker://127.0.0.1:1/none:v2', ...common)
    assert.equal(empty.code, 3)
    // The base lies in another repository: it is found there.
    const pushed = await tare('incremental', 'push', path, registry.at('elsewhere:v2'), ...common)
    assert.equal(pushed.code, 0, pushed.stdout)
    assert.equal(await digestAt(registry, 'elsewhere:v2'), digest)
    assert.ok((await tare('inspect', path, '--json')).stdout.includes(digest))
    assert.equal((await tare('verify', path)).code, 0)
    const out = `oci:${directory.join('out')}:v2`
    assert.equal((await tare('apply', path, registry.at('app:v1'), out, '--tls-verify=false')).code, 0)
    assert.equal((await tare('copy', out, registry.at('applied:v2'), '--tls-verify=false')).code, 0)
    assert.equal(await digestAt(registry, 'applied:v2'), digest)
  })

  test('pull --patch of several images writes a bundle, which push takes to a place for each', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const words = (name: string): string => `${name} `.repeat(20_000)
    const base = { layers: [tarOf({ text: words('base') })], ...gzip }
    await writeImage(registry.at('base:v1'), base, registry.context)
    for (const name of ['one', 'two']) {
      await writeImage(
        registry.at(`${name}:v2`),
        { layers: [tarOf({ text: `${words('base')}${name}` })], ...gzip },
        registry.context,
      )
    }
    const path = directory.join('both.tare')
    const made = await tare(
      'incremental',
      'pull',
      '--patch',
      '--tls-verify=false',
      '--base',
      registry.at('base:v1'),
      registry.at('one:v2'),
      registry.at('two:v2'),
      path,
      '--json',
    )
    assert.equal(made.code, 0, made.stdout)
    const maps = ['one', 'two'].flatMap((name) => ['--map', `${name}-v2=${registry.at(`mirror/${name}:v2`)}`])
    const pushed = await tare('incremental', 'push', '--tls-verify=false', ...maps, path, '--json')
    assert.equal(pushed.code, 0, pushed.stdout)
    for (const name of ['one', 'two']) {
      assert.equal(await digestAt(registry, `mirror/${name}:v2`), await digestAt(registry, `${name}:v2`))
    }
  })

  test('apply completes an incremental archive from its base, also for docker load', async () => {
    await using directory = await temporaryDirectory()
    const [v1, v2] = ['v1', 'v2'].map((name) => `oci:${directory.join(name)}:app`)
    assert.ok(v1 && v2)
    await writeImage(v1, { layers: [layer('a')], ...gzip })
    const wanted = await writeImage(v2, { layers: [layer('a'), layer('b')], ...gzip })
    const path = directory.join('app.tar')
    await tare('incremental', 'pull', '--base', v1, v2, path)
    assert.equal((await tare('apply', '--dry-run', path, v1, `oci:${directory.join('out')}:v2`)).code, 0)
    const applied = await tare('apply', path, v1, `oci:${directory.join('out')}:v2`, '--json')
    assert.equal((resultIn(applied)['copy'] as Fields)['digest'], wanted.descriptor.digest)
    // A docker archive as base: plain tars, found by their diffIDs.
    const plain = `docker-archive:${directory.join('v1.docker.tar')}`
    await copyTo(v1, `${plain}:app:v1`)
    const loaded = await tare(
      'apply',
      path,
      plain,
      `docker-archive:${directory.join('v2.docker.tar')}:app:v2`,
      '--json',
    )
    assert.equal(loaded.code, 0, loaded.stdout)
    const wrong = await tare(
      'apply',
      path,
      v2.replace('v2', 'v1'),
      `oci:${directory.join('out')}:v3`,
      '--image',
      'none',
      '--json',
    )
    assert.equal(errorIn(wrong)['code'], 'UNKNOWN_IMAGE_NAME')
    const lacking = await tare(
      'apply',
      path,
      `oci-archive:${fixture('images/app-zstd-v2.oci.tar')}`,
      `oci:${directory.join('x')}`,
      '--json',
    )
    assert.equal(errorIn(lacking)['code'], 'TARGET_LACKS_BLOB')
  })

  test('verify tells a damaged blob of an incremental archive, and no left out layer', async () => {
    await using directory = await temporaryDirectory()
    const [v1, v2] = ['v1', 'v2'].map((name) => `oci:${directory.join(name)}:app`)
    assert.ok(v1 && v2)
    await writeImage(v1, { layers: [layer('a')] })
    await writeImage(v2, { layers: [layer('a'), layer('bbbb')] })
    const path = directory.join('app.tar')
    await tare('incremental', 'pull', '--base', v1, v2, path)
    assert.equal((await tare('verify', path)).code, 0)
    const bytes = await readFile(path)
    bytes.fill('x', bytes.lastIndexOf('bbbb') - 10, bytes.lastIndexOf('bbbb'))
    await writeFile(path, bytes)
    const ended = await tare('verify', path, '--json')
    assert.equal(ended.code, 4)
  })

  test('stopped by Ctrl-C exits 130 and leaves nothing, with --resume what the next pull goes on from', async () => {
    await using directory = await temporaryDirectory()
    let arrived = (): void => {}
    let isHeld = true
    await using registry = await recordingRegistry(undefined, {
      async onRequest({ method, path }, { outgoing }) {
        if (!isHeld || method !== 'GET' || !path.includes('/blobs/')) return
        if (!path.endsWith(held)) return
        arrived()
        await once(outgoing, 'close')
      },
    })
    const { manifest } = await (async () => {
      const written = await writeImage(
        registry.at('app:v1'),
        { layers: [layer('a', 100_000), layer('b')], ...gzip },
        registry.context,
      )
      return { manifest: JSON.parse(Buffer.from(written.bytes).toString()) as { layers: { digest: string }[] } }
    })()
    const held = manifest.layers[1]?.digest ?? ''
    const path = directory.join('app.tar')
    const args = ['incremental', 'pull', '--tls-verify=false', '--jobs', '1', registry.at('app:v1'), path]
    for (const more of [[], ['--resume']]) {
      const reached = new Promise<void>((resolve) => (arrived = resolve))
      const child = spawn(process.execPath, [TARE_MAIN, ...args, ...more, '--json'], {
        env: { ...process.env, ...SCRATCH_ENVIRONMENT },
      })
      await reached
      child.kill('SIGINT')
      const [code] = (await once(child, 'close')) as [number | null]
      assert.equal(code, 130)
      assert.deepEqual(await readdir(directory.path), more.length === 0 ? [] : ['.app.tar.part'])
    }
    isHeld = false
    const ended = await tare(...args, '--resume', '--json')
    assert.ok(Number(resultIn(ended)['resumedBytes']) > 0)
    assert.deepEqual(await readdir(directory.path), ['app.tar'])
  })

  test('bad input ends with the exit code of its kind, and leaves neither file nor tag', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry(ALICE)
    await writeImage(registry.at('app:v1'), { layers: [layer('a')], ...gzip }, registry.context)
    const final = `oci:${directory.join('final')}:v2`
    await writeImage(final, { layers: [layer('a', 20_000)] })
    const [whole, cut, other] = [directory.join('whole.tar'), directory.join('cut.tar'), directory.join('other.tar')]
    assert.equal((await tare('incremental', 'pull', final, whole)).code, 0)
    await writeFile(cut, (await readFile(whole)).subarray(0, 12_000))
    await writeFile(other, 'no archive of anybody')
    const before = (await readdir(directory.path)).toSorted()
    const path = directory.join('out.tar')
    const pull = ['incremental', 'pull', '--tls-verify=false', '--retry-times=0']
    const target = ['--tls-verify=false', '--creds', 'alice:secret-a', registry.at('app:v2')]
    for (const [args, code, error, side] of [
      [[...pull, '--base', 'docker://127.0.0.1:1/none:v1', final, path], 3, 'NETWORK', 'baseline'],
      [
        [...pull, '--base-creds', 'alice:wrong', '--base', registry.at('app:v1'), final, path],
        3,
        'AUTH_REQUIRED',
        'baseline',
      ],
      [
        [...pull, '--final-creds', 'alice:wrong', '--base', final, registry.at('app:v1'), path],
        3,
        'AUTH_REQUIRED',
        'source',
      ],
      [[...pull, '--platform', 'linux/s390x', final, path], 2, 'NO_MATCHING_PLATFORM', undefined],
      [['incremental', 'vet', cut, ...target], 4, 'FILE_INCOMPLETE', undefined],
      [['incremental', 'push', cut, ...target], 4, 'FILE_INCOMPLETE', undefined],
      [['incremental', 'push', other, ...target], 4, 'INVALID_ARCHIVE', undefined],
    ] as const) {
      const ended = await tare(...args, '--json')
      const { code: found, side: where } = errorIn(ended)
      assert.deepEqual([ended.code, found, where], [code, error, side], args.join(' '))
    }
    assert.deepEqual((await readdir(directory.path)).toSorted(), before)
    assert.equal(await digestAt(registry, 'app:v2'), undefined)
  })

  test('refuses what makes no sense with exit code 2', async () => {
    await using directory = await temporaryDirectory()
    const image = `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`
    const path = directory.join('out.tar')
    for (const args of [
      ['pull'],
      ['pull', image],
      ['pull', image, 'docker://registry.example/app:v1'],
      ['pull', image, `oci-archive:${path}:name`],
      ['pull', '--match', 'guess', image, path],
      ['pull', '--convert', 'docker', image, path],
      ['pull', '--patch', '--convert', 'oci', '--base', image, image, path],
      ['pull', '--patch', '--resume', '--base', image, image, path],
      ['pull', '--convert', 'oci', '--referrers', 'all', image, path],
      ['push', 'docker://registry.example/app:v1', 'docker://mirror.example/app:v1'],
      ['vet', fixture('images/app-docker-v1.oci.tar')],
      ['vet', fixture('images/app-docker-v1.oci.tar'), 'oci:x', '--against', 'y'],
      ['frobnicate'],
    ]) {
      const ended = await tare('incremental', ...args, '--json')
      assert.equal(ended.code, 2, `${args.join(' ')}: ${ended.stdout}`)
    }
    assert.deepEqual(await readdir(directory.path), [])
  })

  test('completion and help know the verbs, their actions and choices', async () => {
    const { stdout } = await tare('completion', 'bash')
    for (const word of ['incremental', 'inventory', '--mount-from', 'diffid', 'signatures']) {
      assert.ok(stdout.includes(word), word)
    }
    for (const action of ['pull', 'push', 'vet', 'diff']) {
      const help = await tare('incremental', action, '--help')
      assert.match(help.stdout, /^Examples:\n {2}# \S/m)
    }
  })

  test('a pull of a Docker list with --convert oci is an OCI index', async () => {
    await using directory = await temporaryDirectory()
    const path = directory.join('out.tar')
    const image = `oci-archive:${fixture('images/app-docker-v2.oci.tar')}`
    const pulled = await tare('incremental', 'pull', '--convert', 'oci', image, path, '--json')
    const [converted] = imagesIn(pulled)
    assert.equal(converted?.['mediaType'], 'application/vnd.oci.image.manifest.v1+json')
    assert.equal(converted['digest'], 'sha256:5b34339a35100b8b333a4831b7ab353ef2652836a19038d204d6b7e8fe943eb7')
  })

  test('an index keeps its nested form through pull and push', async () => {
    await using directory = await temporaryDirectory()
    await using registry = await recordingRegistry()
    const image = `oci:${directory.join('image')}:app`
    const index = await writeIndex(image, [
      { layers: [layer('a')], platform: { os: 'linux', architecture: 'amd64' }, ...gzip },
    ])
    const path = directory.join('out.tar')
    await tare('incremental', 'pull', image, path)
    const pushed = await tare('incremental', 'push', '--tls-verify=false', path, registry.at('app:v1'))
    assert.equal(pushed.code, 0, pushed.stderr)
    assert.equal(await digestAt(registry, 'app:v1'), index.descriptor.digest)
  })
})
