/** Runs a real OpenID provider, whose login page asks only for a name, and follows its logins as a browser does. */
import { generateKeyPairSync, sign } from 'node:crypto'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import Oidc, { type Configuration, type KoaContextWithOIDC } from 'oidc-provider'

export interface Identity {
  readonly [claim: string]: unknown
}

export const clientSecret = 'secret of the console, as the provider knows it'

export class IdentityProvider {
  /** The claims of an account, by the name that its user enters on the login page. The name is the subject. */
  readonly claimsByName = new Map<string, Identity>()
  /** Called with each answer of the token endpoint, to change it. */
  tamper: (answer: Record<string, unknown>) => void = () => undefined
  private readonly key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  private handler: RequestListener = (_, response) => response.end()

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async start(): Promise<IdentityProvider> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const provider = new IdentityProvider(server, (server.address() as AddressInfo).port)
    server.on('request', (...given) => provider.handler(...given))
    return provider
  }

  get issuer(): string {
    return `http://127.0.0.1:${this.port}`
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
  }

  /** Returns an ID token of the provider with other claims. */
  signWithClaims(token: unknown, other: Identity): string {
    const [header = '', payload = ''] = String(token).split('.')
    const claims = { ...JSON.parse(Buffer.from(payload, 'base64url').toString()), ...other }
    const content = `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`
    return `${content}.${sign('sha256', Buffer.from(content), this.key).toString('base64url')}`
  }

  /** @param redirectUris that the client `console` may name */
  permit(redirectUris: readonly string[]): void {
    const configuration: Configuration = {
      clients: [{ client_id: 'console', client_secret: clientSecret, redirect_uris: [...redirectUris] }],
      jwks: { keys: [{ ...this.key.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: 'test' }] } as NonNullable<
        Configuration['jwks']
      >,
      claims: { openid: ['sub'], profile: ['preferred_username', 'groups'], email: ['email', 'email_verified'] },
      findAccount: (_, subject) => ({
        accountId: subject,
        claims: () => ({ sub: subject, ...this.claimsByName.get(subject) }),
      }),
      interactions: { url: (_, { uid }) => `/interaction/${uid}` },
      features: { devInteractions: { enabled: false } },
      pkce: { required: () => true },
      ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600 },
      cookies: { keys: ['a key for the test'] },
      loadExistingGrant: async ({ oidc }) => {
        const { session, client: known, provider } = oidc
        if (session?.accountId === undefined || known === undefined) return undefined
        const grant = new provider.Grant({ accountId: session.accountId, clientId: known.clientId })
        grant.addOIDCScope('openid profile email')
        await grant.save()
        return grant
      },
    }
    const oidc = new Oidc(this.issuer, configuration)
    oidc.use(async (context: KoaContextWithOIDC, next: () => Promise<void>) => {
      if (context.path.startsWith('/interaction/')) return this.interact(oidc, context)
      await next()
      if (context.path === '/token' && typeof context.body === 'object')
        this.tamper(context.body as Record<string, unknown>)
    })
    const answer = oidc.callback()
    this.handler = (...given) => void answer(...given)
  }

  private async interact(oidc: Oidc, context: KoaContextWithOIDC): Promise<void> {
    const name = context.URL.searchParams.get('name')
    context.respond = false
    if (name === null) {
      context.res.setHeader('Content-Type', 'text/html; charset=utf-8')
      context.res.end('<h1>Provider</h1><form><label>Who <input name="name"></label><button>Continue</button></form>')
      return
    }
    const result =
      name === ''
        ? { error: 'access_denied', error_description: 'not today\nlogin of root succeeded' }
        : { login: { accountId: name } }
    await oidc.interactionFinished(context.req, context.res, result)
  }
}

/** Follows a login as a browser does, with cookies by their origin. */
export class Visitor {
  private readonly cookies = new Map<string, string>()

  /** Requests an address, and returns the first redirect that starts with `until`, or the address without a redirect. */
  async visit(address: string, until: string): Promise<{ readonly url: string; readonly status: number }> {
    let url = address
    for (let hop = 0; hop < 12; hop++) {
      if (url.startsWith(until)) return { url, status: 0 }
      const { origin } = new URL(url)
      const cookies = [...this.cookies].filter(([key]) => key.startsWith(`${origin} `))
      const Cookie = cookies.map(([key, value]) => `${key.slice(origin.length + 1)}=${value}`).join('; ')
      const response = await fetch(url, { redirect: 'manual', headers: { Cookie } })
      for (const line of response.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
        this.cookies.set(`${origin} ${name}`, value)
      }
      const location = response.headers.get('location')
      if (location === null) return { url, status: response.status }
      url = new URL(location, url).href
    }
    throw new Error(`too many redirects from ${address}`)
  }
}
