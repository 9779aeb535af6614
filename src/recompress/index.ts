/** Exact recompression: how a compressed blob was made, and making it again. */
export { type LikeBlob, mayUseBaseline, recipeFromBaseline } from './baseline-recipe.ts'
export { type DetectOptions, detectRecipe, type RandomBytes } from './detect.ts'
export {
  containersImageEncoder,
  type ContainersImageOptions,
  DEFAULT_GZIP_ENCODER,
  gzip,
  type GzipOptions,
} from './gzip.ts'
export { encoderName, klauspostFamily } from './encoder-names.ts'
export {
  type ExplainOptions,
  explainGzip,
  type GzipExplanation,
  type MemberGroup,
  type Precision,
  type SignsReport,
} from './explain.ts'
export {
  type Encoder,
  formatRecipe,
  MAX_RECIPE_BYTES,
  type MemberRecipe,
  parseRecipe,
  type Recipe,
  type Trailer,
} from './recipe.ts'
export { RecipeCache } from './recipe-cache.ts'
export { regenerate, type RegenerateOptions } from './regenerate.ts'
export type { EqualRange } from './tokens/index.ts'
