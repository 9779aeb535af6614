import { hasErrorCode, type ErrorCode, isTareError, TareError } from '../../errors/index.ts'
import { proxyFor } from '../../http/index.ts'
import { RegistryClient } from '../../registry/index.ts'
import {
  formatTransportReference,
  type OpenContext,
  openSource,
  type TransportReference,
} from '../../transport/index.ts'
import { formatDuration } from '../format/duration.ts'
import { formatSize } from '../format/size.ts'
import type { Run } from '../run.ts'
import { type Check, failedCheck } from './check.ts'

/** What came of a probe. */
export interface Probe {
  readonly check: Check
  /** What time the registry says it is, and how late that was here, both in milliseconds since 1970. */
  readonly times?: { readonly theirs: number; readonly ours: number } | undefined
}

/** What kind of trouble it is, for those who do not know our codes. */
const TROUBLES: Partial<Readonly<Record<ErrorCode, string>>> = {
  AUTH_REQUIRED: 'not let in',
  CREDENTIAL_HELPER: 'not let in',
  NETWORK: 'not reachable',
  TLS: 'certificate not accepted',
  NOT_FOUND: 'not there',
  RATE_LIMITED: 'too many requests',
  REGISTRY_PROTOCOL: 'no registry',
}

/** No image was named. */
export const NOT_PROBED: Check = {
  name: 'registry',
  status: 'ok',
  detail: 'not asked; name an image with --probe docker://HOST/REPOSITORY',
}

/** How {@link probeImage} measures time. */
export interface ProbeOptions {
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** A registry that takes longer counts as not reachable. @default 15000 */
  readonly mostMs?: number | undefined
}

/** Reads the manifest of an image, which shows whether its registry is reached and lets us in. */
export async function probeImage(
  reference: TransportReference,
  context: OpenContext,
  run: Pick<Run, 'host' | 'signal' | 'logger'>,
  { now, mostMs = 15_000 }: ProbeOptions,
): Promise<Probe> {
  const timeout = AbortSignal.timeout(mostMs)
  const signal = AbortSignal.any([run.signal, timeout])
  const begun = run.host.clock.now()
  let times: Probe['times']
  try {
    if (reference.transport === 'docker') times = await askTime(reference.reference.registry, context, signal, now)
    await using source = await openSource(reference, context)
    const { descriptor } = await source.resolve({ signal, logger: run.logger })
    const detail = [
      formatTransportReference(reference),
      `${descriptor.digest}, ${formatSize(descriptor.size)}`,
      `in ${formatDuration(run.host.clock.now() - begun)}`,
    ].join(', ')
    return { check: { name: 'registry', status: 'ok', detail: `${detail}${proxyText(reference, run)}` }, times }
  } catch (error) {
    run.signal.throwIfAborted()
    return {
      check: troubleCheck(timeout.aborted ? tooLate(reference, mostMs) : error, proxyText(reference, run)),
      times,
    }
  }
}

/** What the clock of a registry says. The answer tells it, whatever else it is. */
async function askTime(
  host: string,
  { registry, logger }: OpenContext,
  signal: AbortSignal,
  now: () => number,
): Promise<Probe['times']> {
  await using client = new RegistryClient(host, registry)
  const response = await client.request({ method: 'GET', target: '', scopes: [], signal, logger })
  const ours = now()
  await response.discard()
  const theirs = Date.parse(response.header('date') ?? '')
  return Number.isNaN(theirs) ? undefined : { theirs, ours }
}

function troubleCheck(error: unknown, proxy: string): Check {
  const check = failedCheck('registry', error)
  const trouble = isTareError(error) ? TROUBLES[error.code] : undefined
  return {
    ...check,
    detail: `${trouble === undefined ? '' : `${trouble}: `}${check.detail}${proxy}`,
    hint: hintFor(check, error),
  }
}

function hintFor({ hint }: Check, error: unknown): string {
  if (hint !== undefined) return hint
  if (hasErrorCode(error, 'NETWORK')) return 'Check the name of the host, the network, and HTTPS_PROXY and NO_PROXY'
  if (hasErrorCode(error, 'NOT_FOUND')) return 'The registry is there and lets us in; check repository and tag'
  return 'Run it again with --verbose to see more'
}

function tooLate(reference: TransportReference, mostMs: number): TareError {
  return new TareError('NETWORK', `${formatTransportReference(reference)} gave no answer in ${formatDuration(mostMs)}`)
}

function proxyText(reference: TransportReference, { host }: Pick<Run, 'host'>): string {
  if (reference.transport !== 'docker') return ''
  const target = URL.parse(`https://${reference.reference.registry}`)
  const proxy = target === null ? undefined : proxyFor(target, host.env)
  // A proxy's URL may hold a password.
  return proxy === undefined ? '' : `, through the proxy ${proxy.host}`
}

/** This version was made in this year; a clock that says less is wrong. */
const EARLIEST_YEAR = 2026
/** Certificates and tokens of registries commonly allow for this much. */
const MOST_SKEW_MS = 5 * 60_000

/**
 * Whether the clock can be right.
 *
 * @param now - milliseconds since 1970
 */
export function checkClock(now: number, times: Probe['times']): Check {
  const name = 'clock'
  const shown = new Date(now).toISOString().replace(/\.\d+Z$/, 'Z')
  const hint = 'Set the clock, such as with timedatectl set-ntp true'
  if (new Date(now).getUTCFullYear() < EARLIEST_YEAR) {
    return { name, status: 'fail', detail: `${shown} is before Tare was made`, hint }
  }
  if (times === undefined) return { name, status: 'ok', detail: shown }
  const skewMs = Math.abs(times.theirs - times.ours)
  const relation = times.theirs > times.ours ? 'behind' : 'ahead of'
  if (skewMs > MOST_SKEW_MS) {
    return { name, status: 'warn', detail: `${shown} is ${formatDuration(skewMs)} ${relation} the registry’s`, hint }
  }
  return { name, status: 'ok', detail: `${shown}, the registry’s within ${formatDuration(Math.max(skewMs, 1000))}` }
}
