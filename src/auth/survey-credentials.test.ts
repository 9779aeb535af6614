import assert from 'node:assert/strict'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { surveyCredentials } from './survey-credentials.ts'

test('surveyCredentials() tells which files there are, what for, and which helpers are missing', async () => {
  await using dir = await temporaryDirectory()
  await mkdir(dir.join('home', '.docker'), { recursive: true })
  await mkdir(dir.join('bin'))
  await writeFile(dir.join('bin', 'docker-credential-there'), '#!/bin/sh\n')
  await chmod(dir.join('bin', 'docker-credential-there'), 0o755)
  const document = {
    auths: { 'registry.example': { username: 'u', password: 'p' }, 'https://index.docker.io/v1/': {} },
    credHelpers: { 'one.example': 'there', 'two.example': 'gone' },
    credsStore: 'there',
  }
  await writeFile(dir.join('home', '.docker', 'config.json'), JSON.stringify(document))
  const sources = { homeDirectory: dir.join('home'), environment: { PATH: dir.join('bin') } }
  const surveys = await surveyCredentials(sources)
  assert.deepEqual(
    surveys.map(({ error, ...survey }) => ({ ...survey, code: error?.code })),
    [
      {
        path: dir.join('home', '.docker', 'config.json'),
        registries: ['registry.example', 'docker.io', 'one.example', 'two.example'],
        helpers: [
          { program: 'docker-credential-there', isInstalled: true },
          { program: 'docker-credential-gone', isInstalled: false },
        ],
        code: undefined,
      },
    ],
  )
  assert.doesNotMatch(JSON.stringify(surveys), /"p"/)
})

test('surveyCredentials() tells of files and entries that are broken, and of a named file that is missing', async () => {
  await using dir = await temporaryDirectory()
  await writeFile(dir.join('entry.json'), JSON.stringify({ auths: { 'r.example': { auth: '!!' } } }))
  await writeFile(dir.join('syntax.json'), '{')
  const codes = await Promise.all(
    ['entry.json', 'syntax.json', 'absent.json'].map(async (name) => {
      const [survey] = await surveyCredentials({ authFile: dir.join(name) })
      return survey?.error?.code
    }),
  )
  assert.deepEqual(codes, ['AUTH_FILE', 'AUTH_FILE', 'FILE_NOT_FOUND'])
  assert.deepEqual(await surveyCredentials({ homeDirectory: dir.path }), [])
})
