import type { GzipExplanation, MemberGroup, SignsReport } from '../../recompress/index.ts'
import type { LayerExplanation, LayersReport } from '../explain-layers.ts'
import { formatDuration } from '../format/duration.ts'
import { formatPercent, formatSize } from '../format/size.ts'
import { formatFields } from '../format/table.ts'

/** What `tare layer explain` says. */
export function layersText(report: LayersReport): string {
  if (report.digest === undefined) return report.layers.map((layer) => layerText(layer, report.subject)).join('\n')
  const head = formatFields([
    ['image', report.subject],
    ['digest', report.digest],
    ['layers', String(report.layers.length)],
  ])
  return [head, ...report.layers.map((layer) => layerText(layer, undefined))].join('\n')
}

/** @param path - of a file that stands for itself */
function layerText(layer: LayerExplanation, path: string | undefined): string {
  const details = layer.compression === 'gzip' ? gzipFields(layer) : []
  return formatFields([
    ['file', path],
    [path === undefined ? 'layer' : 'digest', layer.digest],
    ['made by', makers(layer)],
    ['size', sizes(layer)],
    ...details,
  ])
}

/** What made a layer, the most of it first. */
function makers(layer: LayerExplanation): string {
  switch (layer.compression) {
    case 'none':
      return layer.isTar ? 'plain tar' : 'plain bytes'
    case 'zstd':
      return 'zstd, not made again yet'
    case 'foreign':
      return 'not held here; to be fetched from its URLs'
    case 'gzip':
      if (layer.precision === 'unknown') return 'unknown encoder'
      return layer.groups
        .toSorted((a, b) => b.plainBytes - a.plainBytes)
        .map(groupText)
        .join('; ')
  }
}

function groupText(group: MemberGroup): string {
  const { name, precision, level, memLevel, blockBytes, count } = group
  const settings = [
    level === undefined ? undefined : `level ${level}`,
    memLevel === undefined || memLevel === DEFAULT_MEM_LEVEL ? undefined : `memLevel ${memLevel}`,
    blockBytes === undefined ? undefined : `blocks of ${blockBytes / 1024} KiB`,
    group.family === undefined ? undefined : `family ${group.family}`,
    count === 1 ? undefined : `${count} members`,
    precision,
  ]
  return [name, ...settings.filter((setting) => setting !== undefined)].join(', ')
}

const DEFAULT_MEM_LEVEL = 8

function sizes(layer: LayerExplanation): string {
  if (layer.compression !== 'gzip') return formatSize(layer.sizeBytes)
  return `${formatSize(layer.sizeBytes)}, ${formatPercent(layer.sizeBytes, layer.plainBytes)} of ${formatSize(layer.plainBytes)}`
}

function gzipFields(
  layer: Extract<LayerExplanation, { compression: 'gzip' }>,
): readonly (readonly [name: string, value: string | undefined])[] {
  const { memberCount, recipeBytes, signs } = layer
  const total = (count: (group: MemberGroup) => number): number =>
    layer.groups.reduce((sum, group) => sum + count(group), 0)
  const corrections = total((group) => group.correctionBytes)
  return [
    ['members', memberCount === 1 ? undefined : String(memberCount)],
    ['recipe', recipeBytes === undefined ? 'none' : recipeText(recipeBytes, layer.sizeBytes)],
    ['flushes', counted(total((group) => group.flushCount))],
    ['checkpoints', counted(total((group) => group.checkpointCount))],
    ['corrections', corrections === 0 ? undefined : formatSize(corrections)],
    ['speed', speed(layer)],
    ['signs', signs === undefined ? undefined : signsText(signs)],
  ]
}

/** Recipes of exact layers are so small that their share says nothing. */
function recipeText(recipeBytes: number, layerBytes: number): string {
  const size = formatSize(recipeBytes)
  return recipeBytes * 10_000 < layerBytes ? size : `${size}, ${formatPercent(recipeBytes, layerBytes)} of the layer`
}

function counted(count: number): string | undefined {
  return count === 0 ? undefined : String(count)
}

function speed({ detectSeconds, regenerateSeconds, plainBytesPerSecond }: GzipExplanation): string {
  const found = `looked at in ${formatDuration(detectSeconds * 1000)}`
  if (regenerateSeconds === undefined) return found
  const rate = plainBytesPerSecond === undefined ? '' : `, ${formatSize(plainBytesPerSecond)} of tar a second`
  return `${found}, made again in ${formatDuration(regenerateSeconds * 1000)}${rate}`
}

/** What a person who knows encoders can tell one by. */
function signsText(signs: SignsReport): string {
  const { shortestMatch, longestDistance, syncMarkerCount, describesAllCodes, ending } = signs
  return [
    signs.member === 0 ? undefined : `member ${signs.member}`,
    `header flags ${signs.extraFlags}`,
    `system ${signs.operatingSystem}`,
    shortestMatch === undefined ? 'no matches' : `shortest match ${shortestMatch}, farthest ${longestDistance}`,
    `${syncMarkerCount} flushes in the first ${formatSize(signs.seenBytes)}`,
    describesAllCodes ? 'describes all codes' : undefined,
    ENDINGS[ending],
  ]
    .filter((sign) => sign !== undefined)
    .join('; ')
}

const ENDINGS: Readonly<Record<SignsReport['ending'], string | undefined>> = {
  stored: 'ends in an empty stored block',
  'sync-fixed': 'ends in a flush and an empty fixed block',
  other: undefined,
}
