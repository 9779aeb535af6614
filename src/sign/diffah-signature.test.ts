import assert from 'node:assert/strict'
import { createHash, createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { fixture } from '../../test/support/fixtures.ts'
import { temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { diffahPayload, signDiffahArchive, verifyDiffahArchive } from './diffah-signature.ts'
import type { KeyPolicy } from './policy.ts'
import { readPrivateKey } from './private-key.ts'
import { readPublicKey } from './public-key.ts'
import { signingKey } from './verification-key.ts'

async function policyFor(name: string): Promise<KeyPolicy> {
  return { kind: 'key', key: readPublicKey(await readFile(fixture(`diffah/keys/${name}.pub`)), name) }
}

const EC = await policyFor('ec')
const COSIGN = await policyFor('cosign')
const SOUND = await readFile(fixture('diffah/signed.tar.sig'), 'utf8')
const DOCUMENT = await readFile(fixture('diffah/signed.diffah.json'))

function canonical(text: string): string {
  return diffahPayload(Buffer.from(text)).toString()
}

describe('diffahPayload()', () => {
  test('is RFC 8785: keys by UTF-16 units, numbers as ECMAScript prints them, no blanks', () => {
    assert.equal(
      canonical('{ "b": [1.0, 1e2, -0, 1E-7, 0.1e1],\n "a": "\\u00e9\\/\\u000a" }'),
      '{"a":"é/\\n","b":[1,100,0,1e-7,1]}',
    )
    assert.equal(canonical('{"\\ud83d\\ude00":1,"\\ufb33":2}'), '{"\u{1f600}":1,"\ufb33":2}')
    assert.equal(canonical('[9007199254740993, 333333333.33333329]'), '[9007199254740992,333333333.3333333]')
    assert.equal(canonical('{"__proto__":{"toJSON":"x"},"toJSON":1}'), '{"__proto__":{"toJSON":"x"},"toJSON":1}')
  })

  for (const [what, text] of [
    ['a key twice', '{"a":1,"a":1}'],
    ['a number beyond all', '[1e400]'],
    ['half a character', '["\\ud800"]'],
    ['text behind it', '{} x'],
    ['nothing', ''],
    ['bytes that are no UTF-8', Buffer.from([0x22, 0xff, 0x22])],
  ] as const) {
    test(`${what} has no canonical form`, () => {
      assert.throws(() => diffahPayload(Buffer.from(text)), { code: 'INVALID_DOCUMENT' })
    })
  }
})

describe('verifyDiffahArchive()', () => {
  for (const name of ['signed', 'bundle']) {
    test(`accepts what diffah signed (${name}.tar) for its key alone`, async () => {
      const path = fixture(`diffah/${name}.tar.sig`).replace(/\.sig$/, '')
      const document = await readFile(fixture(`diffah/${name}.diffah.json`))
      const verified = await verifyDiffahArchive(path, document, EC)
      assert.equal(verified.digest, `sha256:${createHash('sha256').update(diffahPayload(document)).digest('hex')}`)
      assert.deepEqual(verified.signer, { kind: 'key', keyId: EC.key.id })
      await assert.rejects(verifyDiffahArchive(path, document, COSIGN), {
        code: 'SIGNATURE_INVALID',
        category: 'trust',
      })
    })
  }

  test('a document that changed is refused, one that was laid out anew is not', async () => {
    const path = fixture('diffah/signed.tar.sig').replace(/\.sig$/, '')
    const laidOut = Buffer.from(JSON.stringify(JSON.parse(DOCUMENT.toString())))
    await verifyDiffahArchive(path, laidOut, EC)
    const changed = Buffer.from(DOCUMENT.toString().replace('linux/amd64', 'linux/arm64'))
    assert.notDeepEqual(changed, DOCUMENT)
    await assert.rejects(verifyDiffahArchive(path, changed, EC), { code: 'SIGNATURE_INVALID' })
    const twice = Buffer.from(DOCUMENT.toString().replace('{', '{"platform":"linux/arm64",'))
    await assert.rejects(verifyDiffahArchive(path, twice, EC), { code: 'SIGNATURE_INVALID' })
  })

  test('no signature is SIGNATURE_MISSING', async () => {
    await using directory = await temporaryDirectory()
    const refused = { code: 'SIGNATURE_MISSING', category: 'trust' }
    await assert.rejects(verifyDiffahArchive(directory.join('a.tar'), DOCUMENT, EC), refused)
  })

  test('a signature elsewhere is found where it is named', async () => {
    await using directory = await temporaryDirectory()
    const signatureFile = directory.join('elsewhere.sig')
    await copyFile(fixture('diffah/signed.tar.sig'), signatureFile)
    await verifyDiffahArchive(directory.join('a.tar'), DOCUMENT, EC, { signatureFile })
  })

  for (const [what, text] of [
    ['nothing', ''],
    ['a line end', '\n'],
    ['no base64', '!!!!'],
    ['base64 of noise', 'AAAA'],
    ['base64 with blanks in it', SOUND.replace(/^(.{10})/, '$1 ')],
    ['two signatures', SOUND.trim() + SOUND],
    ['too much', 'A'.repeat(20_000)],
  ] as const) {
    test(`a signature file with ${what} is SIGNATURE_INVALID`, async () => {
      await using directory = await temporaryDirectory()
      await writeFile(directory.join('a.tar.sig'), text)
      const refused = { code: 'SIGNATURE_INVALID', category: 'trust' }
      await assert.rejects(verifyDiffahArchive(directory.join('a.tar'), DOCUMENT, EC), refused)
    })
  }

  test('blanks at the end of a signature are diffah’s own tolerance', async () => {
    await using directory = await temporaryDirectory()
    await writeFile(directory.join('a.tar.sig'), `${SOUND} \n\n`)
    await verifyDiffahArchive(directory.join('a.tar'), DOCUMENT, EC)
  })

  for (const [extension, text, code] of [
    ['cert', 'noise', 'CERTIFICATE_INVALID'],
    ['rekor.json', 'noise', 'LOG_PROOF_INVALID'],
    ['rekor.json', '{"SignedEntryTimestamp":"AAAA"}', 'LOG_PROOF_INVALID'],
  ] as const) {
    test(`a broken .${extension} is ${code}`, async () => {
      await using directory = await temporaryDirectory()
      await writeFile(directory.join('a.tar.sig'), SOUND)
      await writeFile(directory.join(`a.tar.${extension}`), text)
      await assert.rejects(verifyDiffahArchive(directory.join('a.tar'), DOCUMENT, EC), { code, category: 'trust' })
    })
  }
})

describe('signDiffahArchive()', () => {
  test('writes what diffah writes: base64 of DER and a line end, SHA-256 whatever the curve', async () => {
    await using directory = await temporaryDirectory()
    for (const namedCurve of ['P-256', 'P-384'] as const) {
      const pair = generateKeyPairSync('ec', { namedCurve })
      const path = await signDiffahArchive(directory.join('a.tar'), DOCUMENT, signingKey(pair.privateKey, 'the key'))
      assert.equal(path, directory.join('a.tar.sig'))
      const text = await readFile(path, 'utf8')
      assert.match(text, /^[A-Za-z0-9+/]+={0,2}\n$/)
      assert.ok(
        verify('sha256', diffahPayload(DOCUMENT), createPublicKey(pair.privateKey), Buffer.from(text, 'base64')),
      )
    }
  })

  test('replaces the older signature with all that came with it', async () => {
    await using directory = await temporaryDirectory()
    await writeFile(directory.join('a.tar.cert'), 'of the older signature')
    await writeFile(directory.join('a.tar.rekor.json'), 'of the older signature')
    const pem = Buffer.from(await readFile(fixture('diffah/keys/ec.key.b64'), 'latin1'), 'base64')
    await signDiffahArchive(directory.join('a.tar'), DOCUMENT, await readPrivateKey(pem, 'ec.key'))
    await verifyDiffahArchive(directory.join('a.tar'), DOCUMENT, EC)
  })

  test('refuses keys that diffah cannot use', async () => {
    const key = signingKey(generateKeyPairSync('ed25519').privateKey, 'the key')
    await assert.rejects(signDiffahArchive('/nowhere/a.tar', DOCUMENT, key), { code: 'INVALID_KEY', category: 'usage' })
  })
})
