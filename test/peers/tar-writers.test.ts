import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { link, mkdir, open, readFile, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { bytesSource, Digester, readFileRange } from '../../src/stream/index.ts'
import { readTar, tarBytes, type TarEntry, tarHeader, type TarHeaderFields, tarPadding } from '../../src/tar/index.ts'
import { runPeer, skipWithout } from '../support/peers.ts'
import { temporaryDirectory, type TemporaryDirectory } from '../support/temporary-directory.ts'

const GO_SOURCE = fileURLToPath(new URL('go-tar/', import.meta.url))
const withoutGo = skipWithout('go')
const withoutPython = skipWithout('python3')

/** Names beyond 100 and 255 bytes, with parts of at most 255. */
const LONG_NAME = 'n'.repeat(180)
const LONG_DIRECTORY = Array.from({ length: 6 }, (_, index) => `${index}`.padEnd(60, 'd')).join('/')

let scratch: TemporaryDirectory
/** What even v7 can hold. */
let shortTree: string
/** Adds what needs the longer formats. */
let fullTree: string
let sparseTree: string

before(async () => {
  scratch = await temporaryDirectory()
  shortTree = scratch.join('short')
  fullTree = scratch.join('full')
  sparseTree = scratch.join('sparse')
  await makeShortTree(shortTree)
  await makeShortTree(fullTree)
  await makeLongNames(fullTree)
  await mkdir(sparseTree)
  await makeSparseFile(join(sparseTree, 'few-extents'), 2)
  await makeSparseFile(join(sparseTree, 'many-extents'), 60)
  if (withoutGo === false) {
    await runPeer('go', ['build', '-o', scratch.join('go-tar'), '.'], { cwd: GO_SOURCE, env: { GOPROXY: 'off' } })
  }
})
after(() => scratch[Symbol.asyncDispose]())

async function makeShortTree(root: string): Promise<void> {
  await mkdir(join(root, 'dir', 'empty'), { recursive: true })
  for (const size of [0, 1, 511, 512, 513, 70_000])
    await writeFile(join(root, 'dir', `${size}`), Buffer.alloc(size, 'c'))
  await symlink('../elsewhere', join(root, 'dir', 'soft'))
  await link(join(root, 'dir', '513'), join(root, 'hard'))
  await utimes(join(root, 'dir', '1'), 1_700_000_000, 1_700_000_000)
  await runPeer('mkfifo', [join(root, 'pipe')])
  // Only root may; the archives just lack devices otherwise.
  await runPeer('mknod', [join(root, 'null'), 'c', '1', '3']).catch(() => undefined)
  await runPeer('mknod', [join(root, 'disk'), 'b', '8', '17']).catch(() => undefined)
}

async function makeLongNames(root: string): Promise<void> {
  await mkdir(join(root, LONG_DIRECTORY), { recursive: true })
  await writeFile(join(root, LONG_NAME), 'long name')
  await writeFile(join(root, LONG_DIRECTORY, LONG_NAME), 'long path')
  await symlink(`../${LONG_DIRECTORY}/${LONG_NAME}`, join(root, 'long-soft'))
  await link(join(root, LONG_DIRECTORY, LONG_NAME), join(root, `${LONG_NAME}-hard`))
  await writeFile(join(root, 'größe-鯨'), 'not ASCII')
  await writeFile(Buffer.concat([Buffer.from(`${root}/latin-`), Uint8Array.of(0xfc)]), 'not UTF-8')
}

async function makeSparseFile(path: string, extents: number): Promise<void> {
  const file = await open(path, 'w')
  for (let at = 0; at < extents; at++) await file.write(Buffer.alloc(4096, 's'), 0, 4096, at * 256 * 1024 + 128 * 1024)
  await file.truncate(extents * 256 * 1024 + 1000)
  await file.close()
}

async function digestOfFile(path: string): Promise<string> {
  const digester = new Digester()
  for await (const chunk of readFileRange(path)) digester.update(chunk)
  return digester.digest()
}

/** Reading and writing gives the file again, and reading by way of the parts counts every byte. */
async function assertRoundTrip(path: string): Promise<TarEntry[]> {
  const digester = new Digester()
  for await (const chunk of tarBytes(readTar(readFileRange(path)))) digester.update(chunk)
  assert.equal(digester.digest(), await digestOfFile(path))
  const entries: TarEntry[] = []
  for await (const item of readTar(readFileRange(path))) if (item.kind === 'entry') entries.push(item.entry)
  return entries
}

/** The fields that every reader reports, brought to one form. */
interface Listed {
  readonly path: string
  readonly linkPath: string
  readonly typeFlag: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly uname: string
  readonly gname: string
  readonly mtime: number
  readonly size: number
  readonly device: string
}

function normalised(listed: Listed): Listed {
  const { typeFlag, path, mtime } = listed
  const hasContent = ['\0', '0', '7', 'S'].includes(typeFlag)
  return {
    ...listed,
    path: typeFlag === '5' ? path.replace(/\/+$/, '') : path,
    typeFlag: typeFlag === '\0' ? '0' : typeFlag,
    mtime: Math.floor(mtime),
    size: hasContent ? listed.size : 0,
    device: typeFlag === '3' || typeFlag === '4' ? listed.device : '',
  }
}

function listedByUs(entry: TarEntry): Listed {
  const { path, linkPath, mode, uid, gid, uname, gname, mtime, realSizeBytes: size, devMajor, devMinor } = entry
  const typeFlag = entry.type === 'directory' ? '5' : entry.typeFlag
  const device = `${devMajor}:${devMinor}`
  return normalised({ path, linkPath, typeFlag, mode, uid, gid, uname, gname, mtime, size, device })
}

const PYTHON_LIST = `
import json, sys, tarfile
with tarfile.open(sys.argv[1], 'r:', encoding='utf-8', errors='surrogateescape') as archive:
    for m in archive:
        print(json.dumps(dict(path=m.name, linkPath=m.linkname, typeFlag=m.type.decode('latin-1'), mode=m.mode,
            uid=m.uid, gid=m.gid, uname=m.uname, gname=m.gname, mtime=m.mtime, size=m.size,
            device='%d:%d' % (m.devmajor, m.devminor))))
`

async function listedByPython(path: string): Promise<Listed[]> {
  const { stdout } = await runPeer('python3', ['-c', PYTHON_LIST, path])
  const lines = stdout.split('\n').filter((line) => line !== '')
  return lines.map((line) => normalised(JSON.parse(line) as Listed)) // printed by the script above
}

/** A line of `go-tar list`; names are base64, as they need not be UTF-8. */
interface GoEntry extends Omit<Listed, 'path' | 'linkPath'> {
  readonly pathBytes: string | null
  readonly linkPathBytes: string | null
}

async function listedByGo(path: string): Promise<Listed[]> {
  const lines = (await runGo(['list'], await readFile(path))).toString().split('\n')
  return lines
    .filter((line) => line !== '')
    .map((line) => {
      const { pathBytes, linkPathBytes, ...others } = JSON.parse(line) as GoEntry // printed by our own program
      const text = (base64: string | null): string => decodeName(Buffer.from(base64 ?? '', 'base64'))
      return normalised({ ...others, path: text(pathBytes), linkPath: text(linkPathBytes) })
    })
}

/** Names that are not UTF-8 as `TarEntry` describes them. */
function decodeName(bytes: Buffer): string {
  const text = bytes.toString()
  if (!text.includes('\ufffd')) return text
  return bytes.toString('latin1').replaceAll(/[\x80-\xff]/g, (byte) => String.fromCharCode(0xdc00 + byte.charCodeAt(0)))
}

async function runGo(args: readonly string[], input: Uint8Array): Promise<Buffer> {
  const child = spawn(scratch.join('go-tar'), args, { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(input)
  const exited = new Promise((resolve) => {
    child.once('close', resolve)
  })
  const output = await buffer(child.stdout)
  assert.equal(await exited, 0, `go-tar ${args.join(' ')}`)
  return output
}

/** Exact bytes, and the same entries as Python and Go see. */
async function assertAgrees(
  path: string,
  readers: readonly ('python' | 'go')[] = ['python', 'go'],
): Promise<TarEntry[]> {
  const entries = await assertRoundTrip(path)
  assert.ok(entries.length > 1)
  const ours = entries.map(listedByUs)
  if (withoutPython === false && readers.includes('python')) assert.deepEqual(ours, await listedByPython(path))
  if (withoutGo === false && readers.includes('go')) assert.deepEqual(ours, await listedByGo(path))
  return entries
}

describe('readTar() of GNU tar', { skip: skipWithout('tar') }, () => {
  async function written(tree: string, ...args: readonly string[]): Promise<string> {
    const path = join(scratch.path, `gnu${args.join('').replaceAll(/[^a-z0-9]/g, '')}.tar`)
    await runPeer('tar', ['--sort=name', ...args, '-C', tree, '-cf', path, '.'])
    return path
  }

  test('agrees on v7 and ustar', async () => {
    await assertAgrees(await written(shortTree, '--format=v7', '--exclude=pipe', '--exclude=null', '--exclude=disk'))
    await assertAgrees(await written(shortTree, '--format=ustar'))
  })

  for (const format of ['oldgnu', 'gnu', 'posix'] as const) {
    test(`agrees on ${format} with long names and large owners`, async () => {
      const owner = ['--numeric-owner', '--owner=x:3000000000', '--group=y:4000000000']
      const entries = await assertAgrees(await written(fullTree, `--format=${format}`, ...owner))
      assert.ok(entries.every((entry) => entry.uid === 3_000_000_000 && entry.gid === 4_000_000_000))
      assert.ok(entries.some((entry) => entry.path === `./${LONG_DIRECTORY}/${LONG_NAME}`))
      assert.ok(entries.some((entry) => entry.path === './latin-\udcfc'))
      await assertAgrees(await written(fullTree, `--format=${format}`, '--mtime=@-1000'))
    })

    test(`agrees on sparse files in ${format}`, async () => {
      const versions = format === 'posix' ? ['0.0', '0.1', '1.0'] : [undefined]
      for (const version of versions) {
        const option = version === undefined ? [] : [`--sparse-version=${version}`]
        const entries = await assertAgrees(await written(sparseTree, '-S', `--format=${format}`, ...option))
        const sparse = entries.filter((entry) => entry.isSparse)
        assert.deepEqual(
          sparse.map((entry) => entry.path),
          ['./few-extents', './many-extents'],
        )
        assert.ok(sparse.every((entry) => entry.sizeBytes < entry.realSizeBytes))
      }
    })
  }

  test('keeps volume labels, incremental directories and odd blocking', async () => {
    const label = await written(fullTree, '--format=gnu', '--label=volume')
    assert.equal((await assertRoundTrip(label))[0]?.typeFlag, 'V')
    const incremental = await written(fullTree, '--format=gnu', `--listed-incremental=${scratch.join('snapshot')}`)
    const directory = (await assertRoundTrip(incremental))[0]
    assert.deepEqual([directory?.typeFlag, directory?.path], ['D', './'])
    await assertAgrees(await written(shortTree, '--format=posix', '-b', '1'))
    await assertAgrees(await written(shortTree, '--format=posix', '-b', '77'))
    await assertAgrees(await written(shortTree, '--format=posix', '--pax-option=comment=all,uname:=other'))
  })
})

describe('readTar() of bsdtar', { skip: skipWithout('bsdtar') }, () => {
  for (const [format, isFull] of [
    ['v7', false],
    ['ustar', false],
    ['gnutar', true],
    ['pax', true],
  ] as const) {
    test(`agrees on ${format}`, async () => {
      const path = scratch.join(`bsd-${format}.tar`)
      const tree = isFull ? fullTree : shortTree
      await runPeer('bsdtar', ['--format', format, '-C', tree, '-cf', path, '.'], { env: { LC_ALL: 'C.UTF-8' } })
      await assertAgrees(path)
    })
  }

  test('agrees on sparse files in pax', async () => {
    const path = scratch.join('bsd-sparse.tar')
    await runPeer('bsdtar', ['--format', 'pax', '-C', sparseTree, '-cf', path, '.'])
    const entries = await assertAgrees(path)
    assert.equal(entries.filter((entry) => entry.isSparse).length, 2)
  })
})

const PYTHON_WRITE = `
import io, sys, tarfile
form = {'ustar': tarfile.USTAR_FORMAT, 'gnu': tarfile.GNU_FORMAT, 'pax': tarfile.PAX_FORMAT}[sys.argv[2]]
def add(name, data=b'', **fields):
    m = tarfile.TarInfo(name)
    m.size = len(data)
    for key, value in fields.items(): setattr(m, key, value)
    archive.addfile(m, io.BytesIO(data))
options = {'pax_headers': {'comment': 'for all'}} if sys.argv[2] == 'pax' else {}
with tarfile.open(sys.argv[1], 'w', format=form, errors='surrogateescape', **options) as archive:
    add('dir', type=tarfile.DIRTYPE, mode=0o755)
    add('dir/' + 'x' * 90, b'content', mtime=1700000000, uname='someone', gname='some', uid=1000)
    add('d' * 90 + '/' + 'n' * 90, b'c' * 513)
    add('hard', type=tarfile.LNKTYPE, linkname='dir/' + 'x' * 90)
    add('null', type=tarfile.CHRTYPE, devmajor=1, devminor=3)
    add('tight', type=tarfile.CONTTYPE)
    if sys.argv[2] != 'ustar':
        add('l' * 300, b'long')
        add('soft', type=tarfile.SYMTYPE, linkname='t' * 300)
        add('gr\\u00f6\\u00dfe/\\u9be8', b'x')
        add('latin-\\udcfc', b'x')
        add('owner', uid=3000000000, gid=2**40)
        add('old', mtime=-1000)
        if sys.argv[2] == 'pax': add('precise', mtime=1700000000.5)
`

describe('readTar() of Python', { skip: withoutPython }, () => {
  for (const format of ['ustar', 'gnu', 'pax'] as const) {
    test(`agrees on ${format}`, async () => {
      const path = scratch.join(`python-${format}.tar`)
      await runPeer('python3', ['-c', PYTHON_WRITE, path, format])
      await assertAgrees(path)
    })
  }
})

describe('readTar() of Go', { skip: withoutGo }, () => {
  for (const format of ['ustar', 'gnu', 'pax'] as const) {
    test(`agrees on ${format}`, async () => {
      const path = scratch.join(`go-${format}.tar`)
      await writeFile(path, await runGo(['write', format], new Uint8Array(0)))
      // Python joins the access time of GNU headers to the name.
      await assertAgrees(path, format === 'gnu' ? ['go'] : ['python', 'go'])
    })
  }
})

test('tarHeader() writes what Go writes for the same fields', { skip: withoutGo }, async () => {
  const long = 'n'.repeat(120)
  const fields: TarHeaderFields[] = [
    { path: 'oci-layout', sizeBytes: 31 },
    { path: 'blobs/', type: 'directory' },
    { path: 'layer', type: 'symlink', linkPath: '../other/layer.tar' },
    { path: 'a', mode: 0o4755, mtime: 1_700_000_000 },
    { path: 'n'.repeat(100) },
    { path: long },
    { path: `${long}/`, type: 'directory' },
    { path: `${'d'.repeat(80)}/${'n'.repeat(90)}` },
    { path: `${'d'.repeat(155)}/${'n'.repeat(100)}` },
    { path: `${'d'.repeat(156)}/n` },
    { path: `${'deep/'.repeat(60)}n` },
    { path: `${'d'.repeat(99)}/`, type: 'directory' },
    { path: `${'d'.repeat(100)}/`, type: 'directory' },
    { path: `${'d'.repeat(99)}/${long}` },
    { path: 'größe/鯨' },
    { path: 'größe', type: 'symlink', linkPath: 'wörter' },
    { path: 'l', type: 'symlink', linkPath: `${long}/${long}` },
    { path: `${'d'.repeat(80)}/${'n'.repeat(90)}`, sizeBytes: 2 ** 33 },
    { path: 'large', sizeBytes: 2 ** 33 - 1 },
    { path: 'large', sizeBytes: 2 ** 33 },
    { path: 'late', mtime: 2 ** 33 },
  ]
  for (const each of fields) {
    const [type, mode] = [each.type ?? 'file', { file: 0o644, directory: 0o755, symlink: 0o777 }[each.type ?? 'file']]
    const theirs = await runGo(['headers'], Buffer.from(JSON.stringify([{ mode, ...each, type }])))
    assert.equal(Buffer.compare(theirs, tarHeader(each)), 0, JSON.stringify(each))
  }
})

test('tarHeader() writes what GNU tar, bsdtar and Python read', { skip: skipWithout('tar', 'bsdtar') }, async () => {
  const path = scratch.join('ours.tar')
  const names = ['plain', LONG_NAME, `${LONG_DIRECTORY}/${LONG_NAME}`, 'größe-鯨']
  const parts = names.flatMap((name) => [
    tarHeader({ path: name, sizeBytes: name.length }),
    Buffer.alloc(name.length, 'c'),
    tarPadding(name.length),
  ])
  await writeFile(path, Buffer.concat([...parts, Buffer.alloc(1024)]))
  for (const peer of ['tar', 'bsdtar']) {
    const args = peer === 'tar' ? ['--quoting-style=literal', '-tf', path] : ['-tf', path]
    const { stdout } = await runPeer(peer, args, { env: { LC_ALL: 'C.UTF-8' } })
    assert.deepEqual(stdout.trimEnd().split('\n'), names)
  }
  assert.equal((await Array.fromAsync(readTar(bytesSource(await readFile(path))))).length, names.length + 1)
  await assertAgrees(path)
})
