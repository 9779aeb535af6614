/** One thing that people do, and the command for it. */
export type Example = readonly [purpose: string, command: string]

/** Examples as they stand at the end of a help text. */
export function examples(list: readonly Example[]): string {
  return `\nExamples:\n${list.map(([purpose, command]) => `  # ${purpose}\n  ${command}\n`).join('')}`
}

/** How images are named, at the end of the help of every verb that takes one. */
export const REFERENCE_HELP = `
Images:
  docker://HOST/REPOSITORY[:TAG|@DIGEST]   in a registry
  oci:DIR[:NAME|@DIGEST]                   OCI layout, a directory
  oci-archive:FILE[:NAME|@DIGEST]          OCI layout in a tar
  docker-archive:FILE[:NAME|:@INDEX]       what docker save writes and docker load reads
  dir:DIR                                  plain files, one for each blob
  store:NAME[:TAG][@DIGEST]                the local store; see --store
  docker-daemon:NAME[:TAG|@DIGEST]         docker or podman; see --docker-host
  containerd:[NAMESPACE/]NAME[:TAG]        containerd; see --containerd-address
  FILE may be - for standard input or output, and may lie in volumes: FILE.001, FILE.002, …
`
