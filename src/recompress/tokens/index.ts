/** What a deflate stream holds beyond its plain bytes, coded against what is expected of it. */
export { type DecodeTokensOptions, decodeTokens } from './decode-tokens.ts'
export { chooseSearch, DEFAULT_SEARCH, type EncodeTokensOptions, encodeTokens } from './encode-tokens.ts'
export { type EqualRange, type Expectation, expectBaseline, expectStream } from './expectation.ts'
