// Takes deflate streams apart into tokens, plain bytes and block headers, and puts them together again to the bit. The host
// moves buffers; nothing is allocated. Stored bytes need no writing here: they stand in the output as they are.

import { prepareDeflateFormat } from './shared/deflate-format'

prepareDeflateFormat()

export {
  beginInflate,
  inflate,
  inflateBit,
  inflateEndPadding,
  inflateHeaderAt,
  inflateInput,
  inflateInputAt,
  inflatePlainAt,
  inflatePlainBytes,
  inflateReason,
  inflateTokenCount,
  inflateTokensAt,
} from './shared/token-inflater'
export {
  beginWrite,
  writeBlockEnd,
  writeEnd,
  writeHeader,
  writeHeaderAt,
  writeOutputAt,
  writeTokens,
  writeTokensAt,
} from './shared/token-writer'
