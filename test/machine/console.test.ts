/**
 * Tests the console with real hosts: plan, confirm, run, follow, abort, and what it knows after a crash. docs/console.md,
 * docs/pipelines.md and docs/reference/commands.md describe it.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import { needs } from '../support/machine.ts'
import { node22 } from '../support/node22.ts'
import { waitUntil } from '../support/wait_until.ts'
import { Client, ConsoleProcess } from './support/console.ts'
import { consoleStack, stackNeeds } from './support/console_stack.ts'

const port = 18484

/** Waits for the end of a process, and returns what it has printed. */
async function ended(child: ChildProcess): Promise<{ readonly status: number | null; readonly text: string }> {
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (more: string) => {
      text += more
    })
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { status, text }
}

t.test('the console', async (t) => {
  if (!needs(t, stackNeeds)) return
  const node = await node22()
  const { operator, hosts, commit, version, holdDeploys: hold, releaseDeploys: release } = await consoleStack(t)
  const [one, two] = hosts

  let running = await ConsoleProcess.start(operator, node, port)
  t.teardown(() => running.end('SIGKILL'))
  const url = () => running.url
  const ann = new Client(url)
  t.match(running.text, /^make the first account within a day: .*\nconsole for probe: /)
  const accepted = await ann.send('POST', '/api/invitations/accept', {
    ...{ invitation: running.invitation, name: 'ann', password: 'correct horse battery' },
  })
  t.match(accepted, { status: 200, body: { account: 'ann', isAdmin: true, levels: { probe: 'manage' } } })
  if (!t.passing()) return t.comment(running.text)

  const request = async (client: Client, body: object = {}) =>
    (await client.send('POST', '/api/stacks/probe/deployments', body)).body.id as number
  const get = async (id: number) => (await ann.send('GET', `/api/deployments/${id}`)).body
  const inState = async (id: number, ...states: string[]) => {
    await waitUntil(
      async () => states.includes((await get(id)).state),
      `deployment ${id} is ${states.join(' or ')}`,
      120,
    )
    return get(id)
  }
  const confirm = async (id: number) => {
    const { plan } = await inState(id, 'waiting for approval', 'failed')
    return ann.send('POST', `/api/deployments/${id}/confirm`, { digest: plan?.digest })
  }

  await t.test('shows a plan first, runs it when it is confirmed, and streams its events', async (t) => {
    await commit('two')
    const id = await request(ann, { comment: 'second' })
    const planned = await inState(id, 'waiting for approval', 'failed')
    t.match(planned, { state: 'waiting for approval', reason: null, by: 'ann' })
    t.match(planned.plan.groups, [{ hosts: ['h1', 'h2'] }])
    t.equal(await version(one), 'one', 'nothing has changed yet')
    const other = await ann.send('POST', `/api/deployments/${id}/confirm`, { digest: '0'.repeat(64) })
    t.match(other, { status: 409, body: { error: { code: 'WRONG_STATE', message: /another one/ } } })
    t.equal((await confirm(id)).status, 200)
    t.match(await inState(id, 'succeeded', 'failed'), { state: 'succeeded', record: '000002' })
    t.strictSame([await version(one), await version(two)], ['two', 'two'])

    const events = await ann.events(id, 0)
    const file = readFileSync(`${operator.directory}/console/deployments/${id}/rollout/events.jsonl`, 'utf8')
    t.equal(events.map(({ data }) => `${data}\n`).join(''), file, 'each line once')
    const middle = events[Math.floor(events.length / 2)]?.id ?? 0
    t.equal((await ann.events(id, middle)).map(({ data }) => `${data}\n`).join(''), file.slice(middle))
    t.match(await operator.run(['log', 'last']), { stdout: /second \(ann, console 1\)/ })
  })

  await t.test('refuses a plan that has changed since', async (t) => {
    await commit('three')
    const id = await request(ann)
    await inState(id, 'waiting for approval')
    await commit('four')
    await confirm(id)
    t.match(await inState(id, 'failed', 'succeeded'), { state: 'failed', reason: /^refused: the plan has changed/ })
    t.equal(await version(one), 'two')
  })

  await t.test('a rollout survives the console, which then follows it', async (t) => {
    const cancelled = await request(ann)
    await inState(cancelled, 'waiting for approval')
    t.match(await ann.send('POST', `/api/deployments/${cancelled}/cancel`), {
      status: 200,
      body: { state: 'cancelled' },
    })
    hold()
    const second = await request(ann)
    t.equal((await confirm(second)).status, 200)
    await waitUntil(async () => (await get(second)).record !== null, 'the rollout works', 60)
    await running.end('SIGKILL')
    running = await ConsoleProcess.start(operator, node, port)
    t.equal(running.invitation, '', 'there is an account')
    t.match(await get(second), { state: 'running' })
    await release()
    t.match(await inState(second, 'succeeded', 'failed', 'interrupted'), { state: 'succeeded' })
    t.strictSame([await version(one), await version(two)], ['four', 'four'])
  })

  await t.test('a rollout that was killed with the console is interrupted, and shows its last step', async (t) => {
    await commit('five')
    hold()
    const id = await request(ann)
    await confirm(id)
    await waitUntil(async () => (await get(id)).record !== null, 'the rollout works', 60)
    await running.end('SIGKILL')
    const [, stat = ''] = readFileSync(`${operator.directory}/console/deployments/${id}/rollout/process`, 'utf8').split(
      '\n',
    )
    process.kill(-Number(stat.split(' ')[0]), 'SIGKILL')
    running = await ConsoleProcess.start(operator, node, port)
    t.match(await inState(id, 'succeeded', 'failed', 'interrupted'), {
      state: 'interrupted',
      reason: /^the rollout was killed: h[12] at /,
    })
    await release()
  })

  await t.test('a second person approves; an account without the level is refused', async (t) => {
    await commit('six')
    t.equal((await ann.send('PATCH', '/api/stacks/probe', { secondPerson: true })).status, 200)
    const invite = async (name: string, level: string) => {
      const client = new Client(url)
      const { body } = await ann.send('POST', '/api/invitations', { levels: { probe: level } })
      const account = { invitation: body.invitation, name, password: 'another long password' }
      t.match(await client.send('POST', '/api/invitations/accept', account), { status: 200 })
      return client
    }
    const bob = await invite('bob', 'deploy')
    const eve = await invite('eve', 'show')
    const id = await request(ann)
    await confirm(id)
    t.match(await ann.send('POST', `/api/deployments/${id}/approve`), { status: 409 })
    t.match(await eve.send('POST', `/api/deployments/${id}/approve`), { status: 403 })
    t.match(await eve.send('POST', '/api/stacks/probe/deployments', {}), { status: 403 })
    t.match(await bob.send('POST', `/api/deployments/${id}/approve`), { status: 200, body: { state: 'queued' } })
    t.match(await inState(id, 'succeeded', 'failed'), { state: 'succeeded', approvedBy: 'bob' })
    t.equal(await version(two), 'six')
    t.equal((await ann.send('PATCH', '/api/stacks/probe', { secondPerson: false })).status, 200)
  })

  await t.test('a pipeline deploys with a token', async (t) => {
    await commit('seven')
    const { body } = await ann.send('POST', '/api/stacks/probe/tokens', { name: 'ci', level: 'deploy' })
    const pipeline = new Client(url, body.token)
    const id = await request(pipeline, { automatic: true })
    t.match(await inState(id, 'succeeded', 'failed', 'waiting for approval'), { state: 'succeeded' })
    t.equal(await version(one), 'seven')
    t.match(await pipeline.send('GET', '/api/accounts'), { status: 403 })

    // The commands of the documented pipelines, with the address of this console and the only app of the stack.
    const page = readFileSync(new URL('../../docs/pipelines.md', import.meta.url), 'utf8')
    const documents = [...page.matchAll(/```yaml\n(.*?)```/gs)].map(([, text = '']) => text)
    const commands = documents.flatMap((text) => {
      t.ok(parse(text), 'valid YAML')
      return [...(/npx (converge deploy --console .*)/.exec(text) ?? [])].slice(1)
    })
    t.equal(commands.length, 3)
    const sha = (await one.run('git -C /srv/site rev-parse HEAD')).stdout.trim()
    const pipelineRun = (command: string) => {
      const words = command
        .replace('converge', `'${process.execPath}' '${operator.program}'`)
        .replace('https://deploy.example.com', url())
        .replace('--app shop', '--app mine')
      const env = {
        PATH: process.env.PATH,
        HOME: operator.home,
        CONVERGE_TOKEN: body.token,
        GITHUB_SHA: sha,
        CI_COMMIT_SHA: sha,
      }
      return spawn('sh', ['-c', `exec ${words}`], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    }
    for (const command of commands) {
      const { status, text } = await ended(pipelineRun(command))
      t.equal(status, 0, text)
      t.match(text, /^deployment \d+ of probe: http:.*\/#\/deployment\/\d+\n.*succeeded.*\n$/s)
    }

    await t.test('follows a deployment while the console is killed and starts again', async (t) => {
      await commit('restarted')
      const [{ id: last }] = (await ann.send('GET', '/api/stacks/probe/deployments')).body
      hold()
      const newest = (await one.run('git -C /srv/site rev-parse HEAD')).stdout.trim()
      const child = pipelineRun(
        `converge deploy --console https://deploy.example.com --revision ${newest} --json-output`,
      )
      const result = ended(child)
      const works = async () => {
        const [{ id, record }] = (await ann.send('GET', '/api/stacks/probe/deployments')).body
        return id === last + 1 && record !== null
      }
      await waitUntil(works, 'it runs', 120)
      await running.end('SIGKILL')
      running = await ConsoleProcess.start(operator, node, port)
      await release()
      const { status, text } = await result
      t.equal(status, 0, text)
      const deployment = last + 1
      const events = readFileSync(
        `${operator.directory}/console/deployments/${deployment}/rollout/events.jsonl`,
        'utf8',
      )
      const lines = text.split('\n').filter((line) => line !== '' && !/^\{"event":"state"/.test(line))
      t.strictSame(
        lines.map((line) => JSON.parse(line)),
        events
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line)),
        'each event once',
      )
      t.equal(await version(one), 'restarted')
    })
  })

  await t.test('a push to a git server deploys by a webhook', async (t) => {
    const { body } = await ann.send('POST', '/api/stacks/probe/webhooks', {
      ...{ name: 'main', sender: 'generic', branch: 'main', trigger: 'push', request: {} },
    })
    const server = `${operator.directory}/server.git`
    const git = (...args: string[]) => execFileSync('git', args, { cwd: operator.directory, encoding: 'utf8' })
    git('init', '-q', '--bare', '-b', 'main', server)
    // A git server signs the body, and sends it after the push.
    const hook = `#!/bin/sh
read -r _ commit ref
body="{\\"branch\\":\\"$ref\\",\\"commit\\":\\"$commit\\"}"
id=push-$commit at=$(date +%s) key=$(printf %s '${body.secret.slice('whsec_'.length)}' | base64 -d | od -An -tx1 -v | tr -d ' \\n')
signature=$(printf %s "$id.$at.$body" | openssl dgst -sha256 -mac HMAC -macopt hexkey:$key -binary | base64)
exec curl -sS -o "${operator.directory}/answer" -H "webhook-id: $id" -H "webhook-timestamp: $at" -H "webhook-signature: v1,$signature" -d "$body" ${url()}${body.path}
`
    writeFileSync(`${server}/hooks/post-receive`, hook, { mode: 0o755 })
    await commit('pushed')
    // The clone of the developer has the same commits as the repository of the hosts.
    cpSync(`${one.root}/srv/site`, `${operator.directory}/clone`, { recursive: true })
    const push = (...more: string[]) =>
      git('-c', 'safe.directory=*', '-C', 'clone', 'push', '-q', ...more, server, 'main')
    push()
    const { result, deployment } = JSON.parse(readFileSync(`${operator.directory}/answer`, 'utf8'))
    t.equal(result, 'deployed')
    t.match(await inState(deployment, 'succeeded', 'failed'), { state: 'succeeded', by: 'ann' })
    t.strictSame([await version(one), await version(two)], ['pushed', 'pushed'])
    const [entry] = (await ann.send('GET', '/api/audit?limit=2')).body.filter(
      ({ action }: { action: string }) => action === 'deployment requested',
    )
    t.match(entry, { via: 'webhook main', detail: { branch: 'main' } })
  })

  await t.test('custom JSON counts for one deployment', async (t) => {
    for (const host of hosts) await host.run('cd /srv/site && git checkout -q -b sale')
    await commit('sale')
    for (const host of hosts) await host.run('cd /srv/site && git checkout -q main')
    const customJson = { deploy: { mine: { scm: { revision: 'sale' } } } }
    const wrong = await request(ann, { customJson: { deploy: { mine: { scm: { revision: ['sale'] } } } } })
    t.match(await inState(wrong, 'failed', 'waiting for approval'), {
      ...{ state: 'failed', reason: /deploy\.mine\.scm\.revision/ },
    })
    await inState(await request(ann, { customJson, automatic: true }), 'succeeded', 'failed')
    t.strictSame([await version(one), await version(two)], ['sale', 'sale'])
    await inState(await request(ann, { automatic: true }), 'succeeded', 'failed')
    t.strictSame([await version(one), await version(two)], ['pushed', 'pushed'])
  })

  await t.test('an abort ends the rollout, and the host continues', async (t) => {
    await commit('eight')
    hold()
    const id = await request(ann)
    await confirm(id)
    await waitUntil(async () => (await get(id)).record !== null, 'the rollout works', 60)
    t.match(await ann.send('POST', `/api/deployments/${id}/cancel`), {
      status: 200,
      body: { abortedBy: 'ann' },
    })
    await release()
    const ended = await inState(id, 'interrupted', 'succeeded', 'failed')
    t.match(ended, { state: 'interrupted', reason: /^aborted by ann/ })
  })

  await t.test('a backup of the database opens', async (t) => {
    const copy = `${operator.directory}/copy.sqlite`
    const args = [operator.program, 'console', 'backup', copy, '--state-dir', `${operator.directory}/console`]
    execFileSync(node, args, { env: { PATH: process.env.PATH, HOME: operator.home } })
    const script = `const { DatabaseSync } = require('node:sqlite')
      console.log(new DatabaseSync(process.argv[1]).prepare('SELECT count(*) AS n FROM deployments').get().n)`
    const { body } = await ann.send('GET', '/api/stacks/probe/deployments?limit=200')
    t.equal(execFileSync(node, ['-e', script, copy], { encoding: 'utf8' }), `${body.length}\n`)
  })
})
