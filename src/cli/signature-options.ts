import { type Command, Option } from 'commander'

/** The values that commander gathers for {@link addVerifyOptions}. */
export interface VerifyOptionValues {
  readonly verify?: string
  readonly certificateIdentity?: string
  readonly certificateIdentityRegexp?: string
  readonly certificateOidcIssuer?: string
  readonly certificateOidcIssuerRegexp?: string
  readonly trustedRoot?: string
  readonly requireTlog?: boolean
  readonly verifyRekorUrl?: string
  readonly signature?: string
  readonly requireSignature?: boolean
}

/** The values that commander gathers for {@link addSignOptions}. */
export interface SignOptionValues {
  readonly signKey?: string
  readonly signKeyPasswordStdin?: boolean
  readonly keyless?: boolean
  readonly identityToken?: string
  readonly fulcioUrl?: string
  readonly rekorUrl?: string
  readonly tlog?: boolean
  readonly timestampUrl?: string
  readonly trustedRoot?: string
}

/** Adds the options that say whose signature is wanted. */
export function addVerifyOptions(command: Command): Command {
  command.optionsGroup('Signature Options:')
  return command
    .option('--verify <file>', 'accept only what this public key signed (PEM)')
    .option('--certificate-identity <name>', 'accept only what this mail address or URI signed')
    .option('--certificate-identity-regexp <pattern>', 'the same as a regular expression, which may match any part')
    .option('--certificate-oidc-issuer <url>', 'who has to have vouched for that identity')
    .option('--certificate-oidc-issuer-regexp <pattern>', 'the same as a regular expression, which may match any part')
    .option('--trusted-root <file>', 'authorities and logs to trust (default: sigstore’s public ones, fetched)')
    .option('--require-tlog', 'with --verify, also want a proof of a transparency log')
    .option('--signature <file>', 'look for the signature here and nowhere else')
    .option('--require-signature', 'fail when nothing says whose signature is wanted')
    .option('--no-require-signature', 'do without, whatever the configuration says')
    .addOption(new Option('--verify-rekor-url <url>', 'the same as --require-tlog').hideHelp())
    .optionsGroup('Options:')
}

/**
 * Adds the options that say how to sign.
 *
 * @param keyFlag - what the option for the key is called besides `--sign-key`
 */
export function addSignOptions(command: Command, keyFlag?: '--key'): Command {
  const key = '--sign-key <file>'
  const description = 'private key: PEM, or cosign’s encrypted key file'
  command.optionsGroup('Signature Options:')
  if (keyFlag === undefined) command.option(key, description)
  else command.option(`${keyFlag} <file>`, description).addOption(new Option(key).hideHelp())
  return command
    .option('--sign-key-password-stdin', 'read the password of the key from standard input')
    .option('--keyless', 'sign with an identity instead of a key; it is published in a transparency log')
    .option(
      '--identity-token <file>',
      'identity token for --keyless, - for standard input (default: that of the build service)',
    )
    .option('--fulcio-url <url>', 'certificate authority for --keyless (default: sigstore’s public one)')
    .option('--rekor-url <url>', 'put the signature into this transparency log')
    .option('--tlog', 'put the signature into sigstore’s public transparency log')
    .option('--timestamp-url <url>', 'have this timestamp authority (RFC 3161) confirm the time')
    .option(
      '--trusted-root <file>',
      'check what these services answered against this before the signature is given out',
    )
    .optionsGroup('Options:')
}
