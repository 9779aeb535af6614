import { InvalidDocumentError, TareError } from '../errors/index.ts'
import { type Descriptor, type DiffId, MEDIA_TYPE } from '../oci/index.ts'
import { digestOf } from '../stream/index.ts'
import { isRecord, parseJson } from './layout-index.ts'
import type { ManifestContent } from './transport.ts'

/** One image of a docker archive: an element of its `manifest.json`. */
export interface DockerArchiveImage {
  /** Name of the config's file. */
  readonly config: string
  readonly repoTags: readonly string[]
  /** Names of the layers' files, lowest first. */
  readonly layers: readonly string[]
}

/** Images in one archive. */
const MAX_IMAGES = 10_000
/** Layers of one image; engines stop at 127. */
const MAX_LAYERS = 10_000

/**
 * Parses the `manifest.json` of a docker archive.
 *
 * @param where - the reference, for errors
 * @throws {InvalidDocumentError} with every problem
 */
export function parseDockerManifest(bytes: Uint8Array, where: string): readonly DockerArchiveImage[] {
  const subject = `manifest.json of ${where}`
  const document = parseJson(bytes)
  if (!Array.isArray(document)) {
    // The manifest of a `dir:` has the same name.
    throw new TareError('INVALID_ARCHIVE', `${subject} is not a JSON array of images, so this is no docker archive`)
  }
  const problems: { path: string; message: string }[] = []
  if (document.length > MAX_IMAGES) problems.push({ path: '$', message: `has more than ${MAX_IMAGES} images` })
  const strings = (value: unknown, path: string): readonly string[] => {
    if (value === null || value === undefined) return []
    if (Array.isArray(value) && value.length <= MAX_LAYERS && value.every((one) => typeof one === 'string'))
      return value
    problems.push({ path, message: `must be an array of at most ${MAX_LAYERS} strings` })
    return []
  }
  const images = document.slice(0, MAX_IMAGES).map((element: unknown, position): DockerArchiveImage => {
    const path = `$[${position}]`
    const fields = isRecord(element) ? element : {}
    const config = fields['Config']
    if (typeof config !== 'string' || config === '')
      problems.push({ path: `${path}.Config`, message: 'must be a name' })
    return {
      config: typeof config === 'string' ? config : '',
      repoTags: strings(fields['RepoTags'], `${path}.RepoTags`),
      layers: strings(fields['Layers'], `${path}.Layers`),
    }
  })
  if (problems.length > 0) throw new InvalidDocumentError(subject, problems)
  return images
}

/** The `manifest.json` of an archive with one image. */
export function dockerManifestBytes(image: DockerArchiveImage): Buffer {
  return Buffer.from(JSON.stringify([{ Config: image.config, RepoTags: image.repoTags, Layers: image.layers }]))
}

/** A layer as the manifest made up for a docker archive lists it. */
export interface PlainLayer {
  readonly diffId: DiffId
  /** Bytes of the plain tar. */
  readonly sizeBytes: number
}

/**
 * Makes up the manifest that docker archives lack, byte for byte as containers/image does, so that its digest is the
 * one that skopeo gives: schema 2, every layer under its diffID and stated as gzip although it is plain.
 *
 * @see https://github.com/containers/image/blob/v5.36.2/docker/internal/tarfile/src.go
 */
export function synthesiseManifest(config: Uint8Array, layers: readonly PlainLayer[]): ManifestContent {
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.DOCKER_MANIFEST,
      config: { mediaType: MEDIA_TYPE.DOCKER_CONFIG, size: config.length, digest: digestOf(config) },
      layers: layers.map((layer) => ({
        mediaType: MEDIA_TYPE.DOCKER_LAYER_GZIP,
        size: layer.sizeBytes,
        digest: layer.diffId,
      })),
    }),
  )
  const descriptor: Descriptor = { mediaType: MEDIA_TYPE.DOCKER_MANIFEST, digest: digestOf(bytes), size: bytes.length }
  return { descriptor, bytes }
}
