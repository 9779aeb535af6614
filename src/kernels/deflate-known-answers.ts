import type { DeflateKernelName, DeflateParameters } from './deflate-kernel.ts'

/** What the self-checks encode. */
export const KNOWN_INPUT = 'kernels are pure: bytes in, bytes out, and no policy, no policy, no policy at all'

/** Parameters, and the hexadecimal deflate stream of `KNOWN_INPUT`: what the real encoder wrote. */
export const KNOWN_ANSWERS: Readonly<
  Record<DeflateKernelName, readonly { readonly parameters: DeflateParameters; readonly stream: string }[]>
> = {
  'go-deflate': [],
  'klauspost-deflate': [],
  'zlib-deflate': [],
}
