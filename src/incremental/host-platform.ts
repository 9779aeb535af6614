import { arch, machine, platform } from 'node:os'
import type { Platform } from '../oci/index.ts'

const SYSTEMS: Readonly<Record<string, string>> = { win32: 'windows', sunos: 'solaris' }
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  loong64: 'loong64',
  mipsel: 'mipsle',
}

/** The platform that this process runs on, as indexes name it; of ARM with its variant. */
export function hostPlatform(): Platform {
  const os = SYSTEMS[platform()] ?? platform()
  const architecture = ARCHITECTURES[arch()] ?? arch()
  if (architecture === 'arm64') return { os, architecture, variant: 'v8' }
  if (architecture !== 'arm') return { os, architecture }
  const generation = /^armv([5-8])/.exec(machine())?.[1] ?? '7'
  return { os, architecture, variant: `v${generation}` }
}
