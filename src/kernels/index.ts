/** Inner loops in WebAssembly: bytes in, bytes out, a stated bound of memory, the same bytes on every machine. */
export {
  CODEC_IDS,
  type CodecId,
  CodecKernel,
  type CodecKernelOptions,
  codecMemoryBytes,
  compileCodecKernel,
} from './codec-kernel.ts'
export {
  type BlockHeader,
  compileDeflateTokensKernel,
  type DeflateEvent,
  type DynamicCodes,
  TOKEN,
  TokenInflater,
  TokenWriter,
} from './deflate-tokens.ts'
export { formatCheckpoint, parseCheckpoint } from './deflate-checkpoint.ts'
export {
  compileTokenCoderKernel,
  type MatchSearch,
  TOKEN_CODER,
  TokenCoderKernel,
} from './token-coder.ts'
export type { KernelModule } from './web-assembly.ts'
export {
  type DeflateCheckpoint,
  DeflateKernel,
  type DeflateKernelName,
  type DeflateParameters,
} from './deflate-kernel.ts'
export { encodePgzipBlock, PGZIP_DICTIONARY_BYTES, pgzipDictionary, type PgzipParameters } from './pgzip-framing.ts'
export { encodePigzBlock, PIGZ_DICTIONARY_BYTES, type PigzParameters } from './pigz-framing.ts'
export { checkKernels, type KernelCheck } from './self-check.ts'
export { DeflateKernels, type EncoderSpec, kernelOf, parametersOf, type StreamEncoder } from './stream-encoder.ts'
