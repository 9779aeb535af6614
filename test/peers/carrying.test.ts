import assert from 'node:assert/strict'
import { appendFile, readFile } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { copyImage } from '../../src/image/index.ts'
import type { Digest } from '../../src/oci/index.ts'
import { openDestination, openSource } from '../../src/transport/index.ts'
import { fixture } from '../support/fixtures.ts'
import { runPeer, skipWithout } from '../support/peers.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const IMAGE = `oci-archive:${fixture('images/app-docker-v1.oci.tar')}`

async function copy(from: string, to: string, volumeBytes?: number): Promise<Digest> {
  await using source = await openSource(from)
  await using destination = await openDestination(to, { volumeBytes })
  return (await copyImage(source, destination)).digest
}

const shell = (directory: TemporaryDirectory, script: string): ReturnType<typeof runPeer> =>
  runPeer('sh', ['-ec', script], { cwd: directory.path, env: { NODE: process.execPath, MAIN } })

suite('coreutils', { skip: skipWithout('sh', 'cat', 'sha256sum', 'split', 'tar') }, () => {
  test('tar unpacks a docker archive from our standard output', async () => {
    await using directory = await temporaryDirectory()
    await shell(directory, `"$NODE" "$MAIN" copy ${IMAGE} docker-archive:-:app:v1 -q | tar -xf - manifest.json`)
    const [image] = JSON.parse(await readFile(directory.join('manifest.json'), 'utf8')) as { RepoTags: unknown }[]
    assert.deepEqual(image?.RepoTags, ['docker.io/library/app:v1'])
  })

  test('sha256sum checks our volumes, and names a damaged one', async () => {
    await using directory = await temporaryDirectory()
    await copy(IMAGE, `oci-archive:${directory.join('app "v1" \\ tar')}`, 500_000)
    const check = `sha256sum --check --strict 'app "v1" \\ tar.sha256'`
    const { stdout } = await shell(directory, check)
    assert.equal(stdout.match(/: OK$/gm)?.length, 6)
    await appendFile(directory.join('app "v1" \\ tar.003'), 'x')
    await assert.rejects(shell(directory, check), (error) => /003: FAILED/.test(String(Object(error).stdout)))
  })

  test('cat joins our volumes to the file that would have been written', async () => {
    await using directory = await temporaryDirectory()
    const digest = await copy(IMAGE, `oci-archive:${directory.join('app')}`, 333_333)
    await copy(IMAGE, `oci-archive:${directory.join('whole')}`)
    await shell(directory, 'cat app.[0-9]* > joined')
    assert.ok((await readFile(directory.join('joined'))).equals(await readFile(directory.join('whole'))))
    assert.equal(await copy(`oci-archive:${directory.join('joined')}`, `oci:${directory.join('out')}`), digest)
  })

  test('split and sha256sum write volumes that we read and check', async () => {
    await using directory = await temporaryDirectory()
    const digest = await copy(IMAGE, `oci-archive:${directory.join('app')}`)
    await shell(
      directory,
      'split -b 400k -d -a 3 --numeric-suffixes=1 app app.; rm app; sha256sum app.[0-9]* > app.sha256',
    )
    const archive = `oci-archive:${directory.join('app')}`
    assert.equal(await copy(archive, `oci:${directory.join('out')}`), digest)
    await shell(directory, 'printf x | dd of=app.002 bs=1 seek=1000 conv=notrunc status=none')
    await assert.rejects(copy(archive, `oci:${directory.join('out')}`), { code: 'VOLUME_DAMAGED' })
  })
})

suite('skopeo', { skip: skipWithout('sh', 'skopeo') }, () => {
  test('writes an archive that we read from standard input', async () => {
    await using directory = await temporaryDirectory()
    const image = fixture('images/app-zstd-v2.oci.tar')
    const { stdout } = await shell(
      directory,
      `skopeo copy -q oci-archive:${image} oci-archive:theirs:v1 && cat theirs | "$NODE" "$MAIN" inspect oci-archive:- --raw`,
    )
    await using source = await openSource(`oci-archive:${image}`)
    assert.equal(stdout, Buffer.from((await source.resolve()).bytes).toString())
  })
})
