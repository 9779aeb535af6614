import assert from 'node:assert/strict'
import { readdir, rm, stat, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { contentText, digestsIn, putContent, temporaryStore } from '../../test/support/store-content.ts'
import { hasErrorCode } from '../errors/index.ts'
import type { Digest } from '../oci/index.ts'
import { digestOf, readAllBytes } from '../stream/index.ts'
import { Store } from './store.ts'

const hello = Buffer.from('hello, content')

describe('ContentStore', () => {
  test('gives back what was written, whole and in ranges', async () => {
    await using fixture = await temporaryStore()
    const { content } = fixture.store.namespace()
    const { digest } = await putContent(content, hello, { labels: { k: 'v' } })
    assert.equal(await contentText(content, digest), 'hello, content')
    await using reader = await content.openReader({ digest })
    assert.equal(reader.sizeBytes, hello.length)
    const range = async (offset: number, length?: number): Promise<string> =>
      Buffer.from(await readAllBytes(reader.read({ offset, length }), 100, 'range')).toString()
    assert.deepEqual(
      [await range(7), await range(7, 3), await range(12, 100), await range(100, 5)],
      ['content', 'con', 'nt', ''],
    )
    const info = await content.info(digest)
    assert.deepEqual([info.sizeBytes, info.labels], [hello.length, { k: 'v' }])
    assert.equal((await stat(`${fixture.store.directory}/blobs/sha256/${digest.slice(7)}`)).mode & 0o777, 0o444)
    assert.deepEqual(await readdir(`${fixture.store.directory}/ingests`), [])
  })

  test('takes empty blobs and sha512 digests', async () => {
    await using fixture = await temporaryStore()
    const { content } = fixture.store.namespace()
    const { digest } = await putContent(content, '')
    assert.equal(await contentText(content, digest), '')
    const long = digestOf(hello, 'sha512')
    await using writer = await content.openWriter('long', { expected: { digest: long } })
    await writer.write(hello)
    assert.equal((await writer.commit()).digest, long)
    assert.equal(await contentText(content, long), hello.toString())
  })

  test('tells a blob that is absent from a digest that is none', async () => {
    await using fixture = await temporaryStore()
    const { content } = fixture.store.namespace()
    const absent = digestOf(hello)
    for (const call of [
      content.openReader({ digest: absent }),
      content.info(absent),
      content.delete(absent),
      content.updateLabels(absent, {}),
    ]) {
      await assert.rejects(call, (error) => hasErrorCode(error, 'BLOB_NOT_FOUND'))
    }
    const malformed = 'sha256:../../etc/passwd' as Digest
    for (const call of [
      content.openReader({ digest: malformed }),
      content.info(malformed),
      content.delete(malformed),
    ]) {
      await assert.rejects(call, (error) => hasErrorCode(error, 'INVALID_DIGEST'))
    }
  })

  test('updateLabels() replaces all labels, or changes single keys', async () => {
    let now = 1_000
    await using fixture = await temporaryStore({ now: () => now })
    const { content } = fixture.store.namespace()
    const { digest } = await putContent(content, hello, { labels: { a: '1', b: '2' } })
    now = 2_000
    const changed = await content.updateLabels(digest, { a: '', 'c.d': '3', b: 'unnamed' }, ['labels.a', 'labels.c.d'])
    assert.deepEqual(changed.labels, { b: '2', 'c.d': '3' })
    assert.deepEqual([changed.createdAt.getTime(), changed.updatedAt.getTime()], [1_000, 2_000])
    assert.deepEqual((await content.updateLabels(digest, { z: '1' })).labels, { z: '1' })
    assert.deepEqual((await content.updateLabels(digest, {}, ['labels'])).labels, {})
    for (const path of ['size', 'labels.', 'digest']) {
      await assert.rejects(content.updateLabels(digest, {}, [path]), (error) => hasErrorCode(error, 'INVALID_ARGUMENT'))
    }
    await assert.rejects(content.updateLabels(digest, { k: 'v'.repeat(4097) }), (error) =>
      hasErrorCode(error, 'INVALID_ARGUMENT'),
    )
  })

  test('list() filters by digest and labels, in the order of the digests, over many pages', async () => {
    await using fixture = await temporaryStore()
    const { content } = fixture.store.namespace()
    const digests: Digest[] = []
    for (const [at, text] of ['one', 'two', 'three'].entries()) {
      const labels = { n: String(at), 'containerd.io/uncompressed': digestOf(Buffer.from(`plain ${text}`)) }
      digests.push((await putContent(content, text, { labels })).digest)
    }
    const picked = async (...filters: string[]): Promise<readonly Digest[]> => {
      const found: Digest[] = []
      for await (const { digest } of content.list(filters)) found.push(digest)
      return found
    }
    assert.deepEqual(await picked(), digests.toSorted())
    assert.deepEqual(await picked(`digest==${digests[1]}`), [digests[1]])
    const picks = new Set(await picked('labels.n==0', 'labels.n==2'))
    assert.deepEqual(picks, new Set([digests[0], digests[2]]))
    const plain = digestOf(Buffer.from('plain two'))
    assert.deepEqual(await picked(`labels."containerd.io/uncompressed"==${plain}`), [digests[1]])
    assert.deepEqual(await picked('size==3'), [])
    await assert.rejects(picked('digest='), (error) => hasErrorCode(error, 'INVALID_ARGUMENT'))
  })

  test('delete() takes a blob from the namespace; its file goes with a collection', async () => {
    await using fixture = await temporaryStore()
    const { content } = fixture.store.namespace()
    const { digest } = await putContent(content, hello)
    await content.delete(digest)
    await assert.rejects(content.info(digest), (error) => hasErrorCode(error, 'BLOB_NOT_FOUND'))
    assert.equal((await readdir(`${fixture.store.directory}/blobs/sha256`)).length, 1)
    assert.equal((await fixture.store.collect()).freedBytes, hello.length)
    assert.deepEqual(await readdir(`${fixture.store.directory}/blobs/sha256`), [])
  })

  test('a blob whose file is gone is damage, not absence', async () => {
    await using fixture = await temporaryStore()
    const { content } = fixture.store.namespace()
    const { digest } = await putContent(content, hello)
    await rm(`${fixture.store.directory}/blobs/sha256/${digest.slice(7)}`)
    await assert.rejects(content.openReader({ digest }), (error) => hasErrorCode(error, 'STORE_DAMAGED'))
  })
})

describe('ContentWriter', () => {
  test('is taken up where it was left, also by another process', async () => {
    await using fixture = await temporaryStore()
    const { content } = fixture.store.namespace()
    const expected = { digest: digestOf(hello), size: hello.length }
    {
      await using writer = await content.openWriter('ref', { expected })
      await writer.write(hello.subarray(0, 5))
      assert.equal(writer.status().offsetBytes, 5)
    }
    assert.deepEqual(await digestsIn(content), [])
    const [left] = await content.listStatuses()
    assert.deepEqual(
      [left?.ref, left?.offsetBytes, left?.totalBytes, left?.expected],
      ['ref', 5, hello.length, expected.digest],
    )
    await using other = await Store.open(fixture.store.directory)
    await using writer = await other.namespace().content.openWriter('ref', { expected })
    assert.equal(writer.status().offsetBytes, 5)
    await writer.write(hello.subarray(5))
    await writer.commit({ sizeBytes: hello.length, digest: expected.digest })
    assert.equal(await contentText(content, expected.digest), hello.toString())
    assert.deepEqual(await content.listStatuses(), [])
  })

  test('begins anew where the total differs', async () => {
    await using fixture = await temporaryStore()
    const { content } = fixture.store.namespace()
    {
      await using writer = await content.openWriter('ref', { expected: { size: 100 } })
      await writer.write(hello)
    }
    {
      // An unknown total takes up what there is.
      await using writer = await content.openWriter('ref')
      assert.equal(writer.status().offsetBytes, hello.length)
    }
    await using writer = await content.openWriter('ref', { expected: { size: 5 } })
    assert.equal(writer.status().offsetBytes, 0)
    await writer.write(Buffer.from('short'))
    assert.equal((await writer.commit({ sizeBytes: 5 })).sizeBytes, 5)
  })

  test('one at a time has a ref, and others have refs of their own', async () => {
    await using fixture = await temporaryStore()
    await using other = await Store.open(fixture.store.directory)
    await using writer = await fixture.store.namespace().content.openWriter('ref')
    await writer.write(hello)
    for (const store of [fixture.store, other]) {
      const { content } = store.namespace()
      await assert.rejects(content.openWriter('ref'), (error) => hasErrorCode(error, 'UNAVAILABLE'))
      await assert.rejects(content.abort('ref'), (error) => hasErrorCode(error, 'UNAVAILABLE'))
      await using elsewhere = await store.namespace('elsewhere').content.openWriter('ref')
      assert.equal(elsewhere.status().offsetBytes, 0)
    }
    await writer.close()
    await writer.close()
    await using free = await other.namespace().content.openWriter('ref')
    assert.equal(free.status().offsetBytes, hello.length)
  })

  test('commit() refuses other sizes and digests, and keeps what there is', async () => {
    await using fixture = await temporaryStore()
    const { content } = fixture.store.namespace()
    const attempt = async (
      options: { sizeBytes?: number; digest?: Digest },
      code: 'SIZE_MISMATCH' | 'DIGEST_MISMATCH',
    ) => {
      const writer = await content.openWriter('ref')
      if (writer.status().offsetBytes === 0) await writer.write(hello)
      await assert.rejects(writer.commit(options), (error) => hasErrorCode(error, code))
      // The commit closed it.
      await assert.rejects(writer.write(hello), (error) => hasErrorCode(error, 'FAILED_PRECONDITION'))
      await assert.rejects(writer.commit(), (error) => hasErrorCode(error, 'FAILED_PRECONDITION'))
    }
    await attempt({ sizeBytes: 3 }, 'SIZE_MISMATCH')
    await attempt({ digest: digestOf(Buffer.from('other')) }, 'DIGEST_MISMATCH')
    assert.equal((await content.status('ref')).offsetBytes, hello.length)
    assert.deepEqual(await digestsIn(content), [])
    await content.abort('ref')
    for (const gone of [content.status('ref'), content.abort('ref')]) {
      await assert.rejects(gone, (error) => hasErrorCode(error, 'NOT_FOUND'))
    }
    assert.deepEqual(await readdir(`${fixture.store.directory}/ingests`), [])
  })

  test('tells that the blob is there, when opened and when committed', async () => {
    await using fixture = await temporaryStore()
    const { content } = fixture.store.namespace()
    await using late = await content.openWriter('late')
    await late.write(hello)
    const { digest } = await putContent(content, hello)
    await assert.rejects(content.openWriter('again', { expected: { digest } }), (error) =>
      hasErrorCode(error, 'ALREADY_EXISTS'),
    )
    await assert.rejects(late.commit(), (error) => hasErrorCode(error, 'ALREADY_EXISTS'))
    assert.deepEqual(await content.listStatuses(), [])
    assert.deepEqual(await readdir(`${fixture.store.directory}/ingests`), [])
    assert.equal(await contentText(content, digest), hello.toString())
  })

  test('truncate() forgets all, and takes no other size', async () => {
    await using fixture = await temporaryStore()
    const { content } = fixture.store.namespace()
    await using writer = await content.openWriter('ref')
    await writer.write(Buffer.from('rubbish'))
    await assert.rejects(writer.truncate(3), (error) => hasErrorCode(error, 'INVALID_ARGUMENT'))
    await writer.truncate(0)
    await writer.write(hello)
    assert.equal(writer.digest(), digestOf(hello))
    await writer.commit()
    assert.equal(await contentText(content, digestOf(hello)), hello.toString())
  })

  test('needs a ref', async () => {
    await using fixture = await temporaryStore()
    const { content } = fixture.store.namespace()
    for (const ref of ['', 'r'.repeat(5000)]) {
      await assert.rejects(content.openWriter(ref), (error) => hasErrorCode(error, 'INVALID_ARGUMENT'))
    }
  })

  test('claims what another namespace has, unless they are isolated', async () => {
    await using fixture = await temporaryStore()
    const expected = await putContent(fixture.store.namespace('one').content, hello)
    const two = fixture.store.namespace('two').content
    const wrongSize = await two.openWriter('w', { expected: { ...expected, size: 3 } })
    assert.equal(wrongSize.status().offsetBytes, 0)
    await wrongSize.close()
    await two.abort('w')
    await using claim = await two.openWriter('c', { expected })
    assert.deepEqual([claim.status().offsetBytes, claim.status().expected], [hello.length, expected.digest])
    await assert.rejects(claim.write(hello), (error) => hasErrorCode(error, 'FAILED_PRECONDITION'))
    await claim.commit({ sizeBytes: hello.length, labels: { mine: '1' } })
    assert.deepEqual((await two.info(expected.digest)).labels, { mine: '1' })
    assert.deepEqual((await fixture.store.namespace('one').content.info(expected.digest)).labels, {})

    await using isolated = await Store.open(fixture.store.directory, { sharing: 'isolated' })
    const three = isolated.namespace('three').content
    await using writer = await three.openWriter('w', { expected })
    assert.equal(writer.status().offsetBytes, 0)
    await writer.write(hello)
    await writer.commit()
    // One namespace after the other lets go; the file goes with the last.
    await fixture.store.namespace('one').content.delete(expected.digest)
    await two.delete(expected.digest)
    assert.equal(await contentText(three, expected.digest), hello.toString())
  })

  test('listStatuses() filters by ref', async () => {
    await using fixture = await temporaryStore()
    const { content } = fixture.store.namespace()
    for (const ref of ['layer-b', 'layer-a', 'config-c']) await (await content.openWriter(ref)).close()
    const refs = async (...filters: string[]): Promise<string> =>
      (await content.listStatuses(filters)).map(({ ref }) => ref).join()
    assert.equal(await refs(), 'config-c,layer-a,layer-b')
    assert.equal(await refs('ref~=^layer'), 'layer-a,layer-b')
    // A bare word asks for a field of that name.
    assert.equal(await refs('layer'), '')
  })
})

describe('Store.open()', () => {
  test('refuses a store of a newer Tare, a database of something else, and a directory without one', async () => {
    await using fixture = await temporaryStore()
    const path = fixture.directory.join('other')
    await assert.rejects(Store.open(path, { create: false }), (error) => hasErrorCode(error, 'FILE_NOT_FOUND'))
    await (await Store.open(path)).namespace().images.list()
    const { DatabaseSync } = await import('node:sqlite')
    const set = (pragma: string): void => {
      using database = new DatabaseSync(`${path}/tare.db`)
      database.exec(`PRAGMA ${pragma}`)
    }
    set('user_version = 99')
    await assert.rejects(Store.open(path), (error) => hasErrorCode(error, 'UNSUPPORTED_FORMAT'))
    set('user_version = 2; PRAGMA application_id = 7')
    await assert.rejects(Store.open(path), (error) => hasErrorCode(error, 'STORE_DAMAGED'))
    await rm(`${path}/tare.db-wal`, { force: true })
    await writeFile(`${path}/tare.db`, 'this is no database at all, but long enough to look like one'.repeat(20))
    await assert.rejects(Store.open(path), (error) => hasErrorCode(error, 'STORE_DAMAGED'))
  })

  test('makes one store of many first openings', async () => {
    await using fixture = await temporaryStore()
    const path = fixture.directory.join('fresh')
    const stores = await Promise.all(Array.from({ length: 8 }, () => Store.open(path)))
    const texts = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
    await Promise.all(stores.map((store, at) => putContent(store.namespace().content, texts[at] ?? '')))
    const [first] = stores
    assert.ok(first)
    assert.equal((await digestsIn(first.namespace().content)).length, 8)
    for (const store of stores) await store[Symbol.asyncDispose]()
  })
})

describe('Store.check()', () => {
  test('finds files that are gone, cut, or changed', async () => {
    await using fixture = await temporaryStore()
    const { content } = fixture.store.namespace()
    const [gone, cut, changed] = await Promise.all(['gone', 'cut', 'changed'].map((text) => putContent(content, text)))
    assert.ok(gone && cut && changed)
    const path = (digest: Digest): string => `${fixture.store.directory}/blobs/sha256/${digest.slice(7)}`
    assert.deepEqual((await fixture.store.check({ readBlobs: true })).problems, [])
    await rm(path(gone.digest))
    await rm(path(cut.digest))
    await writeFile(path(cut.digest), 'c')
    await rm(path(changed.digest))
    await writeFile(path(changed.digest), 'CHANGED')
    const shallow = await fixture.store.check()
    assert.deepEqual(new Set(shallow.problems.map(({ kind }) => kind)), new Set(['missing-file', 'wrong-size']))
    const deep = await fixture.store.check({ readBlobs: true })
    assert.equal(deep.problems.find(({ digest }) => digest === changed.digest)?.kind, 'wrong-digest')
    assert.equal(deep.blobCount, 3)
  })
})
