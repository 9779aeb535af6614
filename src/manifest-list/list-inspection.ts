import { type Descriptor, encodeGoJson, goAnnotations, type GoJson } from '../oci/index.ts'
import { dockerDescriptor } from './list-json.ts'
import type { ListModel } from './list-model.ts'
import { ManifestList } from './manifest-list.ts'

/**
 * What `podman manifest inspect` prints of a list, as JSON indented by four spaces: members as a Docker list describes
 * them, with what an OCI index has besides, and the files of artifacts.
 *
 * @param mediaType - what the list is stored as. @default the format that fits
 */
export function inspectList(list: ListModel, mediaType: string = list.preferredType()): Uint8Array {
  const { members, isNull, artifactType, subject, annotations } = list.contents()
  const files = (member: Descriptor): readonly string[] =>
    list instanceof ManifestList ? list.files(member.digest) : []
  const value: GoJson = {
    schemaVersion: 2,
    mediaType,
    artifactType: artifactType || undefined,
    manifests: isNull ? null : members.map((member) => inspectMember(member, files(member))),
    subject: subject === undefined ? undefined : inspectMember(subject, []),
    annotations: goAnnotations(annotations),
  }
  return encodeGoJson(value, { indent: 4 })
}

function inspectMember(member: Descriptor, files: readonly string[]): GoJson {
  return {
    ...dockerDescriptor(member),
    annotations: goAnnotations(member.annotations),
    artifactType: member.artifactType,
    data: member.data,
    files: files.length === 0 ? undefined : files,
  }
}
