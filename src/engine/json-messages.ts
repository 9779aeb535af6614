import { TareError } from '../errors/index.ts'
import { printableText } from '../http/index.ts'
import { isJsonObject } from '../oci/index.ts'
import type { ByteSource } from '../stream/index.ts'

/** One line of what an engine tells while it works. */
export interface EngineMessage {
  /** What it says: `Loaded image: app:v1`. Foreign text, made printable. */
  readonly text: string
  /** Bytes of a layer that are done, and all of them. */
  readonly progress?: { readonly current: number; readonly total: number } | undefined
}

/** A line longer than this is no message. */
const MAX_LINE_CHARS = 256 * 1024

/**
 * Reads the stream of JSON objects, one a line, that Docker answers long requests with.
 *
 * @param subject - what was asked for, for errors
 * @throws {TareError} `ENGINE_REFUSED` with the engine's words as soon as it reports an error; `ENGINE_PROTOCOL`
 */
export async function* engineMessages(body: ByteSource, subject: string): AsyncGenerator<EngineMessage, void> {
  for await (const line of lines(body, subject)) {
    const message = parseLine(line, subject)
    if (message !== undefined) yield message
  }
}

async function* lines(body: ByteSource, subject: string): AsyncGenerator<string, void> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true })
    const parts = rest.split('\n')
    rest = parts.pop() ?? ''
    yield* parts
    if (rest.length > MAX_LINE_CHARS) throw new TareError('ENGINE_PROTOCOL', `${subject}: a message has no end`)
  }
  yield rest
}

function parseLine(line: string, subject: string): EngineMessage | undefined {
  if (line.trim() === '') return undefined
  const message = parseObject(line)
  if (message === undefined) {
    throw new TareError('ENGINE_PROTOCOL', `${subject}: ${JSON.stringify(printableText(line))} is no message`)
  }
  const problem = errorText(message)
  if (problem !== undefined) throw new TareError('ENGINE_REFUSED', `${subject}: ${printableText(problem)}`)
  const said = message['stream'] ?? message['status']
  const progress = progressOf(message['progressDetail'])
  return { text: typeof said === 'string' ? printableText(said.trim()) : '', progress }
}

/** The error that an engine reports in an object; both forms mean the same. */
export function errorText(message: Readonly<Record<string, unknown>>): string | undefined {
  const detail = message['errorDetail']
  const text = isJsonObject(detail) ? detail['message'] : message['error']
  if (typeof text === 'string' && text !== '') return text
  return detail === undefined && message['error'] === undefined ? undefined : 'it failed without a word'
}

function parseObject(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function progressOf(detail: unknown): EngineMessage['progress'] {
  if (!isJsonObject(detail)) return undefined
  const { current, total } = detail
  return typeof current === 'number' && typeof total === 'number' && total > 0 ? { current, total } : undefined
}
