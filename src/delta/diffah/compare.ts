import { detectCompression, DETECTION_BYTES } from '../../compress/index.ts'
import type { Digest } from '../../oci/index.ts'
import type { RecipeCache } from '../../recompress/index.ts'
import { type OperationOptions, readAllBytes, SILENT_LOGGER, sliceSource } from '../../stream/index.ts'
import type { KernelRunner } from '../../workers/index.ts'
import { LayerPatcher } from '../layer-patcher.ts'
import { shippedBytes } from '../savings.ts'
import { Workshop } from '../workshop.ts'
import type { PairSurvey, ShippedLayer } from './survey-pairs.ts'

/** What a comparison with a delta of Tare takes. */
export interface ComparisonTools {
  /** Runs the kernels; the caller disposes it. */
  readonly kernels: KernelRunner
  /** Keeps recipes between runs. */
  readonly recipes?: RecipeCache | undefined
}

/**
 * Compressed layers, whose content archives of diffah can't look into: what they take there, and what they would take in
 * a delta of Tare.
 */
export interface Comparison {
  readonly layers: readonly {
    readonly digest: Digest
    /** Bytes in the archive. */
    readonly shippedBytes: number
    /** Bytes of patch and recipe in a delta of Tare; those of the layer where that could do no better. */
    readonly tareBytes: number
  }[]
  /** How much larger the archive is for it; 0 where it is not. */
  readonly largerThanTareBytes: number
}

/**
 * Patches the compressed layers of an archive as Tare does, to see how small they get.
 *
 * @param storedBytes - what a layer takes in the archive
 */
export async function compareWithTare(
  layers: readonly ShippedLayer[],
  storedBytes: (digest: Digest) => number,
  tools: ComparisonTools,
  options: OperationOptions & { readonly workdir?: string | undefined },
): Promise<Comparison> {
  const { signal, workdir } = options
  // What goes wrong here goes wrong in no delta: it is not worth a warning.
  const patching = { ...tools, signal, logger: SILENT_LOGGER }
  await using workshop = await Workshop.open(workdir, { signal })
  const patchers = new Map<PairSurvey, LayerPatcher>()
  const compared: Comparison['layers'][number][] = []
  for (const layer of layers) {
    const { digest, size } = layer.descriptor
    const { survey } = layer.pair
    const blob = survey.tree.blobs.find((candidate) => candidate.descriptor.digest === digest)
    if (blob === undefined || !(await isCompressed(layer, signal))) continue
    const patcher = patchers.get(layer.pair) ?? new LayerPatcher(survey, workshop, patching)
    patchers.set(layer.pair, patcher)
    const step = (state: 'started' | 'done'): void =>
      options.onProgress?.({ kind: 'step', id: `compare ${digest}`, label: 'compare with Tare', doneBytes: 0, state })
    step('started')
    const origin = await patcher.originOf(blob)
    step('done')
    compared.push({ digest, shippedBytes: storedBytes(digest), tareBytes: shippedBytes(origin, size) })
  }
  const larger = compared.reduce((sum, layer) => sum + layer.shippedBytes - layer.tareBytes, 0)
  return { layers: compared, largerThanTareBytes: Math.max(0, larger) }
}

async function isCompressed(layer: ShippedLayer, signal: AbortSignal | undefined): Promise<boolean> {
  const start = sliceSource(layer.open(signal), 0, DETECTION_BYTES)
  return detectCompression(await readAllBytes(start, DETECTION_BYTES, 'start of layer')) !== 'none'
}
