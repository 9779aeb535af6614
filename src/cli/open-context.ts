import type { OpenContext } from '../transport/index.ts'
import { type OptionSide, type RegistryOptionValues, registrySettings } from './registry-options.ts'
import type { Run } from './run.ts'

/** What transports need to know to open an image: where spools go, how to reach registries, what may be replaced. */
export function openContext(
  run: Run,
  values: RegistryOptionValues & { readonly force?: boolean | undefined },
  side?: OptionSide,
): OpenContext {
  return {
    workdir: run.settings.workdir,
    signal: run.signal,
    logger: run.logger,
    force: values.force === true,
    registry: { ...registrySettings(values, side), environment: run.host.env, homeDirectory: run.host.homeDirectory },
  }
}
