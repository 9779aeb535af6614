/** Imports an archive into a store, for `bench/store.ts`: `node import-once.ts ARCHIVE STORE`. Prints its peak memory. */
import { importImages } from '../../src/image/index.ts'
import { Store } from '../../src/store/index.ts'
import { readFileRange } from '../../src/stream/index.ts'

const [archive = '', directory = ''] = process.argv.slice(2)
const begun = performance.now()
{
  await using store = await Store.open(directory)
  const { images } = await importImages(store.namespace(), readFileRange(archive))
  if (images.length === 0) throw new Error('the archive names no image')
}
console.log(JSON.stringify({ ms: performance.now() - begun, peakBytes: process.resourceUsage().maxRSS * 1024 }))
