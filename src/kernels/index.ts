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
export type { KernelModule } from './web-assembly.ts'
