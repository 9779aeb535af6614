import { TareError } from '../errors/index.ts'
import { CodecKernel } from './codec-kernel.ts'
import { KNOWN_ANSWERS, KNOWN_INPUT } from './deflate-known-answers.ts'
import { DeflateKernel, type DeflateKernelName } from './deflate-kernel.ts'
import { compileDeflateTokensKernel, TokenInflater, TokenWriter } from './deflate-tokens.ts'
import { compileTokenCoderKernel, TokenCoderKernel } from './token-coder.ts'

/** One kernel, and what is wrong with it. */
export interface KernelCheck {
  readonly name: string
  /** Undefined when it gives the answers it should. */
  readonly error: unknown
}

const DEFLATE_KERNELS: readonly DeflateKernelName[] = ['go-deflate', 'klauspost-deflate', 'zlib-deflate']

/**
 * Loads every kernel, has it work and compares with known answers; takes some 100 ms. Where one fails, the files of the
 * package are damaged or the machine computes wrongly.
 */
export async function checkKernels(): Promise<readonly KernelCheck[]> {
  const checks: readonly (readonly [name: string, check: () => Promise<unknown>])[] = [
    // These three compare with known answers whenever they are loaded.
    ...DEFLATE_KERNELS.map((name) => [name, () => DeflateKernel.load(name)] as const),
    ['codec', () => CodecKernel.load()],
    ['token-coder', async () => new TokenCoderKernel(await compileTokenCoderKernel())],
    ['deflate-tokens', checkDeflateTokens],
  ]
  return Promise.all(
    checks.map(async ([name, check]) => {
      try {
        await check()
        return { name, error: undefined }
      } catch (error) {
        return { name, error }
      }
    }),
  )
}

/** Takes every known stream apart and writes it again. */
async function checkDeflateTokens(): Promise<void> {
  const module = await compileDeflateTokensKernel()
  const inflater = new TokenInflater(module)
  const writer = new TokenWriter(module)
  for (const { stream } of Object.values(KNOWN_ANSWERS).flat()) {
    const { plain, written } = rewrite(inflater, writer, Buffer.from(stream, 'hex'))
    if (plain.toString() !== KNOWN_INPUT || written.toString('hex') !== stream) {
      throw new TareError('INTERNAL', 'kernel deflate-tokens: fails its self-check')
    }
  }
}

function rewrite(
  inflater: TokenInflater,
  writer: TokenWriter,
  stream: Uint8Array,
): { readonly plain: Buffer; readonly written: Buffer } {
  const plain: Uint8Array[] = []
  const written: Uint8Array[] = []
  let type: 'stored' | 'fixed' | 'dynamic' = 'stored'
  inflater.begin()
  writer.begin()
  for (const event of inflater.push(stream)) {
    switch (event.kind) {
      case 'block':
        type = event.header.type
        written.push(writer.beginBlock(event.header))
        break
      case 'tokens':
        plain.push(event.plain)
        written.push(type === 'stored' ? writer.writeStored(event.plain) : writer.writeTokens(event.tokens))
        break
      case 'blockEnd':
        written.push(writer.endBlock(type))
        break
      case 'end':
        written.push(writer.end(event.padding))
        break
    }
  }
  inflater.finish()
  return { plain: Buffer.concat(plain), written: Buffer.concat(written) }
}
