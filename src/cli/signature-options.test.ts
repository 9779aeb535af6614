import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { Command } from 'commander'
import { fixture } from '../../test/support/fixtures.ts'
import { temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { bytesSource } from '../stream/index.ts'
import type { Host } from './host.ts'
import { prepareSigner } from './prepare-signer.ts'
import type { Run } from './run.ts'
import {
  addSignOptions,
  addVerifyOptions,
  type SignOptionValues,
  type VerifyOptionValues,
} from './signature-options.ts'
import { OutputPipe } from './output-pipe.ts'
import { StandardStreams } from './standard-streams.ts'
import { verificationPolicy } from './verification-policy.ts'

const PUBLIC_KEY = fixture('diffah/keys/ec.pub')
const BOX = Buffer.from(await readFile(fixture('diffah/keys/cosign.key.b64'), 'latin1'), 'base64')

interface TestRun extends Run {
  readonly warnings: readonly string[]
}

function testRun(env: Host['env'] = {}, stdin = ''): TestRun {
  const warnings: string[] = []
  const stream = { write: () => true }
  const host: Host = {
    stdin: Object.assign(bytesSource(Buffer.from(stdin)), { isTTY: false }),
    stdout: stream,
    stderr: stream,
    env,
    clock: { now: () => 0, schedule: () => () => {} },
    cpus: 1,
    platform: { os: 'linux', architecture: 'amd64' },
    memoryBytes: 2 ** 30,
    homeDirectory: '/nowhere',
    temporaryDirectory: '/nowhere',
    onSignal: () => () => {},
    onExit: () => () => {},
    exit: () => {},
  }
  const { signal } = new AbortController()
  return {
    host,
    standard: new StandardStreams(host, new OutputPipe(stream), signal),
    warnings,
    // The settings of a run are of no matter to signatures.
    settings: {
      quiet: false,
      verbose: false,
      json: false,
      progress: 'off',
      workdir: '/nowhere',
      storeDirectory: '/nowhere',
      engines: {
        dockerHost: undefined,
        dockerCertificateDirectory: undefined,
        containerdAddress: undefined,
        containerdNamespace: undefined,
      },
      jobs: undefined,
      memoryBytes: undefined,
      color: false,
    },
    signal,
    logger: { warn: (message) => void warnings.push(message), debug: () => {} },
    onProgress: () => {},
  }
}

function parse<Values>(add: (command: Command) => Command, ...args: readonly string[]): Values {
  const command = add(new Command('verb').exitOverride())
  command.parse([...args], { from: 'user' })
  return command.opts<Values & Record<string, unknown>>()
}

function policy(...args: readonly string[]) {
  return verificationPolicy(testRun(), parse<VerifyOptionValues>(addVerifyOptions, ...args))
}

function signOptions(...args: readonly string[]): SignOptionValues {
  return parse<SignOptionValues>((command) => addSignOptions(command), ...args)
}

describe('verificationPolicy()', () => {
  test('without options there is none', async () => {
    assert.equal(await policy(), undefined)
  })

  test('--verify takes a key and looks at no log', async () => {
    const found = await policy('--verify', PUBLIC_KEY)
    assert.equal(found?.kind, 'key')
    assert.equal(found.kind === 'key' && found.logThreshold, 0)
    assert.equal(found.trustedRoot, undefined)
  })

  test('an identity takes its issuer, both as they are or as patterns, and a trusted root', async () => {
    await using directory = await temporaryDirectory()
    const root = directory.join('root.json')
    await writeFile(root, minimalRoot())
    const base = ['--trusted-root', root, '--certificate-oidc-issuer', 'https://issuer.example']
    const exact = await policy('--certificate-identity', 'me@example.com', ...base)
    assert.equal(exact?.kind === 'identity' && exact.certificateIdentity, 'me@example.com')
    const pattern = await policy('--certificate-identity-regexp', '@example\\.com$', ...base)
    assert.ok(pattern?.kind === 'identity' && pattern.certificateIdentity instanceof RegExp)
  })

  test('--require-tlog and diffah’s --verify-rekor-url want a log entry', async () => {
    await using directory = await temporaryDirectory()
    const root = directory.join('root.json')
    await writeFile(root, minimalRoot())
    for (const flags of [['--require-tlog'], ['--verify-rekor-url', 'https://rekor.example']]) {
      const found = await policy('--verify', PUBLIC_KEY, '--trusted-root', root, ...flags)
      assert.equal(found?.kind === 'key' && found.logThreshold, 1)
      assert.equal(found?.trustedRoot?.origin, root)
    }
  })

  const identity = ['--certificate-identity', 'a', '--certificate-oidc-issuer', 'b']
  for (const [what, args, code] of [
    ['a key and an identity', ['--verify', PUBLIC_KEY, ...identity], 'INVALID_ARGUMENT'],
    ['an identity without its issuer', ['--certificate-identity', 'a'], 'INVALID_ARGUMENT'],
    ['an issuer alone', ['--certificate-oidc-issuer', 'b'], 'INVALID_ARGUMENT'],
    ['an identity twice', [...identity, '--certificate-identity-regexp', 'a'], 'INVALID_ARGUMENT'],
    ['an empty identity', ['--certificate-identity', '', '--certificate-oidc-issuer', 'b'], 'INVALID_ARGUMENT'],
    ['an empty pattern', ['--certificate-identity-regexp', '', '--certificate-oidc-issuer', 'b'], 'INVALID_ARGUMENT'],
    ['a broken pattern', ['--certificate-identity-regexp', '(', '--certificate-oidc-issuer', 'b'], 'INVALID_ARGUMENT'],
    ['--require-signature alone', ['--require-signature'], 'INVALID_ARGUMENT'],
    ['--signature alone', ['--signature', 'x'], 'INVALID_ARGUMENT'],
    ['--require-tlog alone', ['--require-tlog'], 'INVALID_ARGUMENT'],
    ['--verify-rekor-url alone', ['--verify-rekor-url', 'https://rekor.example'], 'INVALID_ARGUMENT'],
    ['a key in a service', ['--verify', 'cosign://key'], 'INVALID_ARGUMENT'],
    ['a key in hardware', ['--verify', 'pkcs11:token=a'], 'INVALID_ARGUMENT'],
    ['a file that is no key', ['--verify', fixture('README.md')], 'INVALID_KEY'],
    ['a file that is not there', ['--verify', '/nowhere/key.pub'], 'FILE_NOT_FOUND'],
    ['a trusted root that is none', [...identity, '--trusted-root', fixture('README.md')], 'TRUSTED_ROOT'],
  ] as const) {
    test(`${what} is ${code}, with a hint`, async () => {
      await assert.rejects(policy(...args), (error: Error & { code?: string; hint?: string }) => {
        assert.equal(error.code, code)
        assert.ok(code === 'FILE_NOT_FOUND' || error.hint !== undefined)
        return true
      })
    })
  }
})

describe('prepareSigner()', () => {
  test('without options there is none', async () => {
    assert.equal(await prepareSigner(testRun(), signOptions()), undefined)
  })

  for (const [where, env, stdin, flags] of [
    ['TARE_SIGN_PASSWORD', { TARE_SIGN_PASSWORD: 'tare', COSIGN_PASSWORD: 'other' }, '', []],
    ['COSIGN_PASSWORD', { COSIGN_PASSWORD: 'tare' }, '', []],
    ['standard input', { COSIGN_PASSWORD: 'other' }, 'tare\n', ['--sign-key-password-stdin']],
    ['standard input with a Windows line end', {}, 'tare\r\nmore', ['--sign-key-password-stdin']],
    ['standard input without a line end', {}, 'tare', ['--sign-key-password-stdin']],
  ] as const) {
    test(`takes the password of the key from ${where}`, async () => {
      await using directory = await temporaryDirectory()
      await writeFile(directory.join('cosign.key'), BOX)
      const values = signOptions('--sign-key', directory.join('cosign.key'), ...flags)
      await using prepared = await prepareSigner(testRun(env, stdin), values)
      assert.equal(prepared?.signer.kind, 'key')
      assert.equal(prepared.key?.publicKey.kind, 'ecdsa')
      assert.equal(prepared.options.rekorUrl, undefined)
    })
  }

  test('a wrong or missing password comes to light before any work', async () => {
    await using directory = await temporaryDirectory()
    const key = directory.join('cosign.key')
    await writeFile(key, BOX)
    const values = signOptions('--sign-key', key)
    await assert.rejects(prepareSigner(testRun(), values), { code: 'KEY_PASSWORD' })
    await assert.rejects(prepareSigner(testRun({ COSIGN_PASSWORD: 'x' }), values), { code: 'KEY_PASSWORD' })
  })

  test('--keyless goes to the public services unless told otherwise, and says what is published', async () => {
    const run = testRun({ SIGSTORE_ID_TOKEN: 'a.b.c' })
    await using prepared = await prepareSigner(run, signOptions('--keyless'))
    assert.equal(prepared?.signer.kind, 'keyless')
    assert.equal(prepared.options.rekorUrl?.href, 'https://rekor.sigstore.dev/')
    assert.equal(run.warnings.length, 1)
    const own = testRun({ SIGSTORE_ID_TOKEN: 'a.b.c' })
    const flags = ['--fulcio-url', 'https://ca.example', '--timestamp-url', 'https://tsa.example/stamp']
    await using elsewhere = await prepareSigner(own, signOptions('--keyless', ...flags))
    assert.equal(elsewhere?.options.rekorUrl, undefined)
    assert.equal(elsewhere?.options.timestampUrl?.href, 'https://tsa.example/stamp')
    assert.deepEqual(own.warnings, [])
  })

  test('--tlog means the public log, --rekor-url another', async () => {
    await using directory = await temporaryDirectory()
    const key = directory.join('key.pem')
    const { privateKey } = generateKeyPairSync('ed25519')
    await writeFile(key, privateKey.export({ type: 'pkcs8', format: 'pem' }))
    await using public_ = await prepareSigner(testRun(), signOptions('--sign-key', key, '--tlog'))
    assert.equal(public_?.options.rekorUrl?.host, 'rekor.sigstore.dev')
    await using own = await prepareSigner(
      testRun(),
      signOptions('--sign-key', key, '--rekor-url', 'https://log.example'),
    )
    assert.equal(own?.options.rekorUrl?.host, 'log.example')
  })

  test('a key without a token is asked for nowhere', async () => {
    await assert.rejects(prepareSigner(testRun(), signOptions('--keyless')), {
      code: 'IDENTITY_TOKEN',
      category: 'environment',
    })
  })

  for (const [what, args] of [
    ['a key and --keyless', ['--sign-key', 'k', '--keyless']],
    ['--tlog and --rekor-url', ['--sign-key', 'k', '--tlog', '--rekor-url', 'https://log.example']],
    ['a log and nothing to sign with', ['--rekor-url', 'https://log.example']],
    ['a password and no key', ['--sign-key-password-stdin']],
    ['a token and a key', ['--sign-key', 'k', '--identity-token', 't']],
    ['an authority and a key', ['--sign-key', 'k', '--fulcio-url', 'https://ca.example']],
    ['a URL that is none', ['--sign-key', 'k', '--rekor-url', 'log.example']],
    ['a URL of another kind', ['--sign-key', 'k', '--timestamp-url', 'ftp://tsa.example']],
    ['a token over plain http', ['--keyless', '--identity-token', 't', '--fulcio-url', 'http://ca.example']],
    ['a key in a service', ['--sign-key', 'awskms:///alias/key']],
    ['cosign’s key references', ['--sign-key', 'cosign://key']],
    ['two things from standard input', ['--keyless', '--identity-token', '-', '--sign-key-password-stdin']],
  ] as const) {
    test(`${what} is INVALID_ARGUMENT, with a hint`, async () => {
      await assert.rejects(
        prepareSigner(testRun(), signOptions(...args)),
        (error: Error & { code?: string; hint?: string }) => {
          assert.equal(error.code, 'INVALID_ARGUMENT')
          assert.ok(error.hint !== undefined)
          return true
        },
      )
    })
  }
})

/** A trusted root with one log, which is all that it takes to be one. */
function minimalRoot(): string {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const rawBytes = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  const log = {
    baseUrl: 'https://log.example',
    hashAlgorithm: 'SHA2_256',
    publicKey: { rawBytes, keyDetails: 'PKIX_ECDSA_P256_SHA_256' },
    logId: { keyId: 'AAAA' },
  }
  return JSON.stringify({ mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1', tlogs: [log] })
}
