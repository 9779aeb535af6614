import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { skipWithout } from '../support/peers.ts'
import { type RegistryUnderTest, registrySuite } from '../support/registry-suite.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

registrySuite("Debian's docker-registry 2.8.2", startDebianRegistry, {
  skip: skipWithout('docker-registry'),
  differences: {
    'a single POST with a digest stores a blob': 'answers 202 and wants a PUT, as the specification allows',
    'a single POST with a wrong digest stores nothing': 'answers 202 and wants a PUT',
    'a chunk out of order is 416, and the session goes on from where GET says': 'ignores Content-Range of PATCH',
    'the last chunk out of order is 416, and the session stays': 'ignores Content-Range of PUT',
    'a chunk whose length is not that of its range is refused': 'ignores Content-Range',
    'an upload that breaks off keeps its bytes and is resumed':
      'its locations carry the offset, so one from before the break is refused',
    'blobs and manifests are addressed with sha512 as well': 'files content under sha256 whatever was asked for',
    'an unknown digest algorithm is 400': 'does not know the digest-algorithm parameter',
    'mounting without a source finds the blob anywhere': 'wants a source, as the specification allows',
    'a range past the end of a blob is 416': 'announces more bytes with its 416 than it sends',
    'layers that live elsewhere need not be pushed': 'allows no foreign URLs unless configured, and answers 500',
    'an oversized manifest is 413': 'answers 400',
    'an oversized manifest of unknown length is 413 as well': 'answers 400',
    'tags can be given along with a digest': 'does not know tag parameters',
    'deleting a tag leaves the manifest and other tags': 'deletes by digest only',
    'referrers are listed with artifact type and annotations, filtered on request, and leave with their manifest':
      'is older than the referrers API',
    'a subject that does not exist is fine, and answered with OCI-Subject': 'is older than the referrers API',
    'referrers of what nobody refers to are an empty index, never 404; a malformed digest is 400':
      'is older than the referrers API',
    'tags are sorted by code unit': 'lists tags in no order',
    'tag pages are linked, the last one is not': 'does not page tags',
    'tags after a tag are listed without a count too, and a count of zero gives none': 'does not page tags',
    'a repository name out of its grammar is 400 NAME_INVALID': 'answers 404 without an error body',
  },
})

async function startDebianRegistry(): Promise<RegistryUnderTest> {
  const directory = await temporaryDirectory()
  const port = await freePort()
  const configuration = directory.join('registry.yml')
  await writeFile(
    configuration,
    [
      'version: 0.1',
      'log: { level: info, accesslog: { disabled: true } }',
      `storage: { filesystem: { rootdirectory: ${JSON.stringify(directory.join('content'))} }, delete: { enabled: true } }`,
      `http: { addr: "127.0.0.1:${port}" }`,
      '',
    ].join('\n'),
  )
  const registry = spawn('docker-registry', ['serve', configuration], { stdio: ['ignore', 'ignore', 'pipe'] })
  const exited = once(registry, 'exit')
  const log: string[] = []
  const lines = createInterface(registry.stderr)
  const listening = new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      log.push(line)
      if (line.includes('listening on')) resolve()
    })
    lines.on('close', () => reject(new Error(`docker-registry ended:\n${log.join('\n')}`)))
  })
  await listening
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      registry.kill()
      await exited
      await directory[Symbol.asyncDispose]()
    },
  }
}

/** A port that was free a moment ago: the registry cannot tell which one it chose itself. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no TCP address')
  return address.port
}
