/** Longest repository name taken, so that `host/name` stays within the 255 characters clients allow. */
const MAX_NAME_LENGTH = 229

const COMPONENT = String.raw`[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`
const NAME = new RegExp(String.raw`^${COMPONENT}(?:/${COMPONENT})*$`)
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

/**
 * Whether `text` names a repository. Such a name is a safe relative path: no component is empty, starts with a dot or
 * starts with an underscore.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
 */
export function isRepositoryName(text: string): boolean {
  return text.length <= MAX_NAME_LENGTH && NAME.test(text)
}

/**
 * Whether `text` is a tag; then it is a safe file name as well.
 *
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
 */
export function isTag(text: string): boolean {
  return TAG.test(text)
}
