/** Tests who may send which request: every route, as every kind of sender. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import t from 'tap'
import { type RunningConsole, startConsole } from '../../../core/console/main.ts'
import { Client } from '../../machine/support/console.ts'
import { plainNode, runsOnNode22 } from '../../support/node22.ts'

/** Answers for `converge stack show` and all other commands. */
const program = `console.log(JSON.stringify({ stack: 'shop', environment: null, layers: [], hosts: [], apps: [] }))`

async function consoleIn(directory: string): Promise<{ running: RunningConsole; invitation: string }> {
  writeFileSync(`${directory}/program.cjs`, program)
  const lines: string[] = []
  const source = (name: string) => ({ name, directory, options: ['--stack', `${name}.yaml`] })
  const running = await startConsole({
    directory: `${directory}/state`,
    stacks: [source('shop'), source('other')],
    version: 'test',
    program: [...plainNode, `${directory}/program.cjs`],
    host: '127.0.0.1',
    port: 0,
    url: null,
    pages: directory,
    print: (line) => lines.push(line),
  })
  const invitation = /invitation\/(\S+)/.exec(lines.join('\n'))?.[1] ?? ''
  return { running, invitation }
}

/** Whether an answer refuses for want of permission, and how. */
function refusal({
  status,
  body,
}: {
  readonly status: number
  readonly body: { error?: { code: string; message: string } }
}) {
  if (status === 401 && body.error?.code === 'NOT_LOGGED_IN') return 'not logged in'
  if (status === 403 && body.error?.code === 'FORBIDDEN' && !/token/.test(body.error.message)) return 'forbidden'
  if (status === 404 && body.error?.message === 'there is no such stack or deployment') return 'unknown'
  return 'permitted'
}

if (await runsOnNode22(t, import.meta.url))
  t.test('access', async (t) => {
    const directory = mkdtempSync(`${tmpdir()}/console-`)
    t.teardown(() => rmSync(directory, { recursive: true, force: true }))
    const { running, invitation } = await consoleIn(directory)
    t.teardown(() => running.stop())
    const url = () => running.address
    const admin = new Client(url)
    const account = (name: string) => ({ name, password: 'correct horse battery' })
    const accepted = await admin.send('POST', '/api/invitations/accept', { invitation, ...account('root') })
    t.match(accepted, { status: 200, body: { isAdmin: true } })
    const again = await new Client(url).send('POST', '/api/invitations/accept', { invitation, ...account('eve') })
    t.match(again, { status: 404, body: { error: { code: 'NO_INVITATION' } } })

    const { body: offer } = await admin.send('POST', '/api/invitations', {})
    const accept = (name: string) =>
      new Client(url).send('POST', '/api/invitations/accept', { invitation: offer.invitation, ...account(name) })
    t.match(await accept('root'), { status: 409, body: { error: { code: 'NAME_TAKEN' } } })
    t.equal((await accept('ron')).status, 200, 'a name in use does not consume the invitation')

    const member = async (name: string, level: string) => {
      const client = new Client(url)
      const { body } = await admin.send('POST', '/api/invitations', { levels: { shop: level } })
      await client.send('POST', '/api/invitations/accept', { invitation: body.invitation, ...account(name) })
      return client
    }
    const token = async (stack: string, level: string) => {
      const { body } = await admin.send('POST', `/api/stacks/${stack}/tokens`, { name: 'ci', level })
      return new Client(url, body.token)
    }
    const senders = {
      nobody: new Client(url),
      deny: await member('dan', 'deny'),
      show: await member('sue', 'show'),
      deploy: await member('dee', 'deploy'),
      manage: await member('max', 'manage'),
      admin,
      'token show': await token('shop', 'show'),
      'token deploy': await token('shop', 'deploy'),
      'token of another stack': await token('other', 'manage'),
    }
    type Sender = keyof typeof senders
    const stackLevels: Readonly<Record<Sender, number>> = {
      nobody: -1,
      deny: 0,
      show: 1,
      deploy: 2,
      manage: 3,
      admin: 3,
      'token show': 1,
      'token deploy': 2,
      'token of another stack': 0,
    }
    const needed: Readonly<Record<string, number>> = { show: 1, deploy: 2, manage: 3 }
    const expected = (access: string, sender: Sender) => {
      if (access === 'public') return 'permitted'
      if (sender === 'nobody') return 'not logged in'
      if (access === 'account') return 'permitted'
      if (access === 'admin') return sender === 'admin' ? 'permitted' : 'forbidden'
      const level = stackLevels[sender]
      return level === 0 ? 'unknown' : level >= (needed[access] ?? 9) ? 'permitted' : 'forbidden'
    }
    const created = await senders.deploy.send('POST', '/api/stacks/shop/deployments', {})
    t.equal(created.status, 201, JSON.stringify(created.body))

    t.ok(running.routes.length > 20, `${running.routes.length} routes`)
    for (const { method, path, access } of running.routes) {
      const filled = path
        .replace('{stack}', 'shop')
        .replace('{app}', 'site')
        .replace('{host}', 'web1')
        .replace('{deployment}', '1')
        .replace('{account}', 'nobody-here')
        .replace('{schedule}', '999')
        .replace('{token}', '999')
        .replace('{notice}', '999')
        .replace('{webhook}', '0'.repeat(24))
      for (const sender of Object.keys(senders) as Sender[]) {
        // Following events takes as long as the deployment, and logging out ends the session.
        if (path.endsWith('/events') || (method === 'delete' && path === '/api/session')) continue
        const verb = method.toUpperCase()
        // A wrong body shows that the request was permitted, without an effect.
        const answer = await senders[sender].send(verb, filled, verb === 'GET' ? undefined : { unknown: 1 })
        if (access === 'signed') t.match(answer, { status: 401, body: { error: { code: 'WRONG_SIGNATURE' } } })
        else t.equal(refusal(answer), expected(access, sender), `${verb} ${path} as ${sender}`)
        t.not(answer.status, 500, `${verb} ${path} as ${sender}`)
      }
    }

    await t.test('scripts cannot read the cookie, and pages load nothing from other sites', async (t) => {
      const login = await fetch(`${running.address}/api/session`, {
        method: 'POST',
        headers: { Origin: running.address, 'Content-Type': 'application/json' },
        body: JSON.stringify(account('root')),
      })
      const cookie = login.headers.get('set-cookie') ?? ''
      t.match(cookie, /^__Host-converge=session_/)
      for (const part of ['Path=/', 'Max-Age=43200', 'HttpOnly', 'Secure', 'SameSite=Lax']) t.match(cookie, part)
      t.notMatch(cookie, /Domain/i)
      for (const path of ['/', '/api/session', '/nothing']) {
        const { headers } = await fetch(`${running.address}${path}`)
        t.match(
          headers.get('content-security-policy'),
          /^default-src 'none'; script-src 'self'; .*frame-ancestors 'none'$/,
        )
        t.equal(headers.get('x-content-type-options'), 'nosniff')
      }
    })

    await t.test('refuses requests of other sites', async (t) => {
      for (const { method, path, access } of running.routes) {
        // A delivery of a webhook has no cookie.
        if (method === 'get' || access === 'signed') continue
        for (const origin of ['https://evil.example', 'null', undefined]) {
          const response = await fetch(`${running.address}${path.replaceAll(/\{\w+\}/g, '1')}`, {
            method: method.toUpperCase(),
            headers: { Cookie: `__Host-converge=${admin.cookie}`, ...(origin === undefined ? {} : { Origin: origin }) },
          })
          t.equal(response.status, 403, `${method} ${path} from ${origin}`)
          t.match(await response.json(), { error: { code: 'FOREIGN_ORIGIN' } })
        }
      }
    })

    await t.test('refuses bodies that are not JSON, and too large ones', async (t) => {
      const send = (type: string, body: string) =>
        fetch(`${running.address}/api/session`, {
          method: 'POST',
          headers: admin.headers({ 'Content-Type': type }),
          body,
        })
      t.equal((await send('text/plain', '{}')).status, 415)
      t.equal((await send('application/json', '{')).status, 400)
      t.equal((await send('application/json', '[]')).status, 400)
      t.equal((await send('application/json', JSON.stringify({ name: 'x'.repeat(2 << 20) }))).status, 413)
    })

    await t.test('limits failed logins, also parallel ones, and not those of others', async (t) => {
      const client = new Client(url)
      const attempts = Array.from({ length: 14 }, () =>
        client.send('POST', '/api/session', { name: 'sue', password: 'wrong' }),
      )
      const statuses = (await Promise.all(attempts)).map(({ status }) => status)
      t.strictSame(statuses.filter((status) => status === 401).length, 10)
      t.strictSame(statuses.filter((status) => status === 429).length, 4)
    })

    await t.test('limits guesses of the present password, also parallel ones', async (t) => {
      const client = await member('guessed', 'show')
      const guesses = Array.from({ length: 14 }, () =>
        client.send('PUT', '/api/session/password', { password: 'wrong', newPassword: 'correct horse battery' }),
      )
      const statuses = (await Promise.all(guesses)).map(({ status }) => status)
      t.strictSame(statuses.filter((status) => status === 403).length, 10)
      t.strictSame(statuses.filter((status) => status === 429).length, 4)
    })

    await t.test('limits the failures of an address, and does not count its successful logins', async (t) => {
      await member('frequent', 'show')
      const send = async (path: string, body: object) => {
        const response = await fetch(`${running.address}${path}`, {
          method: 'POST',
          headers: {
            ...new Client(url).headers({ 'Content-Type': 'application/json' }),
            'X-Forwarded-For': '192.0.2.7',
          },
          body: JSON.stringify(body),
        })
        return response.status
      }
      const fail = () => send('/api/invitations/accept', { invitation: 'none', ...account('eve') })
      for (let failure = 1; failure <= 48; failure++) t.equal(await fail(), 404)
      for (let login = 1; login <= 3; login++) t.equal(await send('/api/session', account('frequent')), 200)
      t.strictSame([await fail(), await fail(), await fail()], [404, 404, 429])
      t.equal(await send('/api/session', account('frequent')), 429)
    })

    await t.test('the database has no password, session or token in clear', async (t) => {
      const { readFileSync, readdirSync } = await import('node:fs')
      const files = readdirSync(`${directory}/state`).filter((name) => name.startsWith('console.sqlite'))
      const content = Buffer.concat(files.map((name) => readFileSync(`${directory}/state/${name}`))).toString('latin1')
      t.match(content, /scrypt\$131072/)
      for (const one of ['correct horse battery', admin.cookie, 'session_', 'converge_', 'invite_'])
        t.notOk(one === '' || content.includes(one), 'not in clear')
    })
  })
