/** Longer texts of others are cut. */
const MAX_TEXT_LENGTH = 240

/** Foreign text for a message: one line, no control characters, cut to a sensible length. */
export function printableText(text: string): string {
  return text.slice(0, MAX_TEXT_LENGTH).replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')
}
