/** `npm run check:deps`: imports keep the direction of the house, go through folder faces, and make no cycles. */
import { posix } from 'node:path'
import { conclude, projectFiles, readProjectFile } from './support/project.ts'

/**
 * For each folder of `src/` the folders it may import. What is not listed here is an upward import, or a friendship
 * that nobody decided on.
 */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  oci: ['errors'],
  stream: ['oci', 'errors'],
  volumes: ['stream', 'oci', 'errors'],
  tar: ['stream', 'oci', 'errors'],
  kernels: ['stream', 'oci', 'errors'],
  compress: ['kernels', 'stream', 'oci', 'errors'],
  recompress: ['workers', 'compress', 'kernels', 'stream', 'oci', 'errors'],
  workers: ['compress', 'kernels', 'stream', 'oci', 'errors'],
  http: ['stream', 'oci', 'errors'],
  auth: ['http', 'stream', 'oci', 'errors'],
  registry: ['auth', 'http', 'stream', 'oci', 'errors'],
  store: ['compress', 'stream', 'oci', 'errors'],
  engine: ['http', 'stream', 'oci', 'errors'],
  transport: ['engine', 'store', 'registry', 'auth', 'http', 'compress', 'tar', 'volumes', 'stream', 'oci', 'errors'],
  image: ['store', 'transport', 'workers', 'recompress', 'compress', 'kernels', 'tar', 'stream', 'oci', 'errors'],
  delta: ['image', 'transport', 'workers', 'recompress', 'compress', 'kernels', 'tar', 'stream', 'oci', 'errors'],
  incremental: [
    'delta',
    'image',
    'engine',
    'store',
    'transport',
    'registry',
    'auth',
    'recompress',
    'workers',
    'compress',
    'stream',
    'oci',
    'errors',
  ],
  sign: ['transport', 'http', 'stream', 'oci', 'errors'],
  'manifest-list': ['image', 'store', 'transport', 'workers', 'recompress', 'compress', 'stream', 'oci', 'errors'],
  cli: [
    'sign',
    'manifest-list',
    'incremental',
    'delta',
    'image',
    'transport',
    'store',
    'registry',
    'recompress',
    'workers',
    'http',
    'auth',
    'compress',
    'kernels',
    'tar',
    'volumes',
    'stream',
    'oci',
    'errors',
  ],
}

/** Folders that run in a browser too. */
const WITHOUT_NODE: ReadonlySet<string> = new Set(['oci', 'errors'])

/** The one folder that may import a package. */
const PACKAGE_HOMES: Readonly<Record<string, string>> = {
  commander: 'cli',
  yaml: 'cli',
  undici: 'http',
  tinypool: 'workers',
  canonicalize: 'sign',
  '@noble/ciphers': 'sign',
  '@sigstore/bundle': 'sign',
  '@sigstore/protobuf-specs': 'sign',
  '@sigstore/tuf': 'sign',
  '@sigstore/verify': 'sign',
}

interface Import {
  readonly specifier: string
  readonly isTypeOnly: boolean
}

const problems: string[] = []
const graph = new Map<string, readonly string[]>()

for (const file of projectFiles('src/**/*.ts')) {
  const imports = importsOf(readProjectFile(file))
  const isTest = file.endsWith('.test.ts')
  for (const found of imports) checkImport(file, found, isTest)
  if (isTest) continue
  // Types are gone at run time, so they can't make a cycle that matters there.
  const local = imports.filter(({ specifier, isTypeOnly }) => specifier.startsWith('.') && !isTypeOnly)
  graph.set(
    file,
    local.map(({ specifier }) => resolve(file, specifier)),
  )
}
problems.push(...cyclesOf(graph))
conclude('check:deps', problems, `${graph.size} modules keep the direction of the house`)

function checkImport(file: string, { specifier }: Import, isTest: boolean): void {
  const folder = folderOf(file)
  if (!specifier.startsWith('.')) {
    checkPackage(file, folder, specifier, isTest)
    return
  }
  const target = resolve(file, specifier)
  if (!target.startsWith('src/')) {
    if (!isTest) problems.push(`${file} imports ${specifier}, which lies outside of src`)
    return
  }
  if (!specifier.endsWith('.ts')) problems.push(`${file} imports ${specifier} without its extension`)
  const targetFolder = folderOf(target)
  if (folder === targetFolder || folder === '') return
  if (targetFolder === '') {
    problems.push(`${file} imports the root exports; import the folder that defines what you need`)
    return
  }
  if (!isTest && ALLOWED[folder]?.includes(targetFolder) !== true) {
    problems.push(`${file} imports ${targetFolder}/, which ${folder}/ must not know`)
  }
  if (target !== `src/${targetFolder}/index.ts`) {
    problems.push(`${file} reaches into ${target}; import ${targetFolder}/index.ts`)
  }
}

function checkPackage(file: string, folder: string, specifier: string, isTest: boolean): void {
  if (specifier.startsWith('node:')) {
    if (!isTest && WITHOUT_NODE.has(folder)) problems.push(`${file} imports ${specifier}; ${folder}/ runs in browsers`)
    return
  }
  if (isTest) return
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
  if (PACKAGE_HOMES[name] === undefined) problems.push(`${file} imports ${specifier}; is it a node: built-in?`)
  else if (PACKAGE_HOMES[name] !== folder) problems.push(`${file} imports ${name}; only ${PACKAGE_HOMES[name]}/ does`)
}

/** Imports and re-exports, static and dynamic. Comments are taken out first: examples import too. */
function importsOf(source: string): readonly Import[] {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
  const statics = code.matchAll(/^\s*(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?'([^'\n]+)'/gm)
  const dynamics = code.matchAll(/\bimport\(\s*'([^'\n]+)'\s*\)/g)
  return [
    ...[...statics].map(([, type, specifier = '']) => ({ specifier, isTypeOnly: type !== undefined })),
    // A dynamic import runs later than the module, so it closes no cycle either.
    ...[...dynamics].map(([, specifier = '']) => ({ specifier, isTypeOnly: true })),
  ]
}

function cyclesOf(edges: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const found: string[] = []
  const finished = new Set<string>()
  const visit = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file)
    if (at !== -1) found.push(`cycle: ${[...path.slice(at), file].join(' → ')}`)
    if (at !== -1 || finished.has(file)) return
    for (const next of edges.get(file) ?? []) visit(next, [...path, file])
    finished.add(file)
  }
  for (const file of edges.keys()) visit(file, [])
  return found
}

function resolve(file: string, specifier: string): string {
  return posix.join(posix.dirname(file), specifier)
}

/** `src/oci/digest.ts` lies in `oci`; files of `src` itself in ``. */
function folderOf(file: string): string {
  return /^src\/([^/]+)\//.exec(file)?.[1] ?? ''
}
