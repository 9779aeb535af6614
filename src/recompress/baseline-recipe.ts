import { gzipMembers } from '../compress/index.ts'
import type { Digest } from '../oci/index.ts'
import type { RandomBytes } from './detect.ts'
import type { MemberRecipe, Recipe } from './recipe.ts'
import type { RegenerateOptions } from './regenerate.ts'
import { codeCorrections } from './token-stream.ts'
import type { EqualRange } from './tokens/index.ts'

/** A compressed blob of the baseline, and where its content is the same as the target's. */
export interface LikeBlob {
  readonly digest: Digest
  readonly ranges: readonly EqualRange[]
}

/** Corrections smaller than this part of their blob are good enough. */
const GOOD_PART = 0.02
/** What must be saved, of the blob, to make a recipe depend on the baseline's compressed bytes. */
const MIN_SAVING = 0.004

/** Whether another blob's stream might help: one member, of an encoder nobody knows. */
export function mayUseBaseline(recipe: Recipe): boolean {
  const [member] = recipe.members
  return (
    recipe.members.length === 1 &&
    member?.encoder.kind === 'unknown' &&
    member.corrections.length > recipe.blobBytes * GOOD_PART
  )
}

/**
 * Encoders fall back into step where content is the same, so an old blob by the same unknown encoder tells most of what
 * a new one holds.
 *
 * @param options - `openBlob` gives the blob
 * @returns the recipe with smaller corrections; undefined where that saves too little
 */
export async function recipeFromBaseline(
  recipe: Recipe,
  blob: RandomBytes,
  plain: RandomBytes,
  like: LikeBlob,
  options: RegenerateOptions,
): Promise<Recipe | undefined> {
  const [known] = recipe.members
  const { value: member } = await gzipMembers(blob.open, blob.sizeBytes).next()
  if (known === undefined || member === undefined) return undefined
  const candidate: MemberRecipe = { ...known, encoder: { kind: 'baseline', blob: like.digest, ranges: like.ranges } }
  const openDeflate = () => blob.open({ offset: member.deflateOffset, length: member.deflateBytes })
  const corrections = await codeCorrections(candidate, openDeflate, plain.open({}), options)
  const savedBytes = known.corrections.length - corrections.length
  if (savedBytes < recipe.blobBytes * MIN_SAVING) return undefined
  return { ...recipe, members: [{ ...candidate, corrections }] }
}
