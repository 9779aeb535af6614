import { basename } from 'node:path'
import { type Command, Option } from 'commander'
import { TareError } from '../../../errors/index.ts'
import type { ManifestList } from '../../../manifest-list/index.ts'
import { type Digest, isDigest } from '../../../oci/index.ts'
import { parseAnnotations } from '../../annotation-options.ts'
import { examples } from '../../help.ts'
import { addMemberOptions, applyMemberOptions, type MemberOptionValues } from '../../member-options.ts'
import { openLists } from '../../open-lists.ts'
import { collect } from '../../option-values.ts'
import type { Execute, Run } from '../../run.ts'
import { readSubject } from './add.ts'
import { addReachOptions, type ReachOptionValues } from './insecure-option.ts'
import { listResult } from './list-report.ts'

interface AnnotateOptionValues extends MemberOptionValues, ReachOptionValues {
  readonly index?: boolean
  readonly subject?: string
  readonly unset?: readonly string[]
}

/** How each field of a member is taken away. */
const UNSET: Readonly<Record<string, (list: ManifestList, digest: Digest) => void>> = {
  annotations: (list, digest) => list.clearAnnotations(digest),
  arch: (list, digest) => list.setArchitecture(digest, ''),
  features: (list, digest) => list.setFeatures(digest, []),
  os: (list, digest) => list.setOs(digest, ''),
  'os-features': (list, digest) => list.setOsFeatures(digest, []),
  'os-version': (list, digest) => list.setOsVersion(digest, ''),
  variant: (list, digest) => list.setVariant(digest, ''),
}

/** `tare manifest annotate LIST [MEMBER]` */
export function defineManifestAnnotate(group: Command, execute: Execute): void {
  const command = group
    .command('annotate')
    .summary('say something of a member, or of the list itself')
    .description(
      'Changes what a list says of a member: its annotations and what it is for. Annotations are added to those that ' +
        'are there. With --index annotations and subject are those of the list itself.',
    )
    .argument('<list>', 'name or ID of the list')
    .argument('[member]', 'digest, an image that is a member, or a file that an artifact is made of')
  addMemberOptions(command)
    .option('--index', 'annotate the list itself')
    .option('--subject <image>', 'what the list refers to; with --index')
    .addOption(
      new Option('--unset <field>', `take a field away: ${Object.keys(UNSET).join(', ')} (repeatable)`).argParser(
        collect,
      ),
    )
  addReachOptions(command)
    .addHelpText(
      'after',
      examples([
        ['What a member is for', 'tare manifest annotate app:v1 sha256:… --arch arm --variant v7'],
        [
          'An annotation of the list',
          'tare manifest annotate app:v1 --index --annotation org.opencontainers.image.version=1.2',
        ],
      ]),
    )
    .action((name: string, member: string | undefined, values: AnnotateOptionValues) =>
      execute(async (run) => {
        checkOptions(member, values)
        const annotations = parseAnnotations(values.annotation)
        const { editList, findList, ManifestList } = await import('../../../manifest-list/index.ts')
        const { signal } = run
        await using opened = await openLists(run)
        const { lists } = opened
        const record = await findList(lists, name, { signal })
        const subject = values.subject === undefined ? undefined : await readSubject(values.subject, values, run)
        const { list: present } = await ManifestList.loadFromImage(lists, record.id, { signal })
        const digest = member === undefined ? undefined : await digestOfMember(present, member, values, run)
        const { id, output } = await editList(
          lists,
          record.id,
          (list) => {
            if (digest === undefined) {
              if (values.unset !== undefined) list.clearAnnotations()
              list.setAnnotations(undefined, annotations)
              if (subject !== undefined) list.setSubject(subject)
            } else {
              for (const field of values.unset ?? []) UNSET[field]?.(list, digest)
              applyMemberOptions(list, digest, values)
            }
            return list
          },
          { signal },
        )
        return listResult(id, output)
      }),
    )
}

function checkOptions(member: string | undefined, values: AnnotateOptionValues): void {
  const refuse = (problem: string, hint: string): never => {
    throw new TareError('INVALID_ARGUMENT', problem, { hint })
  }
  const { index = false, subject, unset = [], arch, features, os, osFeatures, osVersion, variant } = values
  for (const field of unset) {
    if (UNSET[field] === undefined) refuse(`${field} is no field`, `Fields are ${Object.keys(UNSET).join(', ')}`)
    if (index && field !== 'annotations') refuse(`a list has no ${field}`, 'Name a member instead of --index')
  }
  if (member === undefined && !index) refuse('no member is named', 'Give its digest, or --index for the list itself')
  if (member !== undefined && index) refuse('--index and a member exclude each other', 'Give one of them')
  if (!index && subject !== undefined) refuse('a subject is that of the list', 'Add --index, and name no member')
  const ofMembers = [arch, features, os, osFeatures, osVersion, variant]
  if (index && ofMembers.some((value) => value !== undefined)) {
    refuse('a list has no platform of its own', 'Name a member instead of --index')
  }
}

/** A member by its digest, by a file of an artifact, or by the image that it is. */
async function digestOfMember(
  list: ManifestList,
  member: string,
  values: AnnotateOptionValues,
  run: Run,
): Promise<Digest> {
  if (isDigest(member)) return member
  for (const [digest, { files }] of list.artifacts()) {
    if (files.includes(member) || files.some((file) => basename(file) === member)) return digest
  }
  const { digest } = await readSubject(member, values, run)
  return digest
}
