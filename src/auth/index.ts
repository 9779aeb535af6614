/** Getting into a registry: credentials, challenges, tokens. */
export { AuthFile, type CredentialLocation } from './auth-file.ts'
export { type AccessRequest, Authenticator, type AuthenticatorOptions, type Authorization } from './authenticator.ts'
export { type Challenge, parseChallenges } from './challenge.ts'
export { askCredentialHelper, type CredentialHelperOptions } from './credential-helper.ts'
export { type CredentialSources, credentialProvider } from './credential-provider.ts'
export {
  ANONYMOUS,
  type CredentialProvider,
  type Credentials,
  type CredentialTarget,
  parseCredentials,
} from './credentials.ts'
export { CATALOG_SCOPE, type RepositoryAction, repositoryScope, type Scope, unionScopes } from './scope.ts'
export { SharedFlight } from './shared-flight.ts'
export { type AuthFileSurvey, type HelperSurvey, surveyCredentials } from './survey-credentials.ts'
export { type AccessToken, fetchToken, type TokenRequest } from './token-server.ts'
