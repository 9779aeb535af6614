#!/usr/bin/env node
import { availableParallelism, homedir, tmpdir, totalmem } from 'node:os'
import process from 'node:process'
import { setFlagsFromString } from 'node:v8'
import { runCommandLine } from './command-line.ts'
import type { Host } from './host.ts'

// Chunks of blobs die young, but V8 lets tens of megabytes of them lie in a young generation that it made large. Kept
// small, copying a layer of 100 MB peaks at about 120 MB instead of 160, and takes no longer (see bench/copy.ts).
setFlagsFromString('--semi-space-growth-factor=1')

/** Node's names where Go, and so every image, has another. */
function architectureOf(arch: string): string {
  const names: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le', mipsel: 'mipsle' }
  return names[arch] ?? arch
}

const host: Host = {
  // Looked at by the verbs that read it alone: a mere look opens it.
  get stdin() {
    return process.stdin
  },
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cpus: availableParallelism(),
  // Without a bound it is 0, or more than there is.
  memoryBytes: Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY),
  platform: { os: process.platform === 'win32' ? 'windows' : 'linux', architecture: architectureOf(process.arch) },
  homeDirectory: homedir(),
  temporaryDirectory: tmpdir(),
  clock: {
    now: () => performance.now(),
    schedule(action, delayMs) {
      const timer = setTimeout(action, delayMs).unref()
      return () => clearTimeout(timer)
    },
  },
  onSignal(name, listener) {
    process.on(name, listener)
    return () => process.off(name, listener)
  },
  onExit(listener) {
    process.once('exit', listener)
    return () => process.off('exit', listener)
  },
  exit: (code) => process.exit(code),
}

// The write that failed has been told; without a listener the same error would end the process with a stack.
process.stdout.on('error', () => {})
process.stderr.on('error', () => {})

// Everything is written and every resource given back; a kept-alive connection is no reason to wait.
process.exit(await runCommandLine(process.argv.slice(2), host))
