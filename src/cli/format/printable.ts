/**
 * Takes control characters out of foreign text, so that a name in an archive or a message of a registry cannot move
 * the cursor or set the title of a terminal. Line breaks and tabs stay.
 */
export function printable(text: string): string {
  // biome-ignore format: one class, read together
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')
}
