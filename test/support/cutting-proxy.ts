import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A TCP proxy that cuts connections on request; dispose to stop it. */
export interface CuttingProxy extends AsyncDisposable {
  /** Host and port. */
  readonly address: string
  /** Cuts the connection that is first to carry so many bytes from now on in the given direction. Once. */
  cutAfter(direction: 'up' | 'down', sizeBytes: number): void
  /** Cuts made so far. */
  readonly cuts: number
  /** Bytes that came from the target so far, heads and all. */
  readonly downBytes: number
}

export async function cuttingProxy(target: string): Promise<CuttingProxy> {
  const [host, port] = target.split(':')
  let pending: { readonly direction: 'up' | 'down'; readonly sizeBytes: number } | undefined
  let cuts = 0
  let downBytes = 0
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(Number(port), host)
    const both = [client, upstream]
    for (const socket of both) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        for (const other of both) other.destroy()
      })
    }
    const carry = (direction: 'up' | 'down', from: Socket, to: Socket): void => {
      let carried = 0
      from.on('data', (chunk: Buffer) => {
        if (direction === 'down') downBytes += chunk.length
        if (pending?.direction === direction && (carried += chunk.length) >= pending.sizeBytes) {
          pending = undefined
          cuts++
          // What came is passed on, so that the other side has part of the body.
          to.write(chunk, () => client.destroy())
          return
        }
        if (!to.write(chunk)) {
          from.pause()
          to.once('drain', () => from.resume())
        }
      })
      from.on('end', () => to.end())
    }
    carry('up', client, upstream)
    carry('down', upstream, client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    cutAfter(direction, sizeBytes) {
      pending = { direction, sizeBytes }
    },
    get downBytes() {
      return downBytes
    },
    get cuts() {
      return cuts
    },
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}
