/** Logs in people by OpenID Connect: authorization code with PKCE, and what the provider says about a person. */
import * as client from 'openid-client'
import type { OidcSettings } from '../settings.ts'
import type { LoginAttempt } from './login_attempts.ts'

/** The claims of the provider about a person. */
export interface Person {
  readonly issuer: string
  /** Identifier of the person at the provider, which never changes. */
  readonly subject: string
  readonly claims: Readonly<Record<string, unknown>>
}

/** A login that failed, with a sentence for the login page. */
export class LoginFailure extends Error {
  /** @param isSuspicious whether it may be an attempt to break in, so that the limit of logins counts it */
  constructor(
    message: string,
    readonly isSuspicious = true,
    options: ErrorOptions = {},
  ) {
    super(message, options)
  }
}

const timeoutSeconds = 15
/** The metadata of the provider are read again after this time. */
const metadataMs = 60 * 60 * 1000
/** Seconds by which the clocks of console and provider may differ. */
const clockTolerance = 30

export class Provider {
  private cached: { readonly configuration: Promise<client.Configuration>; readonly until: number } | undefined

  constructor(
    readonly settings: OidcSettings,
    private readonly now: () => Date,
  ) {}

  /**
   * Begins a login.
   * @returns the address at the provider, and the values that its answer must match
   * @throws LoginFailure
   */
  async begin(redirectUri: string): Promise<{ readonly url: string; readonly attempt: LoginAttempt }> {
    const attempt = {
      state: client.randomState(),
      nonce: client.randomNonce(),
      verifier: client.randomPKCECodeVerifier(),
      redirectUri,
    }
    const configuration = await this.configuration()
    if (configuration.serverMetadata().authorization_endpoint === undefined)
      throw new LoginFailure(
        `the provider at ${this.settings.issuer} has no authorization_endpoint in its metadata: check "issuer"`,
      )
    const url = client.buildAuthorizationUrl(configuration, {
      redirect_uri: redirectUri,
      scope: this.settings.scopes.join(' '),
      state: attempt.state,
      nonce: attempt.nonce,
      code_challenge: await client.calculatePKCECodeChallenge(attempt.verifier),
      code_challenge_method: 'S256',
    })
    return { url: url.href, attempt }
  }

  /**
   * Completes a login.
   * @param search query of the address to which the provider has sent the browser
   * @throws LoginFailure
   */
  async finish({ state, nonce, verifier, redirectUri }: LoginAttempt, search: string): Promise<Person> {
    const configuration = await this.configuration()
    try {
      const tokens = await client.authorizationCodeGrant(configuration, new URL(`${redirectUri}${search}`), {
        pkceCodeVerifier: verifier,
        expectedState: state,
        expectedNonce: nonce,
        idTokenExpected: true,
      })
      const claims = tokens.claims()
      if (claims === undefined) throw new LoginFailure('the provider sent no ID token')
      const { account_claim, groups_claim } = this.settings
      const isComplete = account_claim in claims && groups_claim in claims
      const { userinfo_endpoint } = configuration.serverMetadata()
      const userInfo =
        isComplete || userinfo_endpoint === undefined
          ? {}
          : await client.fetchUserInfo(configuration, tokens.access_token, claims.sub)
      return { issuer: claims.iss, subject: claims.sub, claims: { ...userInfo, ...claims } }
    } catch (thrown) {
      throw this.failure(thrown)
    }
  }

  private async configuration(): Promise<client.Configuration> {
    const now = this.now().getTime()
    if (this.cached === undefined || this.cached.until < now)
      this.cached = { configuration: this.discover(), until: now + metadataMs }
    const { configuration } = this.cached
    try {
      return await configuration
    } catch (thrown) {
      this.cached = undefined
      throw this.failure(thrown)
    }
  }

  private discover(): Promise<client.Configuration> {
    const { issuer, client_id, clientSecret } = this.settings
    const url = new URL(issuer)
    const metadata = { client_secret: clientSecret, [client.clockTolerance]: clockTolerance }
    return client.discovery(url, client_id, metadata, client.ClientSecretBasic(clientSecret), {
      timeout: timeoutSeconds,
      // Verify the signatures of ID tokens, and do not rely on the TLS connection alone.
      execute: [client.enableNonRepudiationChecks, ...(url.protocol === 'http:' ? [client.allowInsecureRequests] : [])],
    })
  }

  private failure(thrown: unknown): LoginFailure {
    if (thrown instanceof LoginFailure) return thrown
    const { issuer } = this.settings
    // Denied by the provider, or not reached: `fetch` throws a TypeError.
    const isHarmless = thrown instanceof client.AuthorizationResponseError || isUnreachable(thrown)
    return new LoginFailure(reasonOf(thrown, issuer), !isHarmless, { cause: thrown })
  }
}

function isUnreachable(thrown: unknown): boolean {
  return thrown instanceof TypeError || (thrown as { readonly code?: unknown } | null)?.code === 'OAUTH_TIMEOUT'
}

const wrongClient = 'the provider does not accept the client id or the client secret of the console'

function reasonOf(thrown: unknown, issuer: string): string {
  if (thrown instanceof client.AuthorizationResponseError) {
    const { error, error_description = '' } = thrown
    return error === 'access_denied'
      ? `the provider denied the login${explained(error_description)}`
      : `the provider refused the login with ${quoted(error)}${explained(error_description)}`
  }
  if (thrown instanceof client.ResponseBodyError) {
    const { error, error_description = '' } = thrown
    const reasons: Readonly<Record<string, string>> = {
      invalid_client: wrongClient,
      unauthorized_client: 'the provider does not permit this client to log in people with a code',
      invalid_grant:
        'the provider does not accept the code: it has expired, was used before, or belongs to another address',
    }
    return reasons[error] ?? `the provider refused the code with ${quoted(error)}${explained(error_description)}`
  }
  if (thrown instanceof client.WWWAuthenticateChallengeError)
    return thrown.cause.some(({ scheme }) => scheme === 'basic')
      ? wrongClient
      : `the provider refused what it is asked about the person: status ${thrown.status}`
  if (!(thrown instanceof Error)) return 'the login failed'
  const { code, cause } = thrown as Error & { readonly code?: string }
  switch (code) {
    case 'OAUTH_JWT_TIMESTAMP_CHECK_FAILED':
      return 'the ID token is not valid at this time: compare the clocks of the console and the provider'
    case 'OAUTH_JWT_CLAIM_COMPARISON_FAILED':
      return `the ID token is not for this login: its claim ${claimOf(cause)} is wrong`
    case 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED':
      return `the provider at ${issuer} calls itself differently: compare "issuer" with its metadata`
    case 'OAUTH_RESPONSE_IS_NOT_CONFORM':
      return `the provider at ${issuer} answered with status ${statusOf(cause)}`
    case 'OAUTH_RESPONSE_IS_NOT_JSON':
    case 'OAUTH_PARSE_ERROR':
      return `the provider at ${issuer} did not answer with JSON: check "issuer"`
    case 'OAUTH_TIMEOUT':
      return `the provider at ${issuer} did not answer within ${timeoutSeconds} s`
    case 'OAUTH_KEY_SELECTION_FAILED':
      return 'the provider has no key that fits the signature of the ID token'
    default:
  }
  const system = (cause as { readonly code?: unknown } | undefined)?.code
  if (thrown instanceof TypeError) return `cannot reach the provider at ${issuer}: ${quoted(system ?? thrown.message)}`
  const { message: detail = '' } = (cause ?? {}) as { readonly message?: string }
  return `the answer of the provider is wrong: ${quoted(detail === '' ? thrown.message : detail)}`
}

function claimOf(cause: unknown): string {
  return quoted((cause as { readonly cause?: { readonly claim?: unknown } } | undefined)?.cause?.claim ?? 'unknown')
}

function statusOf(cause: unknown): string {
  return quoted((cause as { readonly status?: unknown } | undefined)?.status ?? 'unknown')
}

function explained(description: string): string {
  return description === '' ? '' : `: ${quoted(description)}`
}

/** Returns a text of the provider on one line, so that it cannot imitate another line of the log. */
function quoted(text: unknown): string {
  return String(text)
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .slice(0, 200)
}
