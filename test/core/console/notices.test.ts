/** Tests notices: what is sent, to whom it is never sent, repeated deliveries, and that secrets are shown once. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { type AddressInfo, BlockList, createServer as createTcpServer } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import fc from 'fast-check'
import { SMTPServer } from 'smtp-server'
import t, { type Test } from 'tap'
import { type ConsoleDeployment, requestSchema } from '../../../core/console/deployments/states.ts'
import { DeploymentStore } from '../../../core/console/deployments/store.ts'
import { deliver } from '../../../core/console/notices/deliver.ts'
import { isReachable, sendSafely } from '../../../core/console/notices/safe_request.ts'
import { NoticeSender, pauses } from '../../../core/console/notices/sender.ts'
import { type Target, type TargetKind, Targets } from '../../../core/console/notices/targets.ts'
import { chatText, mailText, type NoticeSubject, title } from '../../../core/console/notices/text.ts'
import { defaultSettings, type MailSettings } from '../../../core/console/settings.ts'
import { Database } from '../../../core/console/storage/database.ts'
import { checkSignature } from '../../../core/console/webhooks/signature.ts'
import { simulatedConsole } from '../../machine/support/simulated_console.ts'
import { selfSigned } from '../../support/machine.ts'
import { runsOnNode22 } from '../../support/node22.ts'
import { waitUntil } from '../../support/wait_until.ts'

const commit = '0123456789'.repeat(4)
const now = () => new Date()
const loopback = () => {
  const list = new BlockList()
  list.addSubnet('127.0.0.0', 8, 'ipv4')
  return list
}

interface Received {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A server that records requests. */
async function receiver(t: Test) {
  const received: Received[] = []
  const answer = { status: 200, headers: {} as Record<string, string>, text: 'ok' }
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (more: string) => {
      body += more
    })
    request.once('end', () => {
      received.push({ method: request.method ?? '', path: request.url ?? '', headers: request.headers, body })
      response.writeHead(answer.status, answer.headers).end(answer.text)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise((resolve) => server.close(resolve)))
  return { received, answer, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

function subject(text: string, state: NoticeSubject['state'] = 'failed'): NoticeSubject {
  const request = { action: 'deploy', apps: ['site'], comment: text, revision: text }
  const plan = { releases: [{ app: 'site', to: { commit } }] }
  const deployment = { id: 7, state, reason: text, by: 'ann', approvedBy: null, request, plan }
  return {
    stack: 'shop',
    state,
    time: '2026-11-30T12:00:00.000Z',
    url: 'https://deploy.example.com/#/deployment/7',
    deployment: deployment as unknown as ConsoleDeployment,
  }
}

const due = (kind: TargetKind, address: string, more: Partial<Target> = {}, secret: string | null = 'git token') => ({
  target: {
    id: 1,
    stack: 'shop',
    kind,
    name: 'x',
    address,
    repository: null,
    app: null,
    states: [],
    account: 'ann',
    created: '',
    ...more,
  },
  delivery: {
    id: 1,
    target: 1,
    deployment: 7,
    about: 'failed' as const,
    state: 'pending' as const,
    attempts: 0,
    created: '',
    next: '',
    ended: null,
    error: null,
  },
  secret,
  message: 'message-1',
})

const options = { mail: null, permittedAddresses: loopback(), now }
const whsec = `whsec_${Buffer.from('a secret of 24 characters').toString('base64')}`

t.test('escapes texts of others for a chat, a mail and JSON', async (t) => {
  const hostile = '`*a*` <!channel> <https://evil.example|here> @all\r\nBcc: eve@example.com\u202e\u2028"}'
  const chat = chatText(subject(hostile))
  t.equal(chat.split('\n').length, 8, chat)
  t.notMatch(chat, /[<>]/)
  for (const line of chat.split('\n').slice(0, -1)) t.match(line, /^([a-z ]+: )?`[^`]+`$/)
  t.notMatch(title(subject('x', 'rolled back')), /\n/)
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const lines = chatText(subject(text)).split('\n').slice(0, -1)
      const isSafe = lines.every((line) => /^([a-z ]+: )?`[^`<>\p{Cc}]+`$/u.test(line))
      return isSafe && !/[^\P{C}\n]/u.test(mailText(subject(text)))
    }),
  )
})

t.test('signs a webhook as Standard Webhooks require', async (t) => {
  const { received, url } = await receiver(t)
  await deliver(due('webhook', `${url}/hook?a=1`, {}, whsec), subject('"quoted"\n', 'rolled back'), options)
  const [{ method, path, headers, body } = {} as Received] = received
  t.match([method, path, headers['content-type']], ['POST', '/hook?a=1', 'application/json'])
  const header = (name: string) => headers[name]?.toString()
  const check = (secret: string) => checkSignature('generic', secret, { header, body: Buffer.from(body), now: now() })
  t.strictSame(check(whsec), { id: 'message-1' })
  t.type(check('whsec_b3RoZXI='), 'string')
  t.match(JSON.parse(body), {
    type: 'deployment.rolled_back',
    timestamp: '2026-11-30T12:00:00.000Z',
    data: { stack: 'shop', deployment: 7, comment: '"quoted"', commits: [{ app: 'site', commit }] },
  })
  const page = readFileSync(new URL('../../../docs/console.md', import.meta.url), 'utf8')
  const example = JSON.parse(/A webhook receives:\n\n```json\n(.*?)```/s.exec(page)?.[1] ?? '')
  const sent = JSON.parse(body)
  // A comment is sent where there is one.
  delete sent.data.comment
  t.strictSame(Object.keys(sent).sort(), Object.keys(example).sort(), 'the documented fields')
  t.strictSame(Object.keys(sent.data).sort(), Object.keys(example.data).sort(), 'the documented fields of data')
})

t.test('sends a chat message', async (t) => {
  const { received, url } = await receiver(t)
  await deliver(due('chat', url), subject('new prices'), options)
  t.match(JSON.parse(received[0]?.body ?? ''), { text: /^`shop: deploy 7 failed`\nby: `ann`\n/ })
})

t.test('sends the status of a commit by the API of each git server', async (t) => {
  const { received, answer, url } = await receiver(t)
  const expected = {
    github: [`/repos/o/r/statuses/${commit}`, 'authorization', 'Bearer git token', 'failure', 'context'],
    gitlab: [`/api/v4/projects/o%2Fr/statuses/${commit}`, 'private-token', 'git token', 'failed', 'name'],
    gitea: [`/api/v1/repos/o/r/statuses/${commit}`, 'authorization', 'token git token', 'failure', 'context'],
  } as const
  for (const [kind, [path, name, value, state, context]] of Object.entries(expected)) {
    const target = due(kind as TargetKind, `${url}/`, { repository: 'o/r', app: 'site' })
    received.length = 0
    for (const about of ['running', 'failed', 'succeeded', 'cancelled'] as const)
      await deliver(target, subject('x', about), options)
    t.strictSame(
      new Set(received.map((one) => `${one.method} ${one.path} ${one.headers[name]}`)),
      new Set([`POST ${path} ${value}`]),
    )
    const bodies = received.map(({ body }) => JSON.parse(body))
    t.strictSame(
      bodies.map((body) => body.state),
      ['pending', state, 'success', kind === 'gitlab' ? 'canceled' : 'error'],
      kind,
    )
    t.match(bodies[0], {
      target_url: 'https://deploy.example.com/#/deployment/7',
      description: 'shop: deploy 7 running',
      [context]: 'converge/shop',
    })
    received.length = 0
    await deliver(due(kind as TargetKind, url, { repository: 'o/r', app: 'other' }), subject('x'), options)
    t.strictSame(received, [], 'the deployment has no commit of the app')
    await deliver(target, { ...subject('x'), state: 'test', deployment: null }, options)
    t.match(received, [{ method: 'GET', path: path.replace(`/statuses/${commit}`, '') }], 'a test changes nothing')
  }
  answer.status = 400
  const gitlab = due('gitlab', url, { repository: 'o/r', app: 'site' })
  await t.rejects(deliver(gitlab, subject('x'), options), { message: 'the answer has the status 400', isFinal: true })
  answer.text = '{"message":"Cannot transition status via :run from :running"}'
  await deliver(gitlab, subject('x'), options)
})

t.test('sends nothing to addresses of the console, and follows no redirect', async (t) => {
  const { received, answer, url } = await receiver(t)
  const { port } = new URL(url)
  const none = new BlockList()
  const own = Object.values(networkInterfaces()).flatMap((all) => all?.map((one) => one.address) ?? [])
  const refused = [
    ...['127.0.0.1', '127.1.2.3', '0.0.0.0', '169.254.169.254', '::1', '::', 'fe80::1', 'fe80::1%eth0'],
    ...['::ffff:127.0.0.1', '::ffff:7f00:1', '::7f00:1', '64:ff9b::7f00:1', '2002:7f00:1::', 'fd00:ec2::254'],
    ...['100.100.100.200', '168.63.129.16', 'fd20:ce::254', '224.0.0.1', ...own],
  ]
  for (const one of refused) t.notOk(isReachable(one, none), one)
  for (const one of ['192.0.2.7', '10.99.98.97', '2001:db8::1']) t.ok(isReachable(one, none), one)
  t.ok(isReachable('127.0.0.1', loopback()))
  t.ok(isReachable('::ffff:127.0.0.1', loopback()))
  for (const host of ['127.0.0.1', 'localhost', '2130706433', '0x7f.1', '0177.0.0.1', '[::ffff:127.0.0.1]', '[::]'])
    await t.rejects(
      sendSafely({ method: 'GET', url: `http://${host}:${port}/`, headers: {} }, none),
      { message: /is an address of the console itself/, isFinal: true },
      host,
    )
  t.strictSame(received, [])
  Object.assign(answer, { status: 307, headers: { Location: `${url}/other` } })
  await t.rejects(deliver(due('chat', `${url}/secret-path`), subject('x'), options), {
    message: 'the answer is a redirect (307), which is not followed',
    isFinal: true,
  })
  t.equal(received.length, 1)
  for (const [status, isFinal] of [
    [404, true],
    [403, true],
    [429, false],
    [503, false],
  ] as const) {
    answer.status = status
    await t.rejects(deliver(due('chat', url), subject('x'), options), {
      message: `the answer has the status ${status}`,
      isFinal,
    })
  }
  answer.status = 403
  for (const headers of [{ 'Retry-After': '60' }, { 'X-RateLimit-Remaining': '0' }]) {
    answer.headers = headers as Record<string, string>
    await t.rejects(deliver(due('chat', url), subject('x'), options), { message: /403/, isFinal: false }, 'a limit')
  }
  await t.rejects(deliver(due('chat', 'http://127.0.0.1:1/secret-path'), subject('x'), options), {
    message: 'cannot reach 127.0.0.1:1: ECONNREFUSED',
    isFinal: false,
  })
})

t.test('a delivery fails at an answer that is not a final HTTP response', async (t) => {
  for (const [text, reason] of [
    ['HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n', /changes the protocol \(101\)$/],
    ['', /ECONNRESET$/],
    ['HTTP/1.1 100 Continue\r\n\r\n', /ECONNRESET$/],
  ] as const) {
    const server = createTcpServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => {
        socket.write(text)
        if (!text.includes('101')) socket.end()
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => server.close())
    const { port } = server.address() as AddressInfo
    const sent = sendSafely({ method: 'GET', url: `http://127.0.0.1:${port}/`, headers: {} }, loopback())
    await t.rejects(sent, { message: reason, isFinal: false })
  }
})

t.test('names who must act, and the notice of a removed deployment', async (t) => {
  t.equal(title({ ...subject('x'), deployment: null }), 'shop: removed deployment failed')
  const waiting = (confirmedBy: string | null, state = 'waiting for approval') => {
    const one = subject('x', 'waiting for approval')
    return mailText({ ...one, deployment: { ...one.deployment, state, confirmedBy } as unknown as ConsoleDeployment })
  }
  t.match(waiting(null), /^next step: somebody with the level deploy must confirm the plan$/m)
  t.match(waiting('bob'), /^next step: a second person with the level deploy must approve it, and not ann or bob$/m)
  t.notMatch(waiting('bob', 'running'), /next step/)
})

t.test('sends a mail by a server with TLS and a login', async (t) => {
  const { key, certificate } = selfSigned(t, 'mail.example.com')
  const mails: string[] = []
  const recipients: string[] = []
  const server = new SMTPServer({
    key,
    cert: certificate,
    secure: false,
    onAuth: ({ username, password }, _, done) =>
      username === 'console' && password === 'mail password'
        ? done(null, { user: 'console' })
        : done(new Error('wrong account')),
    onRcptTo: ({ address }, _, done) => {
      recipients.push(address)
      const status = { unknown: 550, later: 451 }[address.split('@')[0] ?? '']
      done(status === undefined ? null : Object.assign(new Error('not now'), { responseCode: status }))
    },
    onData(stream, _, done) {
      let text = ''
      stream.setEncoding('utf8').on('data', (more: string) => {
        text += more
      })
      stream.once('end', () => {
        mails.push(text)
        done()
      })
    },
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise<void>((resolve) => server.close(resolve)))
  const { port } = server.server.address() as AddressInfo
  const mail: MailSettings = {
    host: '127.0.0.1',
    port,
    tls: 'starttls',
    user: 'console',
    password: 'mail password',
    from: 'Console <console@example.com>',
  }
  const target = due('mail', 'ann@example.com,bob@example.com')
  const send = (given: MailSettings | null, to = target) =>
    deliver(to, subject('x\r\nBcc: eve@example.com'), { ...options, mail: given })
  await t.rejects(send(mail), { message: /self.signed certificate/, isFinal: false }, 'an unknown certificate')
  const trusted = process.env.NODE_TLS_REJECT_UNAUTHORIZED
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  t.teardown(() => {
    if (trusted === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
    else process.env.NODE_TLS_REJECT_UNAUTHORIZED = trusted
  })
  await send(mail)
  t.strictSame(recipients, ['ann@example.com', 'bob@example.com'])
  const [headers = '', body = ''] = mails[0]?.split('\r\n\r\n') ?? []
  t.match(headers, /^Subject: shop: deploy 7 failed\r$/m)
  t.match(headers, /^Message-ID: <message-1@converge-console>\r$/m)
  t.notMatch(headers, /^Bcc/im)
  t.match(body, /^comment: x Bcc: eve@example\.com\r$/m)
  await t.rejects(send({ ...mail, password: 'wrong password' }), {
    message: /refused it: EAUTH status 535$/,
    isFinal: true,
  })
  await t.rejects(send(mail, due('mail', 'unknown@example.com')), { message: /status 550$/, isFinal: true })
  await t.rejects(send(mail, due('mail', 'ann@example.com,unknown@example.com')), {
    message: 'the mail server refused unknown@example.com: status 550',
    isFinal: true,
  })
  await t.rejects(send(mail, due('mail', 'later@example.com,ann@example.com,unknown@example.com')), {
    message: 'the mail server refused later@example.com: status 451, unknown@example.com: status 550',
    isFinal: false,
    remaining: 'later@example.com,unknown@example.com',
  })
  await t.rejects(send(mail, due('mail', 'later@example.com,unknown@example.com')), { message: /451/, isFinal: false })
  await t.rejects(send({ ...mail, port: 1 }), { message: /ECONNREFUSED|ESOCKET|ECONNECTION/, isFinal: false })
  await t.rejects(send(null), { message: /no mail server/, isFinal: true })
})

if (await runsOnNode22(t, import.meta.url)) {
  t.test('repeats failed deliveries after growing pauses, in their order, and up to a limit', async (t) => {
    const directory = mkdtempSync(`${tmpdir()}/notices-`)
    t.teardown(() => rmSync(directory, { recursive: true, force: true }))
    const { received, answer, url } = await receiver(t)
    let time = Date.now()
    const clock = () => new Date(time)
    let database = new Database(`${directory}/a.sqlite`)
    t.teardown(() => database.close())
    let targets = new Targets(database, clock)
    const make = (address: string, account = 'ann') =>
      targets.create(
        {
          stack: 'shop',
          kind: 'chat',
          name: 'x',
          address,
          repository: null,
          app: null,
          states: ['failed'],
          account,
        },
        null,
      ).id
    const id = make(url)
    const sender = () =>
      new NoticeSender({
        targets,
        mail: null,
        permittedAddresses: loopback(),
        now: clock,
        mayNotify: (account) => account === 'ann',
        store: { find: () => undefined },
        url: () => 'https://deploy.example.com',
        reportFault: (error) => t.fail(`${error}`),
      })
    let current = sender()
    const list = () => targets.deliveries(id, 10).reverse()
    const attempt = async (count: number) => {
      current.tick()
      await waitUntil(() => received.length === count && current.isIdle, `attempt ${count}`)
    }
    targets.addTest(id)
    targets.addTest(id)
    answer.status = 503
    await attempt(1)
    t.match(list(), [
      { state: 'pending', attempts: 1, error: 'the answer has the status 503' },
      { state: 'pending', attempts: 0, error: null },
    ])
    time += (pauses[0] ?? 0) - 1000
    current.tick()
    t.ok(current.isIdle, 'not before the pause is over, and the second one waits for the first one')
    time += 1000
    await attempt(2)
    database.close()
    database = new Database(`${directory}/a.sqlite`)
    targets = new Targets(database, clock)
    current = sender()
    for (let count = 3; count <= pauses.length + 1; count++) {
      time += pauses[count - 2] ?? 0
      await attempt(count)
    }
    t.match(list()[0], { state: 'failed', attempts: pauses.length + 1, error: 'the answer has the status 503' })
    answer.status = 200
    await attempt(pauses.length + 2)
    t.match(list()[1], { state: 'delivered', attempts: 1, error: null })
    const other = make('http://127.0.0.1:1/')
    targets.addTest(other)
    targets.addTest(id)
    await attempt(pauses.length + 3)
    t.match(list()[2], { state: 'delivered' }, 'another address that fails delays nothing')
    for (let count = 0; count < 250; count++) targets.end(targets.addTest(id), 'delivered', null)
    t.equal(targets.deliveries(id, 1000).length, 200)

    const removed = make(url, 'bob')
    targets.addTest(removed)
    current.tick()
    await waitUntil(() => current.isIdle, 'it is refused')
    t.match(targets.deliveries(removed, 1), [
      { state: 'failed', attempts: 0, error: /^bob, who added this notice, .*: remove the notice, and add it with/ },
    ])
  })

  t.test('tries one notice of an unreachable address at a time, and limits how many wait', async (t) => {
    const directory = mkdtempSync(`${tmpdir()}/notices-`)
    t.teardown(() => rmSync(directory, { recursive: true, force: true }))
    let time = Date.now()
    const clock = () => new Date(time)
    const database = new Database(`${directory}/a.sqlite`)
    t.teardown(() => database.close())
    const targets = new Targets(database, clock)
    const { id } = targets.create(
      {
        stack: 'shop',
        kind: 'chat',
        name: 'x',
        address: 'http://127.0.0.1:1/',
        repository: null,
        app: null,
        states: ['failed'],
        account: 'ann',
      },
      null,
    )
    const sender = new NoticeSender({
      targets,
      mail: null,
      permittedAddresses: loopback(),
      now: clock,
      mayNotify: () => true,
      url: () => '',
      store: { find: () => undefined },
      reportFault: (error) => t.fail(`${error}`),
    })
    const attempt = async () => {
      sender.tick()
      await waitUntil(() => sender.isIdle, 'the attempt ends')
    }
    const first = targets.addTest(id)
    for (let count = 0; count < 9; count++) targets.addTest(id)
    const all = () => targets.deliveries(id, 1000).map(({ state, attempts }) => `${state} ${attempts}`)
    await attempt()
    t.strictSame(all(), [...Array(9).fill('pending 0'), 'pending 1'])
    t.match(targets.deliveries(id, 2), [{}, {}, { id: first, error: /ECONNREFUSED/ }], 'the page shows what waits')
    await attempt()
    t.equal(all().at(-1), 'pending 1', 'the pause is not over')
    targets.addTest(id)
    await attempt()
    t.equal(all().at(-1), 'pending 2', 'a test ends the pause')
    time += 10 * 3600 * 1000
    for (let count = 0; count < 11; count++) await attempt()
    t.strictSame(all(), [...Array(10).fill('failed 1'), 'failed 3'], 'each old notice is tried once more')
    for (let count = 0; count < 103; count++) targets.addTest(id)
    await attempt()
    t.strictSame(all().slice(98), ['pending 0', 'pending 1', ...Array(3).fill('failed 0'), ...all().slice(103)])
    const last = targets.deliveries(id, 2)
    t.match(last, [
      {},
      {},
      { state: 'pending' },
      { state: 'failed', error: 'more than 100 notices wait for this address' },
    ])
    for (let count = 0; count < 250; count++) targets.end(targets.addTest(id), 'delivered', null)
    t.equal(targets.deliveries(id, 1000).filter(({ state }) => state === 'delivered').length, 200)
  })

  t.test('repeats a mail only for the recipients that did not get it', async (t) => {
    const directory = mkdtempSync(`${tmpdir()}/notices-`)
    t.teardown(() => rmSync(directory, { recursive: true, force: true }))
    const database = new Database(`${directory}/a.sqlite`)
    t.teardown(() => database.close())
    const targets = new Targets(database, now)
    const { id } = targets.create(
      {
        stack: 'shop',
        kind: 'mail',
        name: 'x',
        address: 'a@example.com,b@example.com',
        repository: null,
        app: null,
        states: ['waiting for approval'],
        account: 'ann',
      },
      null,
    )
    targets.setFailure(targets.addTest(id), 'not now', 'b@example.com')
    t.match(targets.due(), [{ target: { address: 'b@example.com' } }])
    t.match(targets.list('shop'), [{ address: 'a@example.com,b@example.com' }])

    const store = new DeploymentStore(database, now)
    const { id: deployment } = store.create('shop', requestSchema.parse({}), 'ann')
    const notified = () => targets.deliveries(id, 100).filter((one) => one.deployment === deployment).length
    store.change(deployment, 'queued', { state: 'waiting for approval' })
    t.equal(notified(), 1)
    store.change(deployment, 'waiting for approval', { state: 'waiting for approval', confirmedBy: 'ann' })
    t.equal(notified(), 2, 'a second person must act')
    store.change(deployment, 'waiting for approval', { deadline: null })
    store.change(deployment, 'waiting for approval', { state: 'queued', approvedBy: 'bob' })
    t.equal(notified(), 2)
  })

  t.test('the console notifies about the states of a deployment', async (t) => {
    const { received, answer, url } = await receiver(t)
    const settings = { ...defaultSettings(), permittedAddresses: loopback() }
    const { admin, account } = await simulatedConsole(t, { settings })
    const path = '/api/stacks/shop/notices'
    const hook = { kind: 'webhook', name: 'ours', address: `${url}/very-secret-path`, states: ['succeeded', 'running'] }
    const made = await admin.send('POST', path, hook)
    t.match(made, { status: 200, body: { secret: /^whsec_/ } })
    const git = { kind: 'gitea', name: 'git', address: url, repository: 'o/r', token: 'very-secret-token', app: 'site' }
    t.match(await admin.send('POST', path, git), { status: 200, body: { secret: null } })
    for (const wrong of [
      { ...hook, address: 'ftp://example.com/' },
      { ...hook, address: 'https://ann:password@example.com/' },
      { ...hook, states: [] },
      { ...hook, name: 'two\nlines' },
      { ...git, repository: '../../x' },
      { ...git, address: `${url}/?x=` },
      { ...git, address: `${url}/#` },
      { kind: 'mail', name: 'x', recipients: ['a@b.example\r\nBcc: c@d.example'], states: ['failed'] },
    ])
      t.equal((await admin.send('POST', path, wrong)).status, 400, JSON.stringify(wrong))
    const mail = { kind: 'mail', name: 'x', recipients: ['a@example.com'], states: ['failed'] }
    t.match(await admin.send('POST', path, mail), { status: 409, body: { error: { code: 'NO_MAIL_SERVER' } } })
    t.equal((await (await account('dee', 'deploy')).send('GET', path)).status, 403)

    await admin.send('POST', '/api/stacks/shop/deployments', { automatic: true })
    await waitUntil(() => received.length === 2, 'both states are sent', 30)
    t.strictSame(
      received.map(({ body }) => JSON.parse(body).type),
      ['deployment.running', 'deployment.succeeded'],
    )
    const header = (name: string) => received[0]?.headers[name]?.toString()
    const body = Buffer.from(received[0]?.body ?? '')
    t.type(checkSignature('generic', made.body.secret, { header, body, now: now() }), 'object')

    answer.status = 503
    await admin.send('POST', `${path}/${made.body.id}/test`)
    await waitUntil(() => received.length === 3, 'the test is sent', 30)
    t.equal(JSON.parse(received[2]?.body ?? '').type, 'deployment.test')
    const shown = await admin.send('GET', path)
    t.match(shown.body.targets[0], { address: `${url}/…`, deliveries: [{ about: 'test' }, { about: 'succeeded' }, {}] })
    await admin.send('POST', '/api/stacks/shop/deployments', { automatic: true })
    await waitUntil(
      async () => (await admin.send('GET', '/api/deployments/2')).body.state === 'succeeded',
      'it is not delayed',
      30,
    )
    t.equal((await admin.send('DELETE', `${path}/${made.body.id}`)).status, 200)
    t.equal((await admin.send('DELETE', `${path}/${made.body.id}`)).status, 404)
    const everything = JSON.stringify([
      (await admin.send('GET', path)).body,
      (await admin.send('GET', '/api/audit')).body,
    ])
    t.match(everything, /notice created.*/)
    for (const secret of ['very-secret', made.body.secret])
      t.notOk(everything.includes(secret), 'secrets are shown once')
  })
}
