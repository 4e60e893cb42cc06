/** Tests the records of deployments: unique numbers, correct after a crash, and limited to the last hundred. */
import { execFileSync, spawn } from 'node:child_process'
import * as fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import {
  listDeployments,
  readDeployment,
  readLog,
  unfinishedDeployment,
} from '../../../../core/fleet/records/history.ts'
import { type DeploymentStart, maxLogSize, Recorder } from '../../../../core/fleet/records/recorder.ts'
import { loadState, updateState } from '../../../../core/fleet/records/stack_state.ts'
import type { HostReport, RolloutReport } from '../../../../core/fleet/types.ts'
import { Secrets } from '../../../../core/model/secrets.ts'
import { needs, scratch } from '../../../support/machine.ts'
import { until } from '../../../support/wait_until.ts'

const start: DeploymentStart = {
  stack: 'site',
  action: 'deploy',
  comment: 'a fix',
  by: 'jane@desk',
  started: '2026-11-21T07:40:00.000Z',
  strategy: 'parallel',
  commits: { site: 'c0ffee' },
  hosts: ['client1', 'client2'],
}
const counts = { changed: 1, planned: 0, unknown: 0, unchanged: 2, skipped: 0, failed: 0, notReached: 0 }
const done = (host: string): HostReport => ({
  host,
  outcome: 'changed',
  phase: 'switch',
  durationMs: 9,
  counts,
  live: [],
})
const { hosts, ...common } = start
const report: RolloutReport = {
  ...common,
  id: null,
  durationMs: 1234,
  outcome: 'changed',
  hosts: hosts.map(done),
  warnings: [],
}

/** Writes to a file until the disk has no space left. */
function fillDisk(t: Test, directory: string): void {
  const file = fs.openSync(`${directory}/filler`, 'w')
  try {
    for (;;) fs.writeSync(file, Buffer.alloc(4096))
  } catch (error) {
    t.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
  } finally {
    fs.closeSync(file)
  }
}

function recorder(directory: string, secrets = new Secrets()) {
  const warnings: string[] = []
  return { recorder: new Recorder({ directory, secrets, warn: (message) => void warnings.push(message) }), warnings }
}

/** Starts a process that begins records, and that a test can kill meanwhile. */
function operator(directory: string, ...args: string[]) {
  const program = fileURLToPath(new URL('../../../support/recorder_process.ts', import.meta.url))
  return spawn(process.execPath, ['--import', 'tsx', program, directory, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

t.test('records a deployment from its start to its end', (t) => {
  const directory = `${scratch(t)}/.converge/site`
  const { recorder: one, warnings } = recorder(directory)
  const record = one.begin(start)
  t.equal(record.id, '000001')
  t.equal(readDeployment(directory, '1').outcome, 'under way')
  record.log('client1', '{"event":"start","id":"000007"}')
  record.log('client1', 'sudo: a lecture')
  record.log('client1', { event: 'progress', line: 'half' })
  record.logEvent({ event: 'done', host: 'client1', phase: 'switch', outcome: 'changed', durationMs: 9 })
  t.equal(readLog(directory, 'last', 'client1')?.length, 4, 'the log exists at once')
  record.end(report)

  t.strictSame(readDeployment(directory, 'last'), { ...report, id: '000001' })
  t.match(readLog(directory, '000001', 'client1'), [
    { event: 'start', id: '000007' },
    { event: 'output', text: 'sudo: a lecture' },
    { event: 'progress', line: 'half' },
    { event: 'done', outcome: 'changed' },
  ])
  t.equal(readLog(directory, '1', 'client2'), null)
  t.strictSame(warnings, [])
  const path = `${directory}/deployments/000001`
  t.strictSame(fs.readdirSync(path).sort(), ['client1.jsonl', 'report.json'])
  for (const [name, mode] of [
    [directory, 0o700],
    [path, 0o700],
    [`${path}/report.json`, 0o600],
    [`${path}/client1.jsonl`, 0o600],
  ] as const)
    t.equal(fs.statSync(name).mode & 0o777, mode, name)
  t.end()
})

t.test('reports missing deployments and hosts', (t) => {
  const directory = scratch(t)
  t.throws(() => readDeployment(directory, 'last'), { code: 'NO_SUCH_DEPLOYMENT', message: /there is none yet/ })
  recorder(directory).recorder.begin(start).end(report)
  for (const expected of ['2', '0', '', 'x', '1x', '../1', '1e0'])
    t.throws(() => readDeployment(directory, expected), { code: 'NO_SUCH_DEPLOYMENT' }, JSON.stringify(expected))
  fs.mkdirSync(`${directory}/deployments/000002`)
  t.equal(readDeployment(directory, '2').outcome, 'not readable')
  fs.writeFileSync(`${directory}/deployments/000002/report.json`, '{"id": "000')
  t.strictSame(
    listDeployments(directory).map(({ id, outcome }) => [id, outcome]),
    [
      ['000002', 'not readable'],
      ['000001', 'changed'],
    ],
  )
  t.equal(recorder(directory).recorder.begin(start).id, '000003', 'the unreadable record has used the number')
  t.end()
})

t.test('no host name leads out of the record, and none is lost', (t) => {
  const directory = scratch(t)
  const record = recorder(directory).recorder.begin(start)
  const names = ['../../x', '..', '.', 'a/b', 'report', 'lock.d', '%2E', 'ünïcode', 'a b']
  for (const name of names) record.log(name, { name })
  for (const name of names) t.strictSame(readLog(directory, 'last', name), [{ name }], name)
  t.strictSame(fs.readdirSync(directory), ['deployments'])
  t.end()
})

t.test('limits the log of a host that sends without end, and records its outcome', (t) => {
  const directory = scratch(t)
  const { recorder: one, warnings } = recorder(directory)
  const record = one.begin(start)
  const line = { event: 'progress', name: 'x', line: 'y'.repeat(1 << 20) }
  for (let n = 0; n < 80; n++) record.log('client1', line)
  record.log('client2', { event: 'progress', line: 'quiet' })
  record.logEvent({ event: 'done', host: 'client1', phase: 'switch', outcome: 'changed', durationMs: 9 })
  record.end(report)
  t.ok(fs.statSync(`${directory}/deployments/000001/client1.jsonl`).size < maxLogSize + 1000)
  t.strictSame(warnings, ['client1: log limit of 64 MiB reached: further events of this host are not logged'])
  t.match(readLog(directory, '1', 'client1')?.slice(-2), [
    { event: 'output', text: /^log limit of 64 MiB reached/ },
    { event: 'done', outcome: 'changed' },
  ])
  t.strictSame(readLog(directory, '1', 'client2'), [{ event: 'progress', line: 'quiet' }])
  recorder(directory).recorder.begin(start).end(report)
  t.equal(readDeployment(directory, 'last').outcome, 'changed')
  t.end()
})

t.test('a host cannot imitate lines of the rollout', (t) => {
  const directory = scratch(t)
  const record = recorder(directory).recorder.begin(start)
  record.logEvent({ event: 'host', host: 'client1', phase: 'build' })
  for (const event of ['done', 'host', 'connection']) record.log('client1', { event, outcome: {}, phase: 'switch' })
  record.log('client1', '{"event":"done","outcome":"unchanged"}')
  const died = readDeployment(directory, '1').hosts.find(({ host }) => host === 'client1')
  t.match(died, { outcome: 'lost', phase: 'build' })
  t.strictSame(
    readLog(directory, '1', 'client1')?.map((one) => (one as { event: string }).event),
    ['host', 'output', 'output', 'output', 'output'],
  )
  record.end(report)
  t.end()
})

t.test('records contain no secrets', (t) => {
  const directory = scratch(t)
  const secrets = new Secrets()
  secrets.add('hunter22')
  const record = recorder(directory, secrets).recorder.begin({ ...start, comment: 'the password is hunter22' })
  record.log('client1', 'token=hunter22')
  record.log('client1', { event: 'progress', line: 'hunter22' })
  record.end({ ...report, warnings: ['hunter22'] })
  for (const name of fs.readdirSync(`${directory}/deployments/000001`))
    t.notMatch(fs.readFileSync(`${directory}/deployments/000001/${name}`, 'utf8'), /hunter22/, name)
  t.end()
})

t.test('keeps the last hundred deployments, and those under way', (t) => {
  const directory = scratch(t)
  const first = recorder(directory).recorder.begin(start)
  for (let n = 2; n <= 105; n++) recorder(directory).recorder.begin(start).end(report)
  const ids = listDeployments(directory).map(({ id }) => Number(id))
  t.equal(ids.length, 101)
  t.equal(ids.at(-1), 1)
  t.equal(ids.at(-2), 6)
  first.end(report)
  recorder(directory).recorder.begin(start)
  t.equal(listDeployments(directory).at(-1)?.id, '000007')
  t.equal(listDeployments(directory, 5).length, 5)
  t.end()
})

t.test('an old record that cannot be removed does not stop a deployment', (t) => {
  if (!needs(t, ['root', 'tmpfs'])) return t.end()
  const directory = scratch(t)
  recorder(directory).recorder.begin(start).end(report)
  const oldest = `${directory}/deployments/000001`
  fs.renameSync(oldest, `${directory}/kept`)
  fs.mkdirSync(oldest)
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', oldest])
  t.teardown(() => execFileSync('umount', ['--lazy', oldest]))
  for (let n = 2; n <= 101; n++) recorder(directory).recorder.begin(start).end(report)
  const { recorder: one, warnings } = recorder(directory)
  const record = one.begin(start)
  t.match(warnings, [/^an old record cannot be removed: /])
  t.equal(record.id, '000102')
  record.end(report)
  t.end()
})

t.test('an invalid report does not hide the others', (t) => {
  const directory = scratch(t)
  recorder(directory).recorder.begin(start).end(report)
  const top = `${directory}/deployments`
  const broken: Readonly<Record<string, unknown>> = {
    list: [],
    hosts: { ...report, hosts: [null] },
    names: { ...report, hosts: [{ outcome: 'changed' }] },
    warnings: { ...report, warnings: 'none' },
    commits: { ...report, commits: null },
  }
  const contents = Object.values(broken)
  for (const [at, content] of contents.entries()) {
    fs.mkdirSync(`${top}/00000${at + 2}`)
    fs.writeFileSync(`${top}/00000${at + 2}/report.json`, JSON.stringify(content))
  }
  fs.writeFileSync(`${top}/000007`, 'a file')
  fs.mkdirSync(`${top}/000008/report.json`, { recursive: true })
  fs.cpSync(`${top}/000001`, `${top}/000009`, { recursive: true })
  const died = { ...report, outcome: 'died' }
  fs.writeFileSync(`${top}/000009/report.json`, JSON.stringify(died))
  fs.mkdirSync(`${top}/000009/client1.jsonl`)
  t.strictSame(
    listDeployments(directory).map(({ outcome }) => outcome),
    ['died', ...Array.from({ length: 7 }, () => 'not readable'), 'changed'],
  )
  t.end()
})

t.test('reserves space for the report of many hosts', (t) => {
  if (!needs(t, ['root', 'tmpfs'])) return t.end()
  const directory = scratch(t)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', directory])
  t.teardown(() => execFileSync('umount', ['--lazy', directory]))
  const names = Array.from({ length: 300 }, (_, at) => `client${at}`)
  const record = recorder(directory).recorder.begin({ ...start, hosts: names })
  fillDisk(t, directory)
  const failure = { code: 'BROKEN', message: 'it broke', output: 'x'.repeat(900) }
  record.end({
    ...report,
    outcome: 'failed',
    hosts: names.map((name) => ({ ...done(name), outcome: 'failed', failure })),
  })
  t.equal(readDeployment(directory, 'last').outcome, 'failed')
  t.end()
})

t.test('two operators at the same time never get the same number', async (t) => {
  const directory = scratch(t)
  const both = [operator(directory, '40'), operator(directory, '40')]
  const messages = await Promise.all(
    both.map(async ({ stdout }) => {
      let text = ''
      for await (const part of stdout) text += part
      return text.trim().split('\n')
    }),
  )
  const all = messages.flat().sort()
  t.equal(all.length, 80)
  t.equal(new Set(all).size, 80)
  t.equal(all.at(-1), '000080', 'in sequence')
})

t.test('the record of a killed operator shows that the operator ended', async (t) => {
  const directory = scratch(t)
  const child = operator(directory, 'hang')
  await until(() => listDeployments(directory).length === 1 && readLog(directory, '1', 'client2') !== null, 'a record')
  t.equal(readDeployment(directory, '1').outcome, 'under way')
  child.kill('SIGKILL')
  await new Promise((resolve) => child.on('close', resolve))
  const { outcome, hosts } = readDeployment(directory, '1')
  t.equal(outcome, 'died')
  const anyHost = report.hosts[0] as HostReport
  const unfinished = () => unfinishedDeployment(directory, new Set(['client1', 'client2', 'client3']))?.hosts
  const complete = (action: 'configure' | 'deploy', names: readonly string[]) => {
    const record = recorder(directory).recorder.begin({ ...start, action, hosts: names })
    record.end({ ...report, action, outcome: 'changed', hosts: names.map((host) => ({ ...anyHost, host })) })
  }
  t.strictSame(unfinished(), ['client1', 'client2', 'client3'])
  complete('configure', ['client1', 'client2', 'client3'])
  complete('deploy', ['client1'])
  t.strictSame(unfinished(), ['client2', 'client3'], 'those that no later deploy completed')
  complete('deploy', ['client2', 'client3'])
  t.equal(unfinished(), undefined)
  const interrupted = recorder(directory).recorder.begin({ ...start, hosts: ['client1'] })
  interrupted.end({ ...report, outcome: 'interrupted', hosts: [{ ...anyHost, host: 'client1' }] })
  t.strictSame(unfinished(), ['client1'], 'also after Ctrl-C')
  t.match(hosts, [
    { host: 'client1', outcome: 'changed', phase: 'build' },
    { host: 'client2', outcome: 'lost', phase: 'switch' },
    { host: 'client3', outcome: 'untouched', phase: null },
  ])
  // Its last line is incomplete.
  fs.appendFileSync(`${directory}/deployments/000001/client1.jsonl`, '{"event":"resou')
  t.equal(readLog(directory, '1', 'client1')?.length, 2)
})

t.test('reads any lines as they were logged', (t) => {
  const root = scratch(t)
  let run = 0
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.dictionary(fc.string(), fc.jsonValue()))),
      (lines) => {
        const directory = `${root}/${run++}`
        const record = recorder(directory).recorder.begin(start)
        for (const [host, line] of lines) record.log(host, JSON.stringify(line))
        record.end(report)
        for (const host of ['a', 'b', 'c']) {
          const expected = lines.filter(([name]) => name === host).map(([, line]) => JSON.parse(JSON.stringify(line)))
          const found = readLog(directory, 'last', host) ?? []
          if (JSON.stringify(found) !== JSON.stringify(expected)) return false
        }
        return true
      },
    ),
    { numRuns: 30 },
  )
  t.end()
})

t.test('refuses a directory that cannot be written before it touches any host', (t) => {
  const directory = scratch(t)
  fs.writeFileSync(`${directory}/file`, '')
  for (const path of [`${directory}/file`, '/proc/nothing', `${directory}/file/below`])
    t.throws(
      () => recorder(path).recorder.begin(start),
      {
        code: 'NO_STACK_STATE',
        message: /cannot keep the records of this stack in .*; no host was touched/,
        usage: true,
      },
      path,
    )
  t.end()
})

t.test('a full disk: warns once, and reserved space holds the state and the report', async (t) => {
  if (!needs(t, ['root', 'tmpfs'])) return
  const directory = scratch(t)
  const mount = (...args: string[]) => execFileSync('mount', [...args, directory])
  mount('-t', 'tmpfs', '-o', 'size=192k', 'tmpfs')
  t.teardown(() => execFileSync('umount', ['--lazy', directory]))
  const fill = () => fillDisk(t, directory)
  const { recorder: one, warnings } = recorder(directory)
  const record = one.begin(start)
  record.log('client1', { event: 'progress', line: 'first' })
  fill()
  for (let n = 0; n < 200; n++) record.log('client1', { event: 'progress', line: 'x'.repeat(100) })
  t.equal(warnings.length, 1, 'one warning, and the rollout continues')
  const online = { ...loadState(directory), hosts: { client1: { status: 'online' as const } } }
  await t.rejects(
    updateState(directory, () => online),
    { code: 'NO_STACK_STATE' },
  )
  record.logEvent({ event: 'end', report })
  await updateState(directory, () => online)
  t.strictSame(loadState(directory), online, 'reserved disk space was enough for the record of the stack')
  t.match(warnings[0], /no space left/)
  record.end(report)
  t.equal(readDeployment(directory, 'last').outcome, 'changed', 'there was room in reserve for the report')
  fill()
  t.throws(() => one.begin(start), {
    code: 'NO_STACK_STATE',
    message: /no space left/,
    hint: /free some space/,
    usage: false,
  })
  t.strictSame(fs.readdirSync(`${directory}/deployments`), ['000001'], 'and no file of it remains')
  mount('-o', 'remount,ro')
  t.throws(() => one.begin(start), { code: 'NO_STACK_STATE', message: /read-only/, usage: true })
  t.equal(listDeployments(directory).length, 1, 'the complete record is readable')
})
