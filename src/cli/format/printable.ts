/** Control characters, and those that turn the direction of writing and so hide what a name really is. */
const UNPRINTABLE = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu

/**
 * Takes control characters out of foreign text, so that a name in an archive or a message of a registry cannot move
 * the cursor or set the title of a terminal. Line breaks and tabs stay.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => (character === '\n' || character === '\t' ? character : '\ufffd'))
}
