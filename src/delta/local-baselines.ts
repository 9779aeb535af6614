import { TareError } from '../errors/index.ts'
import {
  findBaselines,
  type IsHeldHere,
  type LocalBaseline,
  type SearchedPlace,
  type WantedLayer,
} from '../image/index.ts'
import { type ImageSource, type LayerForm, type OpenContext, openSource } from '../transport/index.ts'
import type { Delta } from './delta.ts'
import { wantedLayers } from './preflight.ts'

/** Options of {@link openLocalBaselines}. */
export interface LocalBaselinesOptions {
  /** How the destination keeps layers: one of plain tars takes any layer that unpacks to the same. @default 'stored' */
  readonly layerForm?: LayerForm | undefined
}

/** Images of this machine that a delta can be applied to. Dispose to close them. */
export interface OpenedBaselines extends AsyncDisposable {
  /** What was picked, and for which layers. */
  readonly picked: readonly LocalBaseline[]
  /** The same images, open. */
  readonly sources: readonly ImageSource[]
}

/**
 * Finds the baselines of a delta among the images that are here: of the local store, and where that does not have
 * all, of containerd and docker where these run. They are found by the digests that the delta names, whatever they
 * are called.
 *
 * @param context - where the store and the engines are
 * @throws {TareError} `BASELINE_LACKS_BLOB` naming where it was looked and what no image has; `STORE_DAMAGED`, …
 */
export async function openLocalBaselines(
  delta: Delta,
  context: OpenContext,
  { layerForm = 'stored' }: LocalBaselinesOptions = {},
): Promise<OpenedBaselines> {
  const madeAgainst = delta.plan.baselines.map(({ name, descriptor }) => `${name} (${descriptor.digest})`).join(', ')
  const hint = `${madeAgainst === '' ? '' : `The delta was made against ${madeAgainst}. `}Pull it, or name the baseline`
  return openWantedBaselines((isHeld) => wantedLayers(delta, layerForm, isHeld), context, hint)
}

/**
 * Finds images of this machine that hold what is wanted, and opens them.
 *
 * @param hint - of the error where they are not here
 * @throws {TareError} `BASELINE_LACKS_BLOB`; `STORE_DAMAGED`, …
 */
export async function openWantedBaselines(
  wanted: (isHeld: IsHeldHere) => readonly WantedLayer[],
  context: OpenContext,
  hint: string,
): Promise<OpenedBaselines> {
  const { baselines: picked, missing, searched } = await findBaselines(wanted, context)
  for (const { error } of searched) {
    if (error !== undefined) context.logger?.debug(`no baseline is looked for there: ${error.message}`)
  }
  if (missing.length > 0) throw notHere(missing, searched, hint)
  await using resources = new AsyncDisposableStack()
  const sources: ImageSource[] = []
  for (const { reference } of picked) sources.push(resources.use(await openSource(reference, context)))
  const held = resources.move()
  return { picked, sources, [Symbol.asyncDispose]: () => held.disposeAsync() }
}

function notHere(missing: readonly WantedLayer[], searched: readonly SearchedPlace[], hint: string): TareError {
  const digests = missing.map(({ digest }) => digest).join(', ')
  const what = missing.length === 1 ? 'a layer' : `${missing.length} layers`
  const places = searched.map(placeText).join('; ')
  return new TareError(
    'BASELINE_LACKS_BLOB',
    `no image here has ${what} that the delta builds on: ${digests}; looked at ${places}`,
    { hint },
  )
}

function placeText({ subject, images, error }: SearchedPlace): string {
  if (error !== undefined) return error.message
  return `${images === 0 ? 'no images' : images === 1 ? '1 image' : `${images} images`} of ${subject ?? 'it'}`
}
