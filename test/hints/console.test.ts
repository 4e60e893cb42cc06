/** Proves the hints of the console: each with a request or a command that fails, and its repair. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Secret, TOTP } from 'otpauth'
import t, { type Test } from 'tap'
import { LoginLimit } from '../../core/console/access/login_limit.ts'
import { processState, startProcess } from '../../core/console/deployments/command_process.ts'
import { RepositoryReader } from '../../core/console/stack/repository_reader.ts'
import { type Answer, Client } from '../machine/support/console.ts'
import { clientSecret, IdentityProvider } from '../machine/support/identity_provider.ts'
import { ProviderLogin } from '../machine/support/provider_login.ts'
import { needs, scratch } from '../support/machine.ts'
import { node22 } from '../support/node22.ts'
import type { Proof } from '../support/proofs.ts'
import { waitUntil } from '../support/wait_until.ts'

const program = fileURLToPath(new URL('../../dist/start.cjs', import.meta.url))
const command = 'core/cli/commands/console.ts'
const start = 'core/console/start.ts'
const settings = 'core/console/settings.ts'

const stack = (name: string) =>
  JSON.stringify({
    name,
    layers: { all: { roles: ['base'] } },
    hosts: { h1: { address: '127.0.0.1', layers: ['all'] } },
  })

interface Started {
  readonly text: () => string
  /** Null while it runs. */
  readonly status: () => number | null
  readonly end: () => Promise<void>
}

class ConsoleDirectory {
  readonly directory: string

  constructor(
    private readonly t: Test,
    private readonly node: string,
  ) {
    this.directory = scratch(t)
    writeFileSync(`${this.directory}/a.json`, stack('a'))
    writeFileSync(`${this.directory}/b.json`, stack('b'))
    writeFileSync(`${this.directory}/twice.json`, stack('a'))
    writeFileSync(`${this.directory}/wrong.json`, '{')
    const oidc = (file: string) =>
      `oidc: { issuer: 'http://127.0.0.1:1', client_id: console, client_secret: { file: ${file} }, administrators: [ops] }\nlocal_accounts: false\n`
    for (const [name, text] of Object.entries({
      ...{ good: 'local_accounts: true', unknown: 'colour: red', nobody: 'local_accounts: false' },
      ...{ no_secret: oidc('missing'), provider: oidc('secret') },
    }))
      writeFileSync(`${this.directory}/${name}.yaml`, text)
    writeFileSync(`${this.directory}/secret`, clientSecret)
  }

  /** Starts the console, and waits until it listens or has ended. */
  async start(words: readonly string[], node = this.node): Promise<Started> {
    const own = words.includes('--state-dir') ? [] : ['--state-dir', `${this.directory}/state`]
    const { PATH } = process.env
    const child: ChildProcess = spawn('env', ['-u', 'NODE_OPTIONS', node, program, 'console', ...own, ...words], {
      cwd: this.directory,
      env: { PATH, HOME: this.directory },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let text = ''
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (more: string) => {
        text += more
      })
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
    const end = async () => {
      child.kill('SIGTERM')
      await ended
    }
    this.t.teardown(end)
    await waitUntil(() => /^console for /m.test(text) || child.exitCode !== null, 'the console listens or ends')
    if (child.exitCode !== null) await ended
    return { text: () => text, status: () => child.exitCode, end }
  }
}

interface CommandProof extends Proof {
  readonly words: readonly string[]
  /** Makes it fail; returns a function that ends that. */
  readonly prepare?: (consoleDirectory: ConsoleDirectory) => Promise<() => Promise<void>> | (() => Promise<void>)
  readonly repaired: readonly string[]
  /** Status of the repaired command; default: it listens. */
  readonly status?: number
}

const listening = ['--listen', '127.0.0.1:0']
const proofs: readonly CommandProof[] = [
  {
    source: 'core/console/administration.ts',
    hint: 'name its directory with --state-dir, or start the console first',
    words: ['invite'],
    repaired: [...listening, '--stack', 'a.json'],
  },
  {
    source: 'core/console/storage/database.ts',
    hint: 'name a file that does not exist yet, in a directory with enough free space',
    prepare: async (consoleDirectory) => (await consoleDirectory.start([...listening, '--stack', 'a.json'])).end,
    words: ['backup', 'a.json'],
    repaired: ['backup', 'copy.sqlite'],
    status: 0,
  },
  {
    source: command,
    hint: 'name the new file: converge console backup FILE',
    prepare: async (consoleDirectory) => (await consoleDirectory.start([...listening, '--stack', 'a.json'])).end,
    words: ['backup'],
    repaired: ['backup', 'copy.sqlite'],
    status: 0,
  },
  {
    source: command,
    hint: 'converge console --help explains them',
    words: ['restart'],
    repaired: ['--help'],
    status: 0,
  },
  {
    source: command,
    hint: 'change "name" in one of them',
    words: [...listening, '--stack', 'a.json,twice.json'],
    repaired: [...listening, '--stack', 'a.json,b.json'],
  },
  {
    source: command,
    hint: 'for example --keep-days 365',
    words: ['--keep-days', 'ever', '--stack', 'a.json'],
    repaired: [...listening, '--keep-days', '365', '--stack', 'a.json'],
  },
  {
    source: start,
    hint: 'give the account of the console write access to it and free disk space, or name another one with --state-dir',
    words: [...listening, '--stack', 'a.json', '--state-dir', 'a.json'],
    repaired: [...listening, '--stack', 'a.json'],
  },
  {
    source: command,
    hint: 'for example --listen 127.0.0.1:8484',
    words: ['--listen', 'everywhere', '--stack', 'a.json'],
    repaired: [...listening, '--stack', 'a.json'],
  },
  {
    source: command,
    hint: 'for example --url https://deploy.example.com',
    words: [...listening, '--url', 'deploy.example.com/console', '--stack', 'a.json'],
    repaired: [...listening, '--url', 'https://deploy.example.com', '--stack', 'a.json'],
  },
  {
    source: settings,
    hint: 'name a readable file in YAML or JSON with --settings',
    words: [...listening, '--stack', 'a.json', '--settings', 'missing.yaml'],
    repaired: [...listening, '--stack', 'a.json', '--settings', 'good.yaml'],
  },
  {
    source: settings,
    hint: 'correct these keys; docs/console.md lists all',
    words: [...listening, '--stack', 'a.json', '--settings', 'unknown.yaml'],
    repaired: [...listening, '--stack', 'a.json', '--settings', 'good.yaml'],
  },
  {
    source: settings,
    hint: 'add the key oidc, or remove local_accounts',
    words: [...listening, '--stack', 'a.json', '--settings', 'nobody.yaml'],
    repaired: [...listening, '--stack', 'a.json', '--settings', 'provider.yaml'],
  },
  {
    source: settings,
    hint: 'store the secret in a file or a variable that the account of the console can read',
    words: [...listening, '--stack', 'a.json', '--settings', 'no_secret.yaml'],
    repaired: [...listening, '--stack', 'a.json', '--settings', 'provider.yaml'],
  },
  {
    source: start,
    hint: 'end it first, or name another directory with --state-dir',
    prepare: async (consoleDirectory) => (await consoleDirectory.start([...listening, '--stack', 'a.json'])).end,
    words: [...listening, '--stack', 'a.json'],
    repaired: [...listening, '--stack', 'a.json', '--state-dir', 'other'],
  },
  {
    source: start,
    hint: 'choose another address with --listen',
    prepare: () =>
      new Promise((resolve) => {
        const server = createServer().listen(18490, '127.0.0.1', () =>
          resolve(() => new Promise((done) => void server.close(() => done()))),
        )
      }),
    words: ['--listen', '127.0.0.1:18490', '--stack', 'a.json'],
    repaired: ['--listen', '127.0.0.1:0', '--stack', 'a.json'],
  },
]

t.test('hints of the command', async (t) => {
  if (!needs(t, ['npm registry'])) return
  const node = await node22()
  for (const { hint, words, prepare, repaired, status } of proofs)
    await t.test(hint, async (t) => {
      const consoleDirectory = new ConsoleDirectory(t, node)
      const end = await prepare?.(consoleDirectory)
      const failed = await consoleDirectory.start(words)
      t.match([failed.status(), failed.text()], [2, `hint: ${hint}`])
      const good = await consoleDirectory.start(repaired)
      t.equal(good.status(), status ?? null, good.text())
      await good.end()
      await end?.()
    })

  await t.test('a wrong stack file', async (t) => {
    const consoleDirectory = new ConsoleDirectory(t, node)
    const failed = await consoleDirectory.start(['--stack', 'wrong.json'])
    const wrong = `${consoleDirectory.directory}/wrong.json`
    t.match(
      [failed.status(), failed.text()],
      [2, `hint: run converge stack check --stack ${wrong} in ${consoleDirectory.directory}`],
    )
  })

  await t.test('an older Node', async (t) => {
    const hint =
      'install Node 22 from nodejs.org, or with npm: npm install --prefix ~/node22 node@22; PATH=~/node22/node_modules/.bin:$PATH converge console'
    const proof = { source: command, hint }
    const consoleDirectory = new ConsoleDirectory(t, node)
    const [major = 0] = process.versions.node.split('.').map(Number)
    // Under a later Node, the test of this hint is that it does not appear.
    const old = await consoleDirectory.start([...listening, '--stack', 'a.json'], process.execPath)
    t.equal(old.text().includes(proof.hint), major < 22, old.text())
    await old.end()
    const good = await consoleDirectory.start([...listening, '--stack', 'a.json'])
    t.equal(good.status(), null, good.text())
  })

  await t.test('a damaged database', async (t) => {
    const hint =
      'check its directory and free disk space; restore a backup if it is damaged, or install the version that wrote it'
    const proof = { source: 'core/console/storage/database.ts', hint }
    const consoleDirectory = new ConsoleDirectory(t, node)
    const state = `${consoleDirectory.directory}/state`
    await (await consoleDirectory.start([...listening, '--stack', 'a.json'])).end()
    t.equal((await consoleDirectory.start(['backup', 'copy.sqlite'])).status(), 0)
    writeFileSync(`${state}/console.sqlite`, 'no database at all, but long enough to be read as its header'.repeat(20))
    const failed = await consoleDirectory.start([...listening, '--stack', 'a.json'])
    t.match([failed.status(), failed.text()], [2, proof.hint])
    writeFileSync(`${state}/console.sqlite`, readFileSync(`${consoleDirectory.directory}/copy.sqlite`))
    const good = await consoleDirectory.start([...listening, '--stack', 'a.json'])
    t.equal(good.status(), null, good.text())
  })
})

t.test('a process that cannot start', async (t) => {
  const proof = {
    source: 'core/console/deployments/command_process.ts',
    hint: 'check the directory of the stack file, free disk space, and the limits of processes of the console',
  }
  const directory = scratch(t)
  const start = (cwd: string) => startProcess(['true'], { directory: `${directory}/process`, cwd })
  await t.rejects(start(`${directory}/removed`), { code: 'NO_PROCESS', hint: proof.hint })
  await start(directory)
  await waitUntil(() => processState(`${directory}/process`).kind === 'ended', 'it has ended')
})

t.test('a repository that cannot be listed', async (t) => {
  const proof = {
    source: 'core/console/stack/repository_reader.ts',
    hint: 'enter the branch, tag or commit; the hosts read the repository with their own credentials',
  }
  const directory = scratch(t)
  const list = () => new RepositoryReader(`${directory}/clones`).revisions(`${directory}/site`)
  await t.rejects(list(), { code: 'REPOSITORY_UNREADABLE', hint: proof.hint })
  const git = (...words: string[]) => spawnSync('git', ['-C', `${directory}/site`, ...words])
  spawnSync('git', ['init', '-q', '-b', 'main', `${directory}/site`])
  git('-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '-q', '--allow-empty', '-m', 'one')
  t.match((await list()).branches, [{ name: 'main' }])
})

t.test('hints of the API', async (t) => {
  if (!needs(t, ['npm registry'])) return
  const consoleDirectory = new ConsoleDirectory(t, await node22())
  const started = await consoleDirectory.start([...listening, '--stack', 'a.json'])
  const address = /console for a: (\S+)/.exec(started.text())?.[1] ?? ''
  const invitation = /invitation\/(\S+)/.exec(started.text())?.[1]
  const client = () => new Client(() => address)
  const admin = client()
  const person = (name: string) => ({ name, password: 'correct horse battery' })
  const accept = (one: Client, key: unknown, name: string) =>
    one.send('POST', '/api/invitations/accept', { invitation: key, ...person(name) })
  t.equal((await accept(admin, invitation, 'ann')).status, 200)
  const invite = async (body: object) => (await admin.send('POST', '/api/invitations', body)).body.invitation as string
  const refused = ({ status, body }: Answer, hint: string) => t.match([status >= 400, body.error?.hint], [true, hint])

  const access = 'core/console/api/access.ts'
  await t.test('access', async () => {
    const login = { source: access, hint: 'log in, or send the header Authorization: Bearer TOKEN' }
    const nobody = client()
    refused(await nobody.send('GET', '/api/stacks'), login.hint)
    t.equal((await nobody.send('POST', '/api/session', person('ann'))).status, 200)
    t.equal((await nobody.send('GET', '/api/stacks')).status, 200)

    const level = { source: access, hint: 'ask an administrator for the level' }
    const bob = client()
    await accept(bob, await invite({ levels: { a: 'show' } }), 'bob')
    refused(await bob.send('POST', '/api/stacks/a/deployments', {}), level.hint)
    t.equal((await admin.send('PUT', '/api/accounts/bob/levels/a', { level: 'deploy' })).status, 200)
    t.equal((await bob.send('POST', '/api/stacks/a/deployments', {})).status, 201)

    const origin = { source: access, hint: 'use the pages of the console itself, or a token' }
    const { body } = await admin.send('POST', '/api/stacks/a/tokens', { name: 'ci', level: 'deploy' })
    const request = { method: 'POST', body: '{}' }
    const type = { 'Content-Type': 'application/json', Origin: 'https://other.example' }
    const send = async (headers: Record<string, string>) => {
      const response = await fetch(`${address}/api/stacks/a/deployments`, {
        ...request,
        headers: { ...type, ...headers },
      })
      return { status: response.status, body: await response.json() }
    }
    refused(await send({ Cookie: `__Host-converge=${admin.cookie}` }), origin.hint)
    t.equal((await send({ Authorization: `Bearer ${body.token}` })).status, 201)
  })

  await t.test('accounts', async () => {
    const last = { source: 'core/console/api/account_routes.ts', hint: 'invite another administrator first' }
    refused(await admin.send('DELETE', '/api/accounts/ann'), last.hint)
    await accept(client(), await invite({ isAdmin: true }), 'zoe')
    const used = {
      source: 'core/console/api/session_routes.ts',
      hint: 'ask an administrator for a new link; without any account, run converge console invite',
    }
    refused(await accept(client(), invitation, 'max'), used.hint)
    t.equal((await accept(client(), await invite({}), 'max')).status, 200)
    t.match((await consoleDirectory.start(['invite'])).text(), /#\/invitation\/invite_/)
    t.equal((await admin.send('DELETE', '/api/accounts/ann')).status, 200)
    await admin.send('POST', '/api/session', person('zoe'))
  })

  await t.test('failed logins', async () => {
    const wait = { source: 'core/console/api/session_routes.ts', hint: 'try again in … s' }
    let answer = await client().send('POST', '/api/session', { name: 'max', password: 'wrong' })
    for (let attempt = 0; attempt < 10; attempt++)
      answer = await client().send('POST', '/api/session', { name: 'max', password: 'wrong' })
    t.match(answer, { status: 429, body: { error: { hint: new RegExp(`^${wait.hint.replace('…', '\\d+')}$`) } } })
    let now = 0
    const limit = new LoginLimit(() => new Date(now))
    const key = { kind: 'account', value: 'max' } as const
    for (let attempt = 0; attempt < 10; attempt++) limit.addAttempt(key)
    now = limit.secondsToWait(key) * 1000
    t.ok(now > 0)
    t.equal(limit.secondsToWait(key), 0, 'after that time')
  })

  await t.test('a wrong method', async () => {
    const wrong = { source: 'core/console/api/server_app.ts', hint: 'use …' }
    const answer = await admin.send('POST', '/api/health')
    t.match(answer, { status: 405, body: { error: { hint: new RegExp(`^${wrong.hint.replace('…', 'GET, HEAD')}$`) } } })
    t.equal((await admin.send('GET', '/api/health')).status, 200)
  })

  await t.test('a second factor', async () => {
    const source = 'core/console/api/session_routes.ts'
    const path = '/api/session/second-factor'
    const password = 'correct horse battery'
    const { body: offer } = await admin.send('POST', '/api/invitations', {})
    const tia = client()
    await tia.send('POST', '/api/invitations/accept', { invitation: offer.invitation, name: 'tia', password })
    const { body } = await tia.send('POST', path, { password })
    const totp = new TOTP({ secret: Secret.fromBase32(body.secret) })
    const unconfirmed = {
      source,
      hint: 'enter the code that your device shows, and check that its clock is right',
    }
    refused(await tia.send('PUT', path, { code: '00000' }), unconfirmed.hint)
    const code = totp.generate()
    t.equal((await tia.send('PUT', path, { code })).status, 200)
    const logIn = (more: object) => client().send('POST', '/api/session', { name: 'tia', password, ...more })
    const missing = { source, hint: 'enter the code that your device shows, or one of the codes for a lost device' }
    refused(await logIn({}), missing.hint)
    const used = { source, hint: 'wait for the next code of your device, and check that its clock is right' }
    refused(await logIn({ code }), used.hint)
    const next = totp.generate({ timestamp: Date.now() + 30_000 })
    t.equal((await logIn({ code: next })).status, 200)
    const second = { source, hint: 'remove it first' }
    refused(await tia.send('POST', path, { password }), second.hint)
    t.equal((await admin.send('DELETE', '/api/accounts/tia/second-factor')).status, 200)
    t.equal((await tia.send('POST', path, { password })).status, 200)
  })

  await t.test('a login by OpenID Connect, and notices', async (t) => {
    const source = 'core/console/api/provider_routes.ts'
    const provider = await IdentityProvider.start()
    t.teardown(() => provider.stop())
    const none = { source, hint: 'name a provider in the file of --settings' }
    refused(await client().send('POST', '/api/login/provider'), none.hint)
    const path = `${consoleDirectory.directory}/provider.yaml`
    const text = readFileSync(path, 'utf8').replace('http://127.0.0.1:1', provider.issuer)
    writeFileSync(path, text)
    const words = [...listening, '--stack', 'a.json', '--state-dir', 'second', '--settings', 'provider.yaml']
    const second = await consoleDirectory.start(words)
    const other = /console for a: (\S+)/.exec(second.text())?.[1] ?? ''
    provider.permit([`${other}/login/callback`])
    const there = () => new Client(() => other)
    t.equal((await there().send('POST', '/api/login/provider')).status, 200)
    const many = { source, hint: 'try again in … s' }
    for (let count = 0; count < 50; count++) {
      const begun = await fetch(`${other}/api/login/provider`, { method: 'POST', headers: { Origin: other } })
      const Cookie = begun.headers.get('set-cookie')?.split(';')[0] ?? ''
      const state = new URL(((await begun.json()) as { url: string }).url).searchParams.get('state')
      await fetch(`${other}/login/callback?code=wrong&state=${state}`, { redirect: 'manual', headers: { Cookie } })
    }
    const answer = await there().send('POST', '/api/login/provider')
    t.match(answer, { status: 429, body: { error: { hint: new RegExp(many.hint.replace('…', '\\d+')) } } })
    await second.end()

    const third = await consoleDirectory.start(words)
    const address = /console for a: (\S+)/.exec(third.text())?.[1] ?? ''
    provider.permit([`${address}/login/callback`])
    provider.claimsByName.set('olga', { preferred_username: 'olga', groups: ['ops'] })
    const login = new ProviderLogin(address)
    t.equal(await login.logIn('olga'), null)
    const olga = login.client
    const noLocal = { source: 'core/console/api/account_routes.ts', hint: 'add the person to a group at the provider' }
    refused(await olga.send('POST', '/api/invitations', {}), noLocal.hint)
    const groups = {
      source: 'core/console/api/account_routes.ts',
      hint: 'change its groups there, or the levels of groups in the file of --settings',
    }
    refused(await olga.send('PUT', '/api/accounts/olga/levels/a', { level: 'show' }), groups.hint)
    const password = {
      source: 'core/console/api/session_routes.ts',
      hint: 'change the password and the second factor at the provider',
    }
    refused(await olga.send('POST', '/api/session/second-factor', { password: 'x' }), password.hint)
    await third.end()

    const notices = 'core/console/api/notice_routes.ts'
    const mail = { kind: 'mail', name: 'x', recipients: ['a@example.com'], states: ['failed'] }
    const noMail = { source: notices, hint: 'name a mail server in the file of --settings' }
    refused(await admin.send('POST', '/api/stacks/a/notices', mail), noMail.hint)
    const chat = { kind: 'chat', name: 'x', address: 'https://chat.example.com/x', states: ['failed'] }
    const ids: number[] = []
    for (let count = 0; count < 50; count++) ids.push((await admin.send('POST', '/api/stacks/a/notices', chat)).body.id)
    const full = { source: notices, hint: 'remove one first' }
    refused(await admin.send('POST', '/api/stacks/a/notices', chat), full.hint)
    t.equal((await admin.send('DELETE', `/api/stacks/a/notices/${ids[0]}`)).status, 200)
    t.equal((await admin.send('POST', '/api/stacks/a/notices', chat)).status, 200)
  })

  await t.test('a stack file that became wrong', async () => {
    const wrong = { source: 'core/console/stack/stack_command.ts', hint: 'run converge stack check … in …' }
    writeFileSync(`${consoleDirectory.directory}/a.json`, '{')
    const { status, body } = await admin.send('GET', '/api/stacks/a')
    t.match([status, body.error.hint], [502, new RegExp(`^${wrong.hint.replaceAll('…', '.+')}$`)])
    const words = / check (.+) in (.+)$/.exec(body.error.hint) ?? []
    const args = [program, 'stack', 'check', ...(words[1] ?? '').split(' ')]
    t.match(spawnSync('env', ['-u', 'NODE_OPTIONS', process.execPath, ...args], { cwd: words[2], encoding: 'utf8' }), {
      stderr: /a\.json:1:/,
    })
    writeFileSync(`${consoleDirectory.directory}/a.json`, stack('a'))
    t.equal((await admin.send('GET', '/api/stacks/a')).status, 200)
  })

  await t.test('schedules', async () => {
    const attributes = { source: 'core/console/api/schedule_routes.ts', hint: 'set the attributes in the stack file' }
    const create = (request: object) =>
      admin.send('POST', '/api/stacks/a/schedules', { name: 'nightly', when: '0 2 * * *', request })
    refused(await create({ customJson: { tmpdir: { tmpfs: true } } }), attributes.hint)
    t.equal((await create({})).status, 201)
  })

  await t.test('webhooks', async () => {
    const source = 'core/console/api/webhook_routes.ts'
    const shape = { source, hint: 'leave out "action" and "revision" of the request' }
    const hook = { name: 'main', sender: 'gitlab', branch: 'main', trigger: 'push' }
    const create = (request: object) => admin.send('POST', '/api/stacks/a/webhooks', { ...hook, request })
    refused(await create({ action: 'rollback' }), shape.hint)
    const attributes = { source, hint: 'set the attributes in the stack file' }
    refused(await create({ customJson: { tmpdir: { tmpfs: true } } }), attributes.hint)
    const { status, body } = await create({})
    t.equal(status, 200)
    const secret = { source, hint: 'compare the secret and the sender of the webhook with those of the console' }
    const deliver = async (token: string) => {
      const push = { ref: 'refs/heads/main', checkout_sha: '0'.repeat(40) }
      const headers = { 'X-Gitlab-Event': 'Push Hook', 'X-Gitlab-Event-UUID': 'one', 'X-Gitlab-Token': token }
      const response = await fetch(`${address}${body.path}`, { method: 'POST', headers, body: JSON.stringify(push) })
      return { status: response.status, body: await response.json() }
    }
    refused(await deliver('wrong'), secret.hint)
    t.match(await deliver(body.secret), { status: 200, body: { result: 'deployed' } })
  })
})
