/**
 * Tests `converge stack deployments` and `stack log`: they read the records of a stack, even if its stack file is
 * invalid.
 */
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { type DeploymentStart, Recorder } from '../../core/fleet/records/recorder.ts'
import { Secrets } from '../../core/model/secrets.ts'
import { needs } from '../support/machine.ts'
import { Sandbox } from '../support/program.ts'
import { hostReport, rolloutReport } from '../support/screen.ts'

const stack = {
  name: 'site',
  layers: { zeoserver: { roles: ['zeo-server'] } },
  hosts: { client1: { address: '10.0.0.1', layers: ['zeoserver'] } },
  apps: { zeoserver: { scm: { repository: '/srv/site.git' } } },
}
const failure = {
  code: 'COMMAND_FAILED',
  message: 'bin/buildout exited with status 1',
  resource: 'execute bin/buildout',
  output: 'Error: no distribution\x1b]0;mine\x07',
  hint: 'correct the versions in buildout.cfg',
}
const deploymentStart: DeploymentStart = {
  stack: 'site',
  action: 'deploy',
  comment: 'the new theme',
  by: 'jane@desk',
  started: '2026-11-20T07:40:00.000Z',
  strategy: 'rolling',
  commits: { site: 'c0ffeec0ffeec0ffee' },
  hosts: ['client1', 'client2'],
}

/** Makes a stack with three deployments: one that failed, one that succeeded, one whose operator was killed. */
function recordedStack(t: Test): { sandbox: Sandbox; run: (...args: string[]) => ReturnType<Sandbox['converge']> } {
  const sandbox = new Sandbox(t)
  sandbox.write({ 'stack.json': JSON.stringify(stack) })
  const directory = sandbox.at('.converge/site')
  const recorder = new Recorder({ directory, secrets: new Secrets(), warn: t.fail.bind(t) })
  const first = recorder.begin(deploymentStart)
  first.logEvent({ event: 'host', host: 'client1', phase: 'build' })
  const unused = { type: '', key: '', role: '', roleEvent: '', durationMs: 4 }
  const patch = [{ op: 'replace', path: '/content', value: 'b' }]
  first.log('client1', {
    event: 'resource',
    name: 'file /etc/motd',
    outcome: 'changed',
    patch,
    diff: ['-a', '+b'],
    ...unused,
  })
  first.log('client1', { event: 'resource', name: 'execute bin/buildout', outcome: 'failed', failure, ...unused })
  first.log('client1', 'sudo: \x1b[2Ja lecture')
  first.logEvent({ event: 'connection', host: 'client1', state: 'lost', detail: 'no answer' })
  first.logEvent({ event: 'done', host: 'client1', phase: 'build', outcome: 'failed', durationMs: 4000, failure })
  const failed = hostReport('client1', { outcome: 'failed', phase: 'build', failure })
  const skipped = hostReport('client2', { outcome: 'skipped', phase: null, reason: 'it is down' })
  first.end(
    rolloutReport([failed, skipped], {
      ...deploymentStart,
      hosts: [failed, skipped],
      warnings: ['it is late', 'client1: no room', 'client2: no room'],
    }),
  )
  const second = recorder.begin({ ...deploymentStart, action: 'configure', comment: '', commits: {} })
  second.end(
    rolloutReport([hostReport('client1')], {
      ...deploymentStart,
      action: 'configure',
      commits: {},
      comment: '',
      hosts: [hostReport('client1')],
    }),
  )
  const third = recorder.begin({ ...deploymentStart, action: 'setup', comment: '' })
  third.logEvent({ event: 'host', host: 'client1', phase: 'setup' })
  // As if its operator had been killed: the deployment's lock has no holder.
  fs.rmSync(`${directory}/deployments/${third.id}/lock.d`, { recursive: true })
  return { sandbox, run: (...args) => sandbox.converge(['stack', ...args], { bare: true }) }
}

t.test('lists the deployments', async (t) => {
  const { run } = recordedStack(t)
  const { status, stdout, stderr } = await run('deployments')
  t.equal(stderr, '')
  t.equal(status, 0)
  t.equal(
    stdout,
    `ID  WHEN               WHO        ACTION     COMMITS            OUTCOME  HOSTS                 COMMENT
3   2026-11-20 07:40Z  jane@desk  setup      site c0ffeec0ffee  died     1 lost, 1 not done
2   2026-11-20 07:40Z  jane@desk  configure                     changed  1 ok
1   2026-11-20 07:40Z  jane@desk  deploy     site c0ffeec0ffee  failed   1 failed, 1 not done  the new theme
`,
  )
  t.equal((await run('deployments', '--limit', '1')).stdout.split('\n').length, 3)
  const json = JSON.parse((await run('deployments', '--json-output')).stdout) as { id: string; outcome: string }[]
  t.strictSame(
    json.map(({ id, outcome }) => [id, outcome]),
    [
      ['000003', 'died'],
      ['000002', 'changed'],
      ['000001', 'failed'],
    ],
  )
  for (const limit of ['0', 'x', '-1', '1.5']) {
    const refused = await run('deployments', `--limit=${limit}`)
    t.equal(refused.status, 2)
    t.match(refused.stderr, `error: invalid --limit "${limit}": expected a whole number of deployments`)
  }
})

t.test('prints a failed deployment and one whose operator was killed', async (t) => {
  const { run } = recordedStack(t)
  const { stdout } = await run('log', '1')
  t.match(
    stdout,
    /^deployment 1: deploy of site, rolling\nby jane@desk {2}at 2026-11-20 07:40Z, .* ago\ncomment the new theme\nwarning: it is late\n/,
  )
  t.ok(
    stdout.endsWith(`! client1 failed in build
    execute bin/buildout
    bin/buildout exited with status 1
    | Error: no distribution\\x1b]0;mine\\x07
    hint: correct the versions in buildout.cfg
warning: client1, client2: no room
skipped: client2: it is down
complete log of client1: converge stack log 1 client1
deploy of site (deployment 1) to site c0ffeec0ffee: 1 failed, 1 skipped in 63 s
`),
    stdout,
  )
  const died = (await run('log')).stdout
  t.match(died, /died: its operator was killed before the end/)
  t.match(died, /lost \(what became of them is not known\): client1\nnot begun: client2\n$/)
  t.match(JSON.parse((await run('log', '000001', '--json-output')).stdout), { id: '000001', comment: 'the new theme' })
})

t.test('prints the log of a host', async (t) => {
  const { run } = recordedStack(t)
  const { stdout } = await run('log', '1', 'client1')
  t.match(stdout, /^build \d{4}-.*Z\n/)
  t.equal(
    stdout.slice(stdout.indexOf('\n') + 1),
    `  ~ file /etc/motd
      -a
      +b
  ! execute bin/buildout failed
    bin/buildout exited with status 1
    | Error: no distribution\\x1b]0;mine\\x07
    hint: correct the versions in buildout.cfg
  | sudo: a lecture
  connection lost (no answer)
build: failed in 4.0 s
`,
  )
  const raw = (await run('log', '1', 'client1', '--json-output')).stdout.trimEnd().split('\n')
  t.strictSame(
    raw.map((line) => (JSON.parse(line) as { event: string }).event),
    ['host', 'resource', 'resource', 'output', 'connection', 'done'],
  )
})

t.test('refuses a deployment or host that has no record or log', async (t) => {
  const { run } = recordedStack(t)
  for (const [args, status, expectation] of [
    [['7'], 2, /no deployment 7: there are 1 to 3\n {2}hint: converge stack deployments/],
    [['1', 'clint1'], 2, /deployment 1 has no host clint1\n {2}hint: did you mean client1\?/],
    [['1', 'client2'], 1, /deployment 1 has no log of client2: skipped\n {2}hint: it is down/],
  ] as const) {
    const result = await run('log', ...args)
    t.match(result.stderr, expectation)
    t.equal(result.status, status)
    t.equal(result.stdout, '')
  }
})

t.test('prints a deployment that is under way', async (t) => {
  const { sandbox, run } = recordedStack(t)
  const directory = sandbox.at('.converge/site')
  const recorder = new Recorder({ directory, secrets: new Secrets(), warn: t.fail.bind(t) })
  const fourth = recorder.begin({ ...deploymentStart, action: 'setup', comment: '' })
  fourth.logEvent({ event: 'host', host: 'client1', phase: 'setup' })
  t.match((await run('deployments', '--limit', '1')).stdout, /^4 .* under way +1 at work, 1 not done$/m)
  const { stdout } = await run('log')
  t.match(stdout, /\nunder way: below is what the hosts have reported so far\nnot begun: client2\nat work: client1\n$/)
  fourth.end(rolloutReport([hostReport('client1')]))
})

t.test('a host name in place of the deployment gives a hint with the right command', async (t) => {
  const { run } = recordedStack(t)
  const result = await run('log', 'client1', '--stack', './stack.json')
  t.equal(result.status, 2)
  t.equal(
    result.stderr,
    `error: invalid deployment client1: it is a host, not a number\n  hint: converge stack log last client1 --stack ./stack.json\n`,
  )
})

t.test('damaged, older and newer records do not hide the others', async (t) => {
  const { sandbox, run } = recordedStack(t)
  const report = (id: number) => sandbox.at(`.converge/site/deployments/00000${id}/report.json`)
  const change = (id: number, more: object) => {
    const text = fs.readFileSync(report(id), 'utf8')
    fs.writeFileSync(report(id), JSON.stringify({ ...(JSON.parse(text) as object), ...more }))
  }
  change(1, {
    outcome: 'postponed',
    action: 'rejoice',
    hosts: [{ host: 'client1', outcome: 'pondered', durationMs: 1, live: [] }],
  })
  change(2, { hosts: [7], commits: null })
  fs.writeFileSync(report(3), '{"id": "0000')
  const list = await run('deployments')
  t.equal(list.status, 0, list.stderr)
  const [, third, second, first] = list.stdout.split('\n')
  t.match(third, /^3 +not readable$/)
  t.match(second, /^2 +not readable$/)
  t.match(first, /^1 .* rejoice .* postponed +1 not done/)
  const newer = await run('log', '1')
  t.equal(newer.status, 0, newer.stderr)
  t.match(newer.stdout, /^deployment 1: rejoice of site, rolling\n/)
  t.match((await run('log', '1', 'client1')).stdout, /buildout exited with status 1/, 'its logs are found')
  for (const id of ['2', '3']) {
    const broken = await run('log', id)
    t.match(broken.stdout, `the record of deployment ${id} is damaged, or of a later version: it cannot be read\n`)
    t.equal(broken.status, 1)
  }
  const unreadable = await run('log', '2', 'client1')
  t.match(unreadable.stderr, /^error: there is no log of client1 in deployment 2, and its record cannot be read\n/)
  t.equal(unreadable.status, 1)
})

t.test('status warns about a deployment whose operator was killed, and exits with status 1', async (t) => {
  const { sandbox } = recordedStack(t)
  const { status, stdout } = await sandbox.converge(['stack', 'status'], { bare: true })
  t.equal(status, 1)
  t.match(
    stdout,
    'deployment 3 (setup by jane@desk since 2026-11-20T07:40:00Z) was killed before it was complete, so the commits of client1 may differ from those of others: run converge stack deploy, or converge stack rollback',
  )
})

t.test('the advice for an unfinished deployment names its apps', async (t) => {
  const { sandbox } = recordedStack(t)
  const recorder = new Recorder({
    directory: sandbox.at('.converge/site'),
    secrets: new Secrets(),
    warn: t.fail.bind(t),
  })
  const killed = recorder.begin({ ...deploymentStart, apps: ['shop', 'zeoserver'], commits: {} })
  fs.rmSync(sandbox.at(`.converge/site/deployments/${killed.id}/lock.d`), { recursive: true })
  const advice = /run converge stack deploy --app shop,zeoserver, or converge stack rollback --app shop,zeoserver$/m
  t.match((await sandbox.converge(['stack', 'status'], { bare: true })).stdout, advice, 'killed')
  const interrupted = recorder.begin({ ...deploymentStart, apps: ['shop', 'zeoserver'] })
  interrupted.end(rolloutReport([hostReport('client1')], { ...deploymentStart, hosts: [], outcome: 'interrupted' }))
  const stored = JSON.parse(
    fs.readFileSync(sandbox.at(`.converge/site/deployments/${interrupted.id}/report.json`), 'utf8'),
  )
  t.strictSame(stored.apps, ['shop', 'zeoserver'])
})

t.test('refuses to read the records of another account', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const { sandbox } = recordedStack(t)
  for (const args of [['deployments'], ['log'], ['configure']]) {
    const result = await sandbox.converge(['stack', ...args], { bare: true, account: 'nobody' })
    t.equal(result.status, 2)
    t.match(
      result.stderr,
      /^error: this account may not read the records of the stack in .*\n {2}hint: run the command as the account that owns these records/,
    )
  }
})

t.test('finds records if the stack file is broken or missing', async (t) => {
  const { sandbox, run } = recordedStack(t)
  sandbox.write({ 'stack.json': '{"name": ' })
  const broken = await run('log', '1')
  t.match(broken.stdout, /deployment 1: deploy of site/)
  t.match(broken.stderr, /^warning: the stack cannot be read \(.*\); these are the records in .*\/\.converge\/site\n$/)
  fs.rmSync(sandbox.at('stack.json'))
  t.match((await run('deployments')).stdout, /jane@desk/)
  fs.mkdirSync(sandbox.at('.converge/other'))
  const unclear = await run('deployments')
  t.equal(unclear.status, 2)
  t.match(unclear.stderr, /there is no stack file/)
})

t.test('reports that there are no deployments yet', async (t) => {
  const sandbox = new Sandbox(t)
  sandbox.write({ 'stack.json': JSON.stringify(stack) })
  const before = sandbox.snapshot()
  const none = await sandbox.converge(['stack', 'deployments'], { bare: true })
  t.equal(none.stdout, 'no deployments yet\n')
  t.equal(none.status, 0)
  t.match((await sandbox.converge(['stack', 'log'], { bare: true })).stderr, /no deployment last: there is none yet/)
  t.strictSame(sandbox.snapshot(), before, 'the commands create no file')
})
