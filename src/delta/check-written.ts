import { CopyError, TareError } from '../errors/index.ts'
import { type ImageTree, isFetchedElsewhere, manifestsOf, readImageTree } from '../image/index.ts'
import type { Digest } from '../oci/index.ts'
import { mapLimited, type OperationOptions } from '../stream/index.ts'
import type { ImageSource } from '../transport/index.ts'
import type { Delta } from './delta.ts'
import { deltaOnly } from './target-documents.ts'

/** Blobs asked for at a time. */
const LOOKUP_CONCURRENCY = 8

/**
 * Reads back what was written and holds it against the target: the same manifests and indexes, byte for byte, so the
 * same layers in the same order and sizes; every config and layer there. Where layers are kept as plain tars: the same
 * config, so the same image ID, and the same diffIDs in order.
 *
 * @param written - what the destination's reference gives now
 * @throws {TareError} `VERIFY_FAILED` naming every difference; {@link CopyError} where it can't be read
 */
export async function checkWritten(delta: Delta, written: ImageSource, options: OperationOptions): Promise<void> {
  const wanted = await readImageTree(deltaOnly(delta), { ...options, side: 'delta' })
  const found = await readImageTree(written, { ...options, side: 'destination' })
  const problems = written.layerForm === 'plain' ? plainDifferences(wanted, found) : storedDifferences(wanted, found)
  problems.push(...(await absentBlobs(found, written, options)))
  if (problems.length === 0) return
  throw new TareError('VERIFY_FAILED', `${written.reference} is not what was written: ${problems.join('; ')}`, {
    hint: 'Something else may write to the same place; apply it again',
  })
}

function storedDifferences(wanted: ImageTree, found: ImageTree): string[] {
  const there = new Set(found.documents.map((node) => node.descriptor.digest))
  const problems = wanted.documents
    .filter((node) => !there.has(node.descriptor.digest))
    .map((node) => `${node.kind} ${node.descriptor.digest} is not there`)
  const [root, rootFound] = [wanted.root.descriptor.digest, found.root.descriptor.digest]
  if (root !== rootFound) problems.unshift(`it resolves to ${rootFound}, not ${root}`)
  return problems
}

/** A plain destination holds one image, so there is one manifest on both sides. */
function plainDifferences(wanted: ImageTree, found: ImageTree): string[] {
  const [want, have] = [manifestsOf(wanted)[0], manifestsOf(found)[0]]
  const problems: string[] = []
  const [imageId, imageIdFound] = [want?.document.config.digest, have?.document.config.digest]
  if (imageId !== imageIdFound) problems.push(`the config is ${imageIdFound}, not ${imageId}`)
  const diffIds = want?.config?.rootfs.diffIds ?? []
  const layers = have?.document.layers.map((layer) => layer.digest) ?? []
  if (diffIds.join() !== layers.join()) problems.push(`the layers are ${layers.join(', ')}, not ${diffIds.join(', ')}`)
  return problems
}

async function absentBlobs(tree: ImageTree, written: ImageSource, options: OperationOptions): Promise<string[]> {
  const blobs = tree.blobs.filter((blob) => !isFetchedElsewhere(blob.descriptor))
  const answers = await mapLimited(
    blobs,
    LOOKUP_CONCURRENCY,
    async ({ descriptor }, _position, signal): Promise<Digest | undefined> => {
      const isHeld = await written.hasBlob?.(descriptor, { ...options, signal }).catch((error: unknown) => {
        throw CopyError.at('destination', descriptor.digest, error)
      })
      return isHeld === false ? descriptor.digest : undefined
    },
    options,
  )
  return answers.filter((digest) => digest !== undefined).map((digest) => `${digest} is not there`)
}
