import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { runPeer } from './peers.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** A containerd over a directory of its own; dispose to end it. */
export interface Containerd extends AsyncDisposable {
  /** Runs `ctr` on it and gives what it printed. */
  ctr(...args: readonly string[]): Promise<string>
}

/** Starts Debian's containerd with what images need and nothing else. */
export async function startContainerd(): Promise<Containerd> {
  await using stack = new AsyncDisposableStack()
  const directory = stack.use(await temporaryDirectory())
  const address = directory.join('containerd.sock')
  const configuration = `version = 2
root = "${directory.join('root')}"
state = "${directory.join('state')}"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
address = "${address}"
`
  await writeFile(directory.join('config.toml'), configuration)
  const child = spawn('containerd', ['--config', directory.join('config.toml')], { stdio: 'ignore' })
  stack.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  })
  const ctr = async (...args: readonly string[]): Promise<string> =>
    (await runPeer('ctr', ['--address', address, ...args])).stdout
  for (let tries = 100; ; tries--) {
    try {
      await ctr('version')
      break
    } catch (error) {
      if (tries === 0 || child.exitCode !== null) throw error
      await wait(100)
    }
  }
  const owned = stack.move()
  return { ctr, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}
