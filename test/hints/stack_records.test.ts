/** Proves the hints about the records and the state of a stack: triggers each, then follows it. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type DeploymentStart, Recorder } from '../../core/fleet/records/recorder.ts'
import { loadState } from '../../core/fleet/records/stack_state.ts'
import { Secrets } from '../../core/model/secrets.ts'
import { scratch } from '../support/machine.ts'
import { Sandbox } from '../support/program.ts'
import { type Proof, proveCalls, proveCommands } from '../support/proofs.ts'
import { hostReport, rolloutReport } from '../support/screen.ts'

const stack = {
  name: 'shop',
  layers: { app: { roles: ['base'] } },
  hosts: { web1: { address: '127.0.0.1', layers: ['app'] } },
}

/** Returns the files of a stack with one deployment: web1 sent events, web2 sent none. */
function recorded(t: Test): Record<string, string> {
  const directory = scratch(t)
  const recorder = new Recorder({ directory, secrets: new Secrets(), warn: t.fail.bind(t) })
  const start: DeploymentStart = {
    ...{ stack: 'shop', comment: '', by: 'jane@desk', commits: {}, hosts: ['web1', 'web2'] },
    action: 'configure',
    strategy: 'rolling',
    started: '2026-11-20T07:40:00.000Z',
  }
  const record = recorder.begin(start)
  record.log('web1', { event: 'host', host: 'web1', phase: 'configure' })
  const hosts = [hostReport('web1'), hostReport('web2', { outcome: 'skipped', phase: null })]
  record.end(rolloutReport(hosts, { ...start, hosts }))
  const top = join(directory, 'deployments', record.id)
  const names = readdirSync(top).filter((name) => /\.jsonl?$/.test(name))
  const files = names.map((name) => [
    `.converge/shop/deployments/${record.id}/${name}`,
    readFileSync(join(top, name), 'utf8'),
  ])
  return { 'stack.json': JSON.stringify(stack), ...Object.fromEntries(files) }
}

t.test('the hints about records of deployments work', async (t) => {
  const source = 'core/cli/stack/records.ts'
  const files = recorded(t)
  proveCommands(t, [
    {
      source,
      hint: 'converge stack deployments --limit 10',
      files,
      broken: 'stack deployments --limit many',
      repaired: 'stack deployments --limit 10',
    },
    {
      source,
      hint: 'converge stack log last web1 --stack stack.json',
      files,
      broken: 'stack log web1 --stack stack.json',
      repaired: 'stack log last web1 --stack stack.json',
    },
    {
      source,
      hint: 'its hosts: web1, web2',
      files,
      broken: 'stack log last qqqqqqqq',
      repaired: 'stack log last web1',
    },
    {
      source,
      hint: 'converge stack log 1 shows the outcome of the others',
      files,
      broken: 'stack log last web2',
      repaired: 'stack log 1',
    },
    {
      source,
      hint: 'check the spelling of the host: the logs of the hosts are beside the record, as HOST.jsonl',
      files: { ...files, '.converge/shop/deployments/000001/report.json': '{' },
      broken: 'stack log 1 web3',
      repaired: 'stack log 1 web1',
    },
    {
      source: 'core/fleet/records/history.ts',
      hint: 'converge stack deployments lists them; the last 100 are kept',
      files,
      broken: 'stack log 7',
      repaired: 'stack deployments',
    },
  ])
})

t.test('the hints about pauses work', async (t) => {
  const source = 'core/cli/stack/pause.ts'
  const word: Proof = { source, hint: 'converge stack deployments lists the numbers' }
  const elsewhere: Proof = {
    source,
    hint: 'run this on the computer on which the rollout was started; converge stack deployments lists those of this one',
  }
  const several: Proof = { source, hint: 'name one, such as 1' }
  const sandbox = new Sandbox(t)
  sandbox.write({ 'stack.json': JSON.stringify(stack) })
  const run = (...words: readonly string[]) => sandbox.converge(['stack', ...words], { bare: true })
  const refused = (outcome: Awaited<ReturnType<typeof run>>, { hint }: Proof) => {
    t.equal(outcome.status, 2, hint)
    t.match(outcome.stderr, hint)
  }
  refused(await run('pause'), elsewhere)
  const directory = sandbox.at('.converge/shop')
  const recorder = new Recorder({ directory, secrets: new Secrets(), warn: t.fail.bind(t) })
  const start: DeploymentStart = {
    ...{ stack: 'shop', comment: '', by: 'jane@desk', commits: {}, hosts: ['web1'], action: 'deploy' },
    ...{ strategy: 'rolling', started: '2026-11-20T07:40:00.000Z' },
  }
  recorder.begin(start)
  const second = recorder.begin(start)
  refused(await run('pause', 'web1'), word)
  t.match(await run('deployments'), { status: 0, stdout: /^1 /m })
  refused(await run('pause'), several)
  t.match(await run('pause', '1'), { status: 0, stdout: /^deployment 1 .*: paused/ })
  second.discard()
  t.match(await run('pause'), { status: 0, stdout: /: already paused by / })
  t.match(await run('continue'), { status: 0, stdout: /: continues\n$/ })
  t.match(await run('continue'), { status: 0, stdout: /: not paused\n$/ })
})

t.test('the hints about the state of a stack work', async (t) => {
  const source = 'core/fleet/records/stack_state.ts'
  const hint = 'repair it, or restore it from a copy; without the file every host counts as new until the next setup'
  const directory = scratch(t)
  const state = join(directory, 'state.json')
  const broken = () => {
    writeFileSync(state, '{"hosts": {')
    return loadState(directory)
  }
  const restored = () => {
    writeFileSync(state, '{"hosts": {"web1": {"status": "online"}}, "apps": {}}')
    t.equal(loadState(directory).hosts.web1?.status, 'online')
  }
  const removed = () => {
    rmSync(state)
    t.strictSame(loadState(directory).hosts, {}, 'no host is known')
  }
  proveCalls(t, [
    { source, hint, broken, repaired: restored },
    { source, hint, broken, repaired: removed },
  ])
})
