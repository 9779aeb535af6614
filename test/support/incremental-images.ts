import { readFileSync } from 'node:fs'
import { copyImage } from '../../src/image/index.ts'
import { type Descriptor, MEDIA_TYPE, type Platform } from '../../src/oci/index.ts'
import type { RunningRegistry } from '../../src/registry/index.ts'
import { digestOf } from '../../src/stream/index.ts'
import { type ManifestContent, openDestination, openSource, type OpenContext } from '../../src/transport/index.ts'

/** How tests reach registries of their own. */
export const PLAIN_HTTP: OpenContext = { registry: { tlsVerify: false } }

/** Copies an image. @returns what the destination points at */
export async function copyTo(from: string, to: string, context: OpenContext = PLAIN_HTTP): Promise<Descriptor> {
  await using source = await openSource(from, context)
  await using destination = await openDestination(to, context)
  const { digest, mediaType } = await copyImage(source, destination)
  return { mediaType, digest, size: (await source.resolve()).descriptor.size }
}

/** A member of an index that a test makes. */
export interface IndexMember {
  readonly from: string
  readonly platform: Platform
}

/** Puts an index of images, which are copied into its repository, into a registry of our own. */
export async function putIndex(
  registry: RunningRegistry,
  repository: string,
  tag: string,
  members: readonly IndexMember[],
  fields: Readonly<Record<string, unknown>> = {},
): Promise<ManifestContent> {
  const manifests: unknown[] = []
  for (const [at, { from, platform }] of members.entries()) {
    const { mediaType, size, digest } = await copyTo(from, `docker://${registry.address}/${repository}:member-${at}`)
    manifests.push({ mediaType, size, digest, platform })
  }
  const mediaType = MEDIA_TYPE.OCI_INDEX
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests, ...fields }))
  const type = 'mediaType' in fields ? String(fields['mediaType']) : mediaType
  await putManifest(registry, repository, tag, type, bytes)
  return { descriptor: { mediaType: type, digest: digestOf(bytes), size: bytes.length }, bytes }
}

/** Puts a manifest's bytes as they are. */
export async function putManifest(
  registry: { readonly address: string },
  repository: string,
  tag: string,
  mediaType: string,
  bytes: Uint8Array,
): Promise<void> {
  const url = `http://${registry.address}/v2/${repository}/manifests/${tag}`
  const answer = await fetch(url, { method: 'PUT', headers: { 'content-type': mediaType }, body: Buffer.from(bytes) })
  if (answer.status !== 201) throw new Error(`${url}: ${answer.status} ${await answer.text()}`)
}

/** Puts a Docker schema 1 image of a directory into `schema1` of a registry: `NAME.json`, blobs by their hex. */
export async function putSchema1(registry: { readonly address: string }, directory: URL, name: string): Promise<void> {
  const bytes = readFileSync(new URL(`${name}.json`, directory))
  const document = JSON.parse(bytes.toString()) as { readonly fsLayers: readonly { readonly blobSum: string }[] }
  for (const blobSum of new Set(document.fsLayers.map((layer) => layer.blobSum))) {
    await putBlob(registry, 'schema1', readFileSync(new URL(blobSum.replace('sha256:', ''), directory)))
  }
  await putManifest(registry, 'schema1', name, MEDIA_TYPE.DOCKER_SCHEMA1_SIGNED, bytes)
}

/** Puts a blob. */
export async function putBlob(
  registry: { readonly address: string },
  repository: string,
  bytes: Uint8Array,
): Promise<void> {
  const url = `http://${registry.address}/v2/${repository}/blobs/uploads/?digest=${digestOf(bytes)}`
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream' },
    body: Buffer.from(bytes),
  })
  if (answer.status !== 201) throw new Error(`${url}: ${answer.status} ${await answer.text()}`)
}
