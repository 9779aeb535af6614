// Level 0 of zlib: stored blocks, as for a caller who offers all input and room for all output at once.

import { putStoredBlock } from './deflate-bits'

const MAX_STORED: u32 = 0xffff

const held = memory.data(0xffff, 16)
let heldBytes: u32 = 0

export function resetStored(): void {
  heldBytes = 0
}

/** Keeps back the last bytes, however many: the block they fill may be the final one. */
export function storeBytes(from: usize, bytes: u32): void {
  while (bytes != 0) {
    if (heldBytes == MAX_STORED) writeHeld(false)
    const piece = min(bytes, MAX_STORED - heldBytes)
    memory.copy(held + heldBytes, from, piece)
    heldBytes += piece
    from += piece
    bytes -= piece
  }
}

/** Writes what is held, unless that is nothing and the block is not the final one. */
export function drainStored(isFinal: bool): void {
  if (isFinal || heldBytes != 0) writeHeld(isFinal)
}

function writeHeld(isFinal: bool): void {
  putStoredBlock(held, heldBytes, isFinal)
  heldBytes = 0
}
