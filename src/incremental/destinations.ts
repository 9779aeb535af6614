import { hasErrorCode, TareError } from '../errors/index.ts'
import { parseReference, type Reference, withDefaultTag } from '../oci/index.ts'
import type { ArchivedImage } from './read-archive.ts'
import { imageLabel } from './survey-target.ts'

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
export interface ChosenDestination {
  readonly image: ArchivedImage
  readonly reference: string
}

/**
 * Says for each image of an archive where it goes.
 *
 * @throws {TareError} `INVALID_ARGUMENT` for an image that goes nowhere, two that go to one place, and a name that no
 * image has
 */
export function chooseDestinations(
  images: readonly ArchivedImage[],
  { destination, map = new Map() }: DestinationChoice,
): readonly ChosenDestination[] {
  const unused = new Set(map.keys())
  const isSingle = images.length === 1
  const chosen = images.map((image): ChosenDestination => {
    const key = [image.name, image.entry.digest].find((name) => name !== undefined && map.has(name))
    if (key !== undefined) unused.delete(key)
    const mapped = key === undefined ? undefined : map.get(key)
    if (mapped !== undefined) return { image, reference: mapped }
    if (destination === undefined) {
      throw new TareError('INVALID_ARGUMENT', `${imageLabel(image)} has no destination`, {
        hint: `Give a destination for all, or add --map ${imageLabel(image)}=REFERENCE`,
      })
    }
    return { image, reference: isSingle ? destination : prefixed(destination, image) }
  })
  const [unknown] = unused
  if (unknown !== undefined) {
    throw new TareError('INVALID_ARGUMENT', `the archive has no image ${JSON.stringify(unknown)} to map`, {
      hint: `It holds ${images.map(imageLabel).join(', ')}`,
    })
  }
  checkDistinct(chosen)
  return chosen
}

function prefixed(prefix: string, image: ArchivedImage): string {
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

function parsedName(image: ArchivedImage): Reference {
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

function requireName(image: ArchivedImage): string {
  if (image.name !== undefined) return image.name
  throw new TareError('INVALID_ARGUMENT', `${image.entry.digest} has no name that could follow a prefix`, {
    hint: `Add --map ${image.entry.digest}=REFERENCE`,
  })
}

function checkDistinct(chosen: readonly ChosenDestination[]): void {
  const taken = new Map<string, ArchivedImage>()
  for (const { image, reference } of chosen) {
    const other = taken.get(reference)
    if (other !== undefined && other.entry.digest !== image.entry.digest) {
      throw new TareError('INVALID_ARGUMENT', `${imageLabel(other)} and ${imageLabel(image)} both go to ${reference}`, {
        hint: 'Give one of them another place with --map',
      })
    }
    taken.set(reference, image)
  }
}
