import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request that a {@link ScriptedServer} got. */
export interface SeenRequest {
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly headers: IncomingMessage['headers']
  readonly raw: IncomingMessage
  /** Reads the body to its end. */
  body(): Promise<Buffer>
}

/** Answers one request. */
export type Script = (request: SeenRequest, response: ServerResponse) => void | Promise<void>

/** An HTTP server that does as it is told, also what no server should; dispose to stop it. */
export interface ScriptedServer extends AsyncDisposable {
  /** Host and port. */
  readonly host: string
  readonly origin: string
  /** All requests so far. */
  readonly seen: readonly SeenRequest[]
  /** `METHOD target` of all requests so far, the greeting left out. */
  readonly log: readonly string[]
  /** Hears of tunnels that are asked for (CONNECT); all are refused. */
  onConnect(listener: (target: string) => void): void
}

export async function scriptedServer(script: Script): Promise<ScriptedServer> {
  const seen: SeenRequest[] = []
  const server = createServer((raw, response) => {
    const request: SeenRequest = {
      method: raw.method ?? '',
      target: raw.url ?? '',
      headers: raw.headers,
      raw,
      async body() {
        const chunks: Buffer[] = []
        for await (const chunk of raw) chunks.push(chunk as Buffer)
        return Buffer.concat(chunks)
      },
    }
    seen.push(request)
    // A cut connection fails scripts that were still reading or writing; what the client makes of it is the test.
    Promise.resolve(script(request, response)).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    host,
    origin: `http://${host}`,
    seen,
    get log() {
      return seen.filter(({ target }) => target !== '/v2/').map(({ method, target }) => `${method} ${target}`)
    },
    onConnect(listener) {
      server.on('connect', (request, socket) => {
        listener(request.url ?? '')
        socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
      })
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
