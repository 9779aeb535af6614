import { parseArgs } from 'node:util'
import { FileRegistryStorage, startRegistry } from '../src/registry/index.ts'
import { SpoolDirectory } from '../src/stream/index.ts'

/** Runs a registry by hand: `npm run -s registry -- --port N [--root DIR] [--host HOST]`. */
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '5000' },
    host: { type: 'string', default: '127.0.0.1' },
    /** Keeps the content; without it everything is gone when the registry stops. */
    root: { type: 'string' },
  },
})

const stopped = new Promise<void>((resolve) => {
  process.once('SIGINT', resolve)
  process.once('SIGTERM', resolve)
})
await using scratch = values.root === undefined ? await SpoolDirectory.create() : undefined
await using registry = await startRegistry({
  host: values.host,
  port: Number(values.port),
  storage: await FileRegistryStorage.open(values.root ?? scratch?.path ?? ''),
  logger: { warn: (message) => console.error(message), debug() {} },
})
console.log(registry.url)
await stopped
