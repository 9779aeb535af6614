import { hasErrorCode, TareError } from '../errors/index.ts'
import { type Descriptor, parseReference, type Reference, withDefaultTag } from '../oci/index.ts'

/** An image that goes somewhere: of an incremental archive, or of a delta. */
export interface NamedImage {
  readonly name?: string | undefined
  /** The image's root. */
  readonly entry: Pick<Descriptor, 'digest'>
}

/** Where the images of an archive shall go. */
export interface DestinationChoice {
  /**
   * For an archive of one image its reference. For several a prefix: `docker://mirror.example/apps` takes
   * `registry.example/team/app:v2` to `docker://mirror.example/apps/team/app:v2`, `oci:DIR` to the name in the layout.
   */
  readonly destination?: string | undefined
  /** References by the name, or digest, of an image; they win over `destination`. */
  readonly map?: ReadonlyMap<string, string> | undefined
}

/** An image of an archive, and the reference it goes to. */
export interface ChosenDestination<Image extends NamedImage> {
  readonly image: Image
  readonly reference: string
}

/**
 * Says for each image of an archive where it goes.
 *
 * @throws {TareError} `INVALID_ARGUMENT` for an image that goes nowhere, two that go to one place, and a name that no
 * image has
 */
export function chooseDestinations<Image extends NamedImage>(
  images: readonly Image[],
  { destination, map = new Map() }: DestinationChoice,
): readonly ChosenDestination<Image>[] {
  const unused = new Set(map.keys())
  const isSingle = images.length === 1
  const chosen = images.map((image): ChosenDestination<Image> => {
    const key = [image.name, image.entry.digest].find((name) => name !== undefined && map.has(name))
    if (key !== undefined) unused.delete(key)
    const mapped = key === undefined ? undefined : map.get(key)
    if (mapped !== undefined) return { image, reference: mapped }
    if (destination === undefined) {
      throw new TareError('INVALID_ARGUMENT', `${labelOf(image)} has no destination`, {
        hint: `Give a destination for all, or add --map ${labelOf(image)}=REFERENCE`,
      })
    }
    return { image, reference: isSingle ? destination : prefixed(destination, image) }
  })
  const [unknown] = unused
  if (unknown !== undefined) {
    throw new TareError('INVALID_ARGUMENT', `the archive has no image ${JSON.stringify(unknown)} to map`, {
      hint: `It holds ${images.map(labelOf).join(', ')}`,
    })
  }
  checkDistinct(chosen)
  return chosen
}

function prefixed(prefix: string, image: NamedImage): string {
  const place = prefix.replace(/\/+$/, '')
  if (/^oci:[^:]+$/.test(place)) return `${place}:${requireName(image)}`
  const registry = /^docker:\/\/(.+)$/.exec(place)?.[1]
  if (registry === undefined) {
    throw new TareError('INVALID_ARGUMENT', `${prefix} can’t take several images`, {
      hint: 'Give a prefix such as docker://mirror.example/apps, or a --map for each image',
    })
  }
  if (/\/[^/]*[:@]/.test(registry)) {
    throw new TareError('INVALID_ARGUMENT', `${prefix} names one image, and the archive holds several`, {
      hint: 'Leave the tag out: the repositories and tags of the images are added',
    })
  }
  const { repository, tag, digest } = parsedName(image)
  // Short names stay short: `debian` is not to become `library/debian` somewhere else.
  const path = repository.replace(/^library\//, '')
  return `${place}/${path}${digest === undefined ? `:${tag ?? 'latest'}` : `@${digest}`}`.replace(
    /^docker:\/+/,
    'docker://',
  )
}

function parsedName(image: NamedImage): Reference {
  const name = requireName(image)
  try {
    return withDefaultTag(parseReference(name))
  } catch (error) {
    if (!hasErrorCode(error, 'INVALID_REFERENCE')) throw error
    throw new TareError('INVALID_ARGUMENT', `${JSON.stringify(name)} is no name to make a reference of`, {
      cause: error,
      hint: `Add --map ${name}=REFERENCE`,
    })
  }
}

function requireName(image: NamedImage): string {
  if (image.name !== undefined) return image.name
  throw new TareError('INVALID_ARGUMENT', `${image.entry.digest} has no name that could follow a prefix`, {
    hint: `Add --map ${image.entry.digest}=REFERENCE`,
  })
}

function checkDistinct(chosen: readonly ChosenDestination<NamedImage>[]): void {
  const taken = new Map<string, NamedImage>()
  for (const { image, reference } of chosen) {
    const other = taken.get(reference)
    if (other !== undefined && other.entry.digest !== image.entry.digest) {
      throw new TareError('INVALID_ARGUMENT', `${labelOf(other)} and ${labelOf(image)} both go to ${reference}`, {
        hint: 'Give one of them another place with --map',
      })
    }
    taken.set(reference, image)
  }
}

function labelOf({ name, entry }: NamedImage): string {
  return name ?? entry.digest
}
