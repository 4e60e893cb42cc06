/** Tests `converge deploy --console` against a server that answers as a console does, or as no console does; proves its hints. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { Sandbox } from '../support/program.ts'

const token = 'converge_planted-token-0123456789'
const deployment = { id: 7, state: 'succeeded', reason: null as string | null }
const client = 'core/cli/console_client/client.ts'
const command = 'core/cli/console_client/deploy.ts'

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void

interface Seen {
  readonly method: string
  readonly url: string
  readonly body: string
  readonly last: string | undefined
  readonly authorization: string | undefined
}

/** A server, with the requests that it has received. */
class FakeConsole {
  readonly requests: Seen[] = []

  private constructor(private readonly server: Server) {}

  static async start(t: Test, handler: Handler): Promise<FakeConsole> {
    const server = createServer()
    const fake = new FakeConsole(server)
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      let body = ''
      request.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      request.on('end', () => {
        const { method = '', url = '', headers } = request
        const last = headers['last-event-id'] as string | undefined
        fake.requests.push({ method, url, body, last, authorization: headers.authorization })
        handler(request, response, body)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => {
      server.closeAllConnections()
      return new Promise<void>((resolve) => server.close(() => resolve()))
    })
    return fake
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }
}

const json = (response: ServerResponse, status: number, value: unknown) =>
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value))
const line = (end: number, event: object) => `id: ${end}\ndata: ${JSON.stringify(event)}\n\n`
const state = (value: object) => `event: state\ndata: ${JSON.stringify({ ...deployment, ...value })}\n\n`
const end = 'event: end\ndata: {}\n\n'

/** Answers as a console with the stack `shop`. @param events what the stream sends, by the number of the connection */
function console_(events: readonly string[]): Handler {
  let streams = 0
  return (request, response) => {
    if (request.url === '/api/stacks') return json(response, 200, [{ name: 'shop' }])
    if (request.method === 'POST') return json(response, 201, { ...deployment, state: 'queued' })
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    const text = events[streams++] ?? end
    if (text.endsWith(end)) response.end(text)
    else response.write(text, () => response.destroy())
  }
}

const run = (t: Test, words: readonly string[], env: Readonly<Record<string, string>> = { CONVERGE_TOKEN: token }) =>
  new Sandbox(t).converge(['deploy', ...words], { bare: true, env })

t.test('deploys, prints the events, and ends with the deployment', async (t) => {
  const fake = await FakeConsole.start(
    t,
    console_([
      [
        state({ state: 'planning' }),
        state({ state: 'running' }),
        line(10, { event: 'done', host: 'web1', phase: 'deploy', outcome: 'changed' }),
        line(20, { event: 'warning', host: 'web1', message: `a token: ${token} \u001b[2J` }),
        state({ state: 'succeeded' }),
        end,
      ].join(''),
    ]),
  )
  const words = ['--app', 'shop', '--revision', 'v2.1', '--strategy', 'canary', '--batch', '2', '--comment', 'build 8']
  const { status, stdout, stderr } = await run(t, ['--console', fake.url, ...words, '--rollback-on-failure'])
  t.equal(status, 0, stdout + stderr)
  t.equal(
    stdout.replaceAll(fake.url, 'URL'),
    `deployment 7 of shop: URL/#/deployment/7\nplanning\nrunning\nweb1: deploy: changed\nweb1: warning: a token: ********\nsucceeded\n`,
  )
  t.strictSame(JSON.parse(fake.requests.find(({ method }) => method === 'POST')?.body ?? ''), {
    ...{ action: 'deploy', automatic: true, apps: ['shop'], layers: [], hosts: [], revision: 'v2.1' },
    ...{ strategy: 'canary', batch: '2', rollbackOnFailure: true, comment: 'build 8' },
  })
  t.ok(fake.requests.every(({ authorization }) => authorization === `Bearer ${token}`))
  const { stdout: lines } = await run(t, ['--console', fake.url, '--no-follow', '--json-output'])
  t.strictSame(JSON.parse(lines), { event: 'requested', deployment: 7, page: `${fake.url}/#/deployment/7` })
})

t.test('prints every event once when the connection is lost', async (t) => {
  const done = (host: string) => ({ event: 'done', host, phase: 'deploy', outcome: 'changed' })
  const fake = await FakeConsole.start(
    t,
    console_([
      state({ state: 'running' }) + line(10, done('web1')),
      line(20, done('web2')) + line(30, done('web3')).slice(0, 20),
      line(30, done('web3')) + state({ state: 'succeeded' }) + end,
    ]),
  )
  const { status, stdout } = await run(t, ['--console', fake.url, '--json-output'])
  t.equal(status, 0)
  const hosts = stdout.split('\n').flatMap((text) => (/"host":"(\w+)"/.exec(text) ?? []).slice(1))
  t.strictSame(hosts, ['web1', 'web2', 'web3'])
  const streams = fake.requests.filter(({ url }) => url.endsWith('/events'))
  t.strictSame(
    streams.map(({ last }) => last),
    [undefined, '10', '20'],
  )
})

for (const [name, text] of Object.entries({
  failed: 'failed: web1: no space',
  'rolled back': 'failed and was rolled back: web1: no space',
  interrupted: 'was interrupted: web1: no space',
  cancelled: 'was cancelled: web1: no space',
}))
  t.test(`exit status 1 for a deployment that is ${name}`, async (t) => {
    const proof = { source: command, hint: 'see …' }
    const answer = console_([state({ state: name, reason: 'web1: no space' }) + end])
    const fake = await FakeConsole.start(t, answer)
    const { status, stderr } = await run(t, ['--console', fake.url])
    t.equal(status, 1)
    const hint = proof.hint.replace('…', `${fake.url}/#/deployment/7`)
    t.equal(stderr.replace(/ +hint/, ' hint'), `error: deployment 7 ${text}\n hint: ${hint}\n`)
  })

interface Case {
  readonly source: string
  readonly hint: string
  readonly handler?: Handler
  /** Words after the address, or instead of it. */
  readonly words?: readonly string[]
  readonly console?: (url: string) => string
  readonly env?: Readonly<Record<string, string>>
  readonly message: RegExp
}

const refuseWith =
  (status: number, body: object, headers: Readonly<Record<string, string>> = {}): Handler =>
  (_, response) =>
    void response.writeHead(status, { ...headers, 'Content-Type': 'application/json' }).end(JSON.stringify(body))
const useReal = 'give --console the address that converge console prints, or its public one'
const cases: readonly Case[] = [
  {
    source: client,
    hint: '--console https://deploy.example.com',
    console: () => 'deploy.example.com',
    message: /invalid --console: expected the address of a console/,
  },
  {
    source: client,
    hint: '--console https://deploy.example.com',
    console: () => 'https://ann:planted-password@deploy.example.com',
    message: /invalid --console: expected the address of a console/,
  },
  {
    source: client,
    hint: 'write https://…, or tunnel to a port of this computer',
    console: () => 'http://deploy.example.com',
    message: /would send the token without encryption/,
  },
  {
    source: client,
    hint: 'check the address, and that the console runs: systemctl status converge-console',
    console: () => 'http://127.0.0.1:18491',
    message: /cannot reach the console at http:\/\/127\.0\.0\.1:18491: .*ECONNREFUSED/,
  },
  {
    source: client,
    hint: 'check the address, and that the console runs: systemctl status converge-console',
    handler: (_, response) => void response.writeHead(502).end('<html>Bad Gateway</html>'),
    message: /HTTP status 502/,
  },
  {
    source: client,
    hint: useReal,
    handler: (_, response) => void response.writeHead(302, { Location: 'https://other.example/login' }).end(),
    message: /redirects to https:\/\/other\.example/,
  },
  {
    source: client,
    hint: useReal,
    handler: (_, response) => void response.writeHead(200).end('<html>a shop</html>'),
    message: /does not answer with JSON/,
  },
  {
    source: client,
    hint: useReal,
    handler: (_, response) => void response.writeHead(404).end('no such page'),
    message: /answers with HTTP status 404/,
  },
  {
    source: client,
    hint: 'make a new token in the console: it has ended, or belongs to another console',
    handler: refuseWith(401, { error: { code: 'LOGIN_REQUIRED', message: 'log in first', hint: 'log in' } }),
    message: /does not accept the token/,
  },
  {
    source: command,
    hint: 'name the stack of the console with --stack NAME',
    handler: (_, response) => json(response, 200, [{ name: 'shop' }, { name: 'wiki' }]),
    message: /--stack is missing: the token permits shop, wiki/,
  },
  {
    source: command,
    hint: 'make a token in the console, and set CONVERGE_TOKEN or name a file with --token-file',
    env: {},
    message: /there is no token/,
  },
  {
    source: command,
    hint: 'copy the token again',
    env: { CONVERGE_TOKEN: `${token} and more` },
    message: /the environment variable CONVERGE_TOKEN contains no token/,
  },
]

for (const [at, { source, hint, handler, words = [], console, env, message }] of cases.entries())
  t.test(`${at + 1}. ${source}: ${hint}`, async (t) => {
    const fake = await FakeConsole.start(t, handler ?? console_([]))
    const { status, stdout, stderr } = await run(t, ['--console', console?.(fake.url) ?? fake.url, ...words], env)
    t.not(status, 0)
    t.match(stderr, message)
    const pattern = hint.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace('…', '.*')
    t.match(stderr, new RegExp(`hint: ${pattern}\n`))
    t.notMatch(stdout + stderr, /planted|\n +at /)
    // Repaired: a console that answers, a valid token, and its address.
    const good = await FakeConsole.start(t, console_([state({}) + end]))
    t.equal((await run(t, ['--console', good.url, '--stack', 'shop'])).status, 0)
  })

t.test('the message of the console is printed', async (t) => {
  const error = { code: 'FORBIDDEN', message: 'this requires the level deploy', hint: 'ask an administrator' }
  const fake = await FakeConsole.start(t, refuseWith(403, { error }))
  const { status, stderr } = await run(t, ['--console', fake.url, '--stack', 'shop'])
  t.equal(status, 1)
  t.match(stderr, /refuses: this requires the level deploy\n +hint: ask an administrator\n/)
})

t.test('options of other commands', async (t) => {
  for (const [words, text] of [
    [['--token', 'planted'], /set CONVERGE_TOKEN, or name a file with --token-file/],
    [['--role', 'zeo-client'], /the stack of the console gives each host its roles/],
    [['--prefix', '/tmp'], /deploy --console does not take --prefix/],
  ] as const) {
    const { status, stderr } = await run(t, ['--console', 'https://deploy.example.com', ...words])
    t.equal(status, 2)
    t.match(stderr, text)
    t.notMatch(stderr, /planted/)
  }
  t.match((await run(t, ['--app', 'shop'])).stderr, /deploy does not take --app/, 'without --console')
})
