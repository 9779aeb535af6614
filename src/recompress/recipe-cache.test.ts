import assert from 'node:assert/strict'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { formatRecipe, type Recipe } from './recipe.ts'
import { RecipeCache } from './recipe-cache.ts'

const DIGEST = `sha256:${'0a'.repeat(32)}` as const
const RECIPE: Recipe = { blobBytes: 5, members: [], trailing: new Uint8Array(0) }

test('RecipeCache gives back what it was given, and nothing for what it was not', async () => {
  await using dir = await temporaryDirectory()
  const cache = new RecipeCache(dir.path)
  assert.equal(await cache.get(DIGEST), undefined)
  await cache.put(DIGEST, RECIPE)
  const kept = await cache.get(DIGEST)
  assert.deepEqual(kept === undefined ? undefined : formatRecipe(kept), formatRecipe(RECIPE))
  await cache.remove(DIGEST)
  assert.equal(await cache.get(DIGEST), undefined)
})

test('RecipeCache forgets a recipe that was damaged', async () => {
  await using dir = await temporaryDirectory()
  const cache = new RecipeCache(dir.path)
  await cache.put(DIGEST, RECIPE)
  await writeFile(join(dir.path, 'sha256', DIGEST.slice(7)), 'nonsense')
  assert.equal(await cache.get(DIGEST), undefined)
  assert.deepEqual(await readdir(join(dir.path, 'sha256')), [])
})
