/**
 * An image of the manifest verbs: with its transport, or a bare name, which is one in a registry as for podman. What looks
 * like a path is left as it is, so that opening it suggests the transport.
 */
export async function imageArgument(text: string): Promise<string> {
  const { hasTransportPrefix, likelyPrefixOfText } = await import('../transport/index.ts')
  return !hasTransportPrefix(text) && likelyPrefixOfText(text) === 'docker://' && !/^https?:/.test(text)
    ? `docker://${text}`
    : text
}
