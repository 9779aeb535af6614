// Code refers to places by their distance, so the same place looks different from everywhere. This filter replaces the
// distance in calls, jumps and RIP-relative operands of x86-64 code by the place, as an offset in the buffer. It maps numbers
// one to one and leaves the bytes it recognises an instruction by alone, so it undoes itself on any input.

/** Whether the header of an x86-64 ELF file lies anywhere in the buffer. */
export function holdsX86Code(at: usize, size: u32): bool {
  for (let p = at, end = at + size; p + 20 <= end; p++) {
    if (load<u32>(p) == 0x464c457f && load<u8>(p, 4) == 2 && load<u8>(p, 5) == 1 && load<u16>(p, 18) == 62) return true
  }
  return false
}

/**
 * Whether a distance starts at `p`. Only bytes before it decide, and of them only the `unread` ones behind the last distance:
 * they look the same before and after filtering.
 */
function isDistance(p: usize, unread: i32): bool {
  if (unread < 1) return false
  const last: u32 = load<u8>(p - 1)
  if ((last & 0xfe) == 0xe8) return true // call, jmp
  if ((last & 0xc7) != 5 || unread < 2) return false // not a ModRM byte that means RIP-relative
  const opcode: u32 = load<u8>(p - 2)
  if (opcode == 0xff || opcode == 0x8b) return true
  if (unread < 3) return false
  const prefix: u32 = load<u8>(p - 3)
  return (prefix & 0xf8) == 0x48 || prefix == 0x0f
}

/** Rewrites distances to places. */
export function filterX86(at: usize, bytes: u32): void {
  const size = <i32>bytes
  let behind: i32 = 0
  for (let i: i32 = 1; i + 4 <= size; i++) {
    if (!isDistance(at + i, i - behind)) continue
    behind = i + 4
    const distance = load<i32>(at + i)
    // Distances that lead into the buffer become places in it; those beyond its end take the numbers left over.
    if (distance >= -behind && distance < size) {
      store<i32>(at + i, distance < size - behind ? distance + behind : distance - size)
    }
    i += 3
  }
}

/** Undoes `filterX86`. */
export function unfilterX86(at: usize, bytes: u32): void {
  const size = <i32>bytes
  let behind: i32 = 0
  for (let i: i32 = 1; i + 4 <= size; i++) {
    if (!isDistance(at + i, i - behind)) continue
    behind = i + 4
    const place = load<i32>(at + i)
    if (place >= -behind && place < size) store<i32>(at + i, place >= 0 ? place - behind : place + size)
    i += 3
  }
}
