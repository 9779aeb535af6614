/** One block of a PEM file. */
export interface PemBlock {
  /** `PRIVATE KEY`, `CERTIFICATE`, … */
  readonly label: string
  /** Header lines such as `Proc-Type`, which old encrypted keys have. */
  readonly hasHeaders: boolean
  /** The block as it stands in the file. */
  readonly text: string
  readonly der: Buffer
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----\r?\n([\s\S]*?)-----END \1-----/g
const HEADERS = /^(?:[A-Za-z0-9-]+: .*\r?\n)+\r?\n/

/** The blocks of a PEM file in their order; text between them is passed over. */
export function pemBlocks(text: string): readonly PemBlock[] {
  return [...text.matchAll(BLOCK)].flatMap(([block, label = '', body = '']) => {
    const headers = HEADERS.exec(body)?.[0] ?? ''
    const base64 = body.slice(headers.length).replace(/\s/g, '')
    if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return []
    return [{ label, hasHeaders: headers !== '', text: `${block}\n`, der: Buffer.from(base64, 'base64') }]
  })
}
