/** What files of an extension are; those that Go knows without asking the system. */
const BY_EXTENSION: ReadonlyMap<string, string> = new Map([
  ['avif', 'image/avif'],
  ['css', 'text/css'],
  ['gif', 'image/gif'],
  ['htm', 'text/html'],
  ['html', 'text/html'],
  ['jpeg', 'image/jpeg'],
  ['jpg', 'image/jpeg'],
  ['js', 'text/javascript'],
  ['json', 'application/json'],
  ['mjs', 'text/javascript'],
  ['pdf', 'application/pdf'],
  ['png', 'image/png'],
  ['svg', 'image/svg+xml'],
  ['wasm', 'application/wasm'],
  ['webp', 'image/webp'],
  ['xml', 'text/xml'],
])

/** How files of a kind begin, one character for each byte. */
const BY_BEGINNING: readonly (readonly [beginning: string, mediaType: string])[] = [
  ['%PDF-', 'application/pdf'],
  ['%!PS-Adobe-', 'application/postscript'],
  ['\xfe\xff', 'text/plain'],
  ['\xff\xfe', 'text/plain'],
  ['\xef\xbb\xbf', 'text/plain'],
  ['\0\0\x01\0', 'image/x-icon'],
  ['BM', 'image/bmp'],
  ['GIF87a', 'image/gif'],
  ['GIF89a', 'image/gif'],
  ['\x89PNG\r\n\x1a\n', 'image/png'],
  ['\xff\xd8\xff', 'image/jpeg'],
  ['\0asm', 'application/wasm'],
  ['\x1f\x8b\x08', 'application/x-gzip'],
  ['PK\x03\x04', 'application/zip'],
  ['Rar!\x1a\x07', 'application/x-rar-compressed'],
]

/** Markup may stand behind blanks. */
const HTML = /^(?:<!--|<(?:!DOCTYPE HTML|HTML|HEAD|SCRIPT|IFRAME|H1|DIV|FONT|TABLE|A|STYLE|TITLE|B|BODY|BR|P)[ >])/i

/** Bytes that {@link fileMediaType} looks at. */
export const MEDIA_TYPE_HEAD_BYTES = 512

/**
 * What a file most likely is: by its extension, else by how it begins. The answer does not depend on the system.
 *
 * @param name - without directories
 * @param head - the first bytes, up to 512
 * @see https://mimesniff.spec.whatwg.org/
 */
export function fileMediaType(name: string, head: Uint8Array): string {
  const extension = /\.([^.]*)$/.exec(name)?.[1]?.toLowerCase() ?? ''
  const known = BY_EXTENSION.get(extension)
  if (known !== undefined) return known
  const bytes = head.subarray(0, MEDIA_TYPE_HEAD_BYTES)
  const text = Buffer.from(bytes).toString('latin1')
  const unindented = text.replace(/^[\t\n\f\r ]+/, '')
  if (HTML.test(unindented)) return 'text/html'
  if (unindented.startsWith('<?xml')) return 'text/xml'
  const begun = BY_BEGINNING.find(([beginning]) => text.startsWith(beginning))
  return begun?.[1] ?? (bytes.some(isBinary) ? 'application/octet-stream' : 'text/plain')
}

/** Control characters other than blanks, line breaks and escape: no text has them. */
function isBinary(byte: number): boolean {
  return byte < 0x20 && ![0x09, 0x0a, 0x0c, 0x0d, 0x1b].includes(byte)
}
