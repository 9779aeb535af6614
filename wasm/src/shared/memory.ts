// One bump allocator over linear memory. The host grows the memory before a call; nothing is freed but everything at once.

let top: usize = __heap_base

/** Forgets everything allocated so far. */
export function resetMemory(): void {
  top = __heap_base
}

/** Bytes as they happen to be, aligned for vectors and cache lines. Traps when the host reserved too little. */
export function allocate(bytes: usize): usize {
  const at = (top + 63) & ~(<usize>63)
  top = at + bytes
  if (top > (<usize>memory.size()) << 16) unreachable()
  return at
}

/** Zeros, aligned as `allocate` does. */
export function allocateZeroed(bytes: usize): usize {
  const at = allocate(bytes)
  memory.fill(at, 0, bytes)
  return at
}
