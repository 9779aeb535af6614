import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { hasErrorCode } from '../errors/index.ts'
import { type Digest, digestAlgorithm, digestHex } from '../oci/index.ts'
import { bytesSource, readAllBytes, readFileRange, writeFileAtomically } from '../stream/index.ts'
import { formatRecipe, MAX_RECIPE_BYTES, parseRecipe, type Recipe } from './recipe.ts'

/** Recipes by the digest of their blob, in a directory: finding one takes longer than all the rest. */
export class RecipeCache {
  readonly #directory: string

  /** @param directory - made when the first recipe is put */
  constructor(directory: string) {
    this.#directory = directory
  }

  /** A recipe kept before. A damaged one is removed; whether one makes its blob is for the caller to prove. */
  async get(digest: Digest): Promise<Recipe | undefined> {
    const path = this.#path(digest)
    try {
      return parseRecipe(await readAllBytes(readFileRange(path), MAX_RECIPE_BYTES, 'kept recipe'))
    } catch (error) {
      if (hasErrorCode(error, 'FILE_NOT_FOUND')) return undefined
      if (!hasErrorCode(error, 'CORRUPT_RECIPE', 'UNSUPPORTED_FORMAT', 'LIMIT_EXCEEDED')) throw error
      await rm(path, { force: true })
      return undefined
    }
  }

  async put(digest: Digest, recipe: Recipe): Promise<void> {
    await writeFileAtomically(this.#path(digest), bytesSource(formatRecipe(recipe)))
  }

  async remove(digest: Digest): Promise<void> {
    await rm(this.#path(digest), { force: true })
  }

  #path(digest: Digest): string {
    return join(this.#directory, digestAlgorithm(digest), digestHex(digest))
  }
}
