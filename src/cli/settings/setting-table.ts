/** What a setting may be. */
export type SettingType =
  | { readonly kind: 'text' }
  /** In the file, relative ones start from its folder, and `~/` from the home directory. */
  | { readonly kind: 'path' }
  | { readonly kind: 'url' }
  | { readonly kind: 'boolean' }
  /** As `--memory` takes it; 0 is allowed. */
  | { readonly kind: 'size' }
  /** As `--retry-delay` takes it. */
  | { readonly kind: 'duration' }
  | { readonly kind: 'choice'; readonly choices: readonly string[] }
  /** A whole number within limits, or a word that stands for a choice of Tare's. */
  | { readonly kind: 'count'; readonly least: number; readonly most: number; readonly word?: string | undefined }
  /** One or several; in a variable separated by commas. */
  | { readonly kind: 'platforms' }

/** The parts of the table. */
export const SETTING_GROUPS = ['General', 'Registries', 'Deltas', 'Signatures'] as const

/** One of the parts of the table. */
export type SettingGroup = (typeof SETTING_GROUPS)[number]

/** Something that can be set once for all runs: an option of the same name, a variable, a line in the file. */
export interface Setting {
  /** Of the option, without its dashes, and in the file. */
  readonly name: string
  readonly group: SettingGroup
  readonly type: SettingType
  readonly meaning: string
  /** What holds where nothing is said. */
  readonly otherwise: string
  /** A value as it may stand in the file. */
  readonly example: string
  /** The verbs it is for, where others have an option of the same name that means something else. */
  readonly verbs?: readonly string[] | undefined
  /** Once on in the file, only the command line turns it off; no variable does. */
  readonly isPolicy?: boolean | undefined
  /** Options that stand for the same choice: where one of them is on the command line, this setting does not count. */
  readonly yieldsTo?: readonly string[] | undefined
}

const IDENTITY = ['certificate-identity', 'certificate-oidc-issuer']

/**
 * Every setting. The configuration file, the variables, `tare config`, the page `docs/configuration.md` and the schema
 * `docs/schemas/config.schema.json` follow from this table.
 */
export const SETTINGS: readonly Setting[] = [
  {
    name: 'workdir',
    group: 'General',
    type: { kind: 'path' },
    meaning: 'where temporary files go',
    otherwise: 'the system’s temporary directory',
    example: '/var/tmp',
  },
  {
    name: 'jobs',
    group: 'General',
    type: { kind: 'count', least: 1, most: 256 },
    meaning: 'worker threads, and blobs on their way at a time',
    otherwise: 'one thread for each processor, 6 blobs',
    example: '4',
  },
  {
    name: 'memory',
    group: 'General',
    type: { kind: 'size' },
    meaning: 'memory to stay within; 0 is no bound',
    otherwise: 'threads take half of the machine’s',
    example: '2GiB',
  },
  {
    name: 'progress',
    group: 'General',
    type: { kind: 'choice', choices: ['auto', 'bars', 'lines', 'json', 'off'] },
    meaning: 'how progress is shown on stderr',
    otherwise: 'auto',
    example: 'lines',
  },
  {
    name: 'color',
    group: 'General',
    type: { kind: 'boolean' },
    meaning: 'false prints without colours',
    otherwise: 'true',
    example: 'false',
  },
  {
    name: 'platform',
    group: 'General',
    type: { kind: 'platforms' },
    meaning: 'take only these members of an index',
    otherwise: 'an index is taken whole',
    example: '[linux/amd64, linux/arm64]',
    verbs: ['copy', 'inspect', 'diff', 'bundle', 'layer', 'verify'],
  },
  {
    name: 'authfile',
    group: 'Registries',
    type: { kind: 'path' },
    meaning: 'credential file',
    otherwise: 'what podman and docker use',
    example: '~/.config/containers/auth.json',
  },
  {
    name: 'tls-verify',
    group: 'Registries',
    type: { kind: 'boolean' },
    meaning: 'false accepts plain HTTP and any certificate',
    otherwise: 'true',
    example: 'true',
  },
  {
    name: 'cert-dir',
    group: 'Registries',
    type: { kind: 'path' },
    meaning: 'directory with CA (*.crt) and client (*.cert, *.key) certificates',
    otherwise: 'the system’s authorities',
    example: '/etc/containers/certs.d/registry.example',
  },
  {
    name: 'retry-times',
    group: 'Registries',
    type: { kind: 'count', least: 0, most: 100 },
    meaning: 'how often a failed request is tried again',
    otherwise: '4',
    example: '10',
  },
  {
    name: 'retry-delay',
    group: 'Registries',
    type: { kind: 'duration' },
    meaning: 'longest pause before the first new try; each further one doubles',
    otherwise: '250ms',
    example: '2s',
  },
  {
    name: 'intra-layer',
    group: 'Deltas',
    type: { kind: 'choice', choices: ['auto', 'off', 'required'] },
    meaning: 'whether layers are patched: where it pays, never, or else the run fails',
    otherwise: 'auto',
    example: 'auto',
  },
  {
    name: 'archive-format',
    group: 'Deltas',
    type: { kind: 'choice', choices: ['tare', 'diffah'] },
    meaning: 'kind of delta files to write',
    otherwise: 'tare',
    example: 'diffah',
  },
  {
    name: 'zstd-level',
    group: 'Deltas',
    type: { kind: 'count', least: 1, most: 22 },
    meaning: 'how hard patches in diffah’s format are compressed',
    otherwise: '22',
    example: '19',
  },
  {
    name: 'zstd-window-log',
    group: 'Deltas',
    type: { kind: 'count', least: 10, most: 31, word: 'auto' },
    meaning: 'window of patches in diffah’s format, as a power of two',
    otherwise: 'auto',
    example: 'auto',
  },
  {
    name: 'candidates',
    group: 'Deltas',
    type: { kind: 'count', least: 1, most: 100 },
    meaning: 'baseline layers that are tried for each patch in diffah’s format',
    otherwise: '3',
    example: '3',
  },
  {
    name: 'require-signature',
    group: 'Signatures',
    type: { kind: 'boolean' },
    meaning: 'deltas without a good signature are refused',
    otherwise: 'false',
    example: 'true',
    isPolicy: true,
  },
  {
    name: 'verify',
    group: 'Signatures',
    type: { kind: 'path' },
    meaning: 'public key that signatures are checked with',
    otherwise: 'none',
    example: '/etc/tare/release.pub',
    yieldsTo: IDENTITY,
  },
  {
    name: 'certificate-identity',
    group: 'Signatures',
    type: { kind: 'text' },
    meaning: 'who a keyless signature must be from',
    otherwise: 'none',
    example: 'release@example.com',
    yieldsTo: ['verify'],
  },
  {
    name: 'certificate-oidc-issuer',
    group: 'Signatures',
    type: { kind: 'text' },
    meaning: 'who must have vouched for that identity',
    otherwise: 'none',
    example: 'https://accounts.example.com',
    yieldsTo: ['verify'],
  },
  {
    name: 'trusted-root',
    group: 'Signatures',
    type: { kind: 'path' },
    meaning: 'trusted root of sigstore, for checks without a network',
    otherwise: 'that of the public sigstore',
    example: '/etc/tare/trusted-root.json',
  },
  {
    name: 'rekor-url',
    group: 'Signatures',
    type: { kind: 'url' },
    meaning: 'transparency log that signatures are entered in',
    otherwise: 'that of the public sigstore',
    example: 'https://rekor.example.com',
  },
  {
    name: 'fulcio-url',
    group: 'Signatures',
    type: { kind: 'url' },
    meaning: 'authority that certifies keyless signatures',
    otherwise: 'that of the public sigstore',
    example: 'https://fulcio.example.com',
  },
]

/** The variable of a setting: `TARE_TLS_VERIFY`. */
export function variableOf({ name }: Setting): string {
  return `TARE_${name.toUpperCase().replaceAll('-', '_')}`
}

/** Which file holds the settings. */
export const CONFIG_VARIABLE = 'TARE_CONFIG'
