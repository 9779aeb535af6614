import type { Command } from 'commander'
import { hasErrorCode, TareError } from '../../../errors/index.ts'
import type { ImageStore } from '../../../store/index.ts'
import { examples } from '../../help.ts'
import { findImage, fullName, namespaceOption, openStore, type StoreOptionValues } from '../../open-store.ts'
import type { Execute, Run } from '../../run.ts'

interface TagOptionValues extends StoreOptionValues {
  readonly force?: boolean
}

/** `tare image tag NAME NEW…` */
export function defineImageTag(group: Command, execute: Execute): void {
  group
    .command('tag')
    .summary('give an image further names')
    .description('Gives an image further names, with the labels it has: all of them or none.')
    .argument('<name>', 'image of the store')
    .argument('<new...>', 'further names')
    .option('--force', 'move names that are taken')
    .addOption(namespaceOption())
    .addHelpText('after', examples([['For a registry', 'tare image tag app:v2 registry.example/app:v2']]))
    .action((name: string, names: readonly string[], values: TagOptionValues) =>
      execute(async (run) => {
        const { signal } = run
        await using opened = await openStore(run, values)
        const { images } = opened.namespace
        const { target, labels } = await findImage(images, name, run)
        const full = await Promise.all(names.map(fullName))
        if (values.force !== true) for (const candidate of full) await checkIsFree(images, candidate, run)
        const tagged = full.map((candidate) => ({ name: candidate, target, labels }))
        await images.putAll(tagged, { signal, replaceLabels: true })
        const report = { digest: target.digest, names: full }
        return { kind: 'summary', report, text: full.map((candidate) => `${candidate}\n`).join('') }
      }),
    )
}

async function checkIsFree(images: ImageStore, name: string, { signal }: Run): Promise<void> {
  try {
    await images.get(name, { signal })
  } catch (error) {
    if (hasErrorCode(error, 'NOT_FOUND')) return
    throw error
  }
  throw new TareError('ALREADY_EXISTS', `image ${name} is there already`, { hint: 'Move it with --force' })
}
