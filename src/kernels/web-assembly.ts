/** A compiled kernel. Can be posted to worker threads. */
export interface KernelModule {
  readonly [Symbol.toStringTag]?: string
}

/** The part of a linear memory's interface that kernels need. */
export interface KernelMemory {
  readonly buffer: ArrayBuffer
  /** @throws RangeError when the memory can't grow by that many pages of 64 KiB */
  grow(pages: number): number
}

interface WebAssemblyApi {
  compile(bytes: Uint8Array): Promise<KernelModule>
  readonly Instance: new (module: KernelModule) => { readonly exports: unknown }
}

/** The runtime's WebAssembly, which only the browser's type library declares. */
export const webAssembly: WebAssemblyApi = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly
