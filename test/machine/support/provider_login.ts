/** Logs in at the console by a provider, step by step. */
import { Client } from './console.ts'
import { Visitor } from './identity_provider.ts'

const loginCookie = '__Host-converge-login'

/** A browser that logs in by the provider. */
export class ProviderLogin {
  readonly visitor = new Visitor()
  readonly client: Client
  key = ''

  constructor(private readonly address: string) {
    this.client = new Client(() => address)
  }

  /** @returns the address at the provider */
  async begin(): Promise<string> {
    const response = await fetch(`${this.address}/api/login/provider`, {
      method: 'POST',
      headers: this.client.headers({}),
    })
    this.key = cookieOf(response, loginCookie) ?? this.key
    const body = (await response.json()) as { readonly url?: string; readonly error?: { readonly message: string } }
    if (body.url === undefined) throw new Error(body.error?.message)
    return body.url
  }

  /** Logs in at the provider. @param name empty: the provider denies it @returns the address of the callback */
  async atProvider(url: string, name: string): Promise<string> {
    const callback = `${this.address}/login/callback`
    const visited = await this.visitor.visit(url, callback)
    if (visited.url.startsWith(callback)) return visited.url
    return (await this.visitor.visit(`${visited.url}?name=${name}`, callback)).url
  }

  /** Returns to the console. @returns why it failed; null if it has logged in */
  async returnToConsole(url: string, key = this.key): Promise<string | null> {
    const headers = { Cookie: `${loginCookie}=${key}; __Host-converge=${this.client.cookie}` }
    const response = await fetch(url, { redirect: 'manual', headers })
    if (response.status !== 302 || response.headers.get('location') !== '/')
      return `status ${response.status} to ${response.headers.get('location')}`
    const session = cookieOf(response, '__Host-converge')
    if (session !== undefined) {
      this.client.cookie = session
      return null
    }
    return failureOf(this.address, cookieOf(response, loginCookie) ?? '')
  }

  async logIn(name: string): Promise<string | null> {
    return this.returnToConsole(await this.atProvider(await this.begin(), name))
  }
}

async function failureOf(address: string, key: string): Promise<string> {
  const response = await fetch(`${address}/api/login`, { headers: { Cookie: `${loginCookie}=${key}` } })
  const { failure } = (await response.json()) as { readonly failure: string | null }
  return failure ?? 'no failure'
}

function cookieOf(response: Response, name: string): string | undefined {
  return response.headers
    .getSetCookie()
    .map((line) => new RegExp(`^${name}=([^;]+)`).exec(line)?.[1])
    .find((value) => value !== undefined)
}
