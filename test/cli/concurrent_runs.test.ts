/** Tests simultaneous, interrupted and killed runs of the built program. */
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { needs } from '../support/machine.ts'
import { onTerminal, type Running, Sandbox } from '../support/program.ts'
import { until } from '../support/wait_until.ts'

/** Two steps below the working directory; the first waits for a file `go`, and writes its process id to `pid`. */
const recipe = `
import { execute, file, role } from 'converge-engine'
const at = (name) => process.cwd() + '/' + name
export default role('steps', {
  setup(r) {
    execute(r, { name: 'first', command: 'echo $$ > pid; until [ -e go ]; do sleep 0.05; done; rm -f pid; touch first', cwd: process.cwd(), creates: at('first') })
    file(r, { path: at('second'), content: 'done' })
  },
})
`
const args = ['setup', '--role', 'steps', '--recipes', 'recipes']

/** Starts a run and waits until its first step runs. */
async function startRun(
  t: Test,
  more: readonly string[] = [],
  through: readonly string[] = [],
): Promise<{ sandbox: Sandbox; run: Running }> {
  const sandbox = new Sandbox(t)
  sandbox.write({ 'recipes/steps.ts': recipe })
  const run = sandbox.start([...args, ...more], { through })
  // The command ends even if the test fails.
  t.teardown(() => fs.existsSync(sandbox.directory) && sandbox.write({ go: '' }))
  await until(() => fs.existsSync(sandbox.at('pid')) && sandbox.read('pid') !== '', 'the first step is under way')
  return { sandbox, run }
}

/** Decides whether a process runs. */
function lives(pid: number): boolean {
  return fs.existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))
}

t.test('the second run names the lock holder, its start, and how to wait', async (t) => {
  const { sandbox, run } = await startRun(t)
  const { status, stdout, stderr } = await sandbox.converge(args)
  t.equal(status, 1)
  t.equal(stdout, '')
  t.match(
    stderr,
    new RegExp(
      `^error: another run is under way: process ${run.pid} \\(converge steps setup\\) of \\w+, since \\d{4}-\\d\\d-\\d\\dT\\S+Z\\n.*wait for it with --wait SECONDS`,
    ),
  )
  t.equal((await sandbox.converge([...args, '--wait', '0.3'])).status, 1)
  t.equal(
    (await sandbox.converge(['plan', ...args.slice(1), '--event', 'setup'])).status,
    0,
    'commands that only read do not wait',
  )
  const shown = await sandbox.converge(['status', ...args.slice(1)])
  t.match(shown.stdout, /last run {3}\S+Z {2}steps: setup: under way\n/)
  sandbox.write({ go: '' })
  t.match(await run.finished, { status: 0, stdout: /2 changed/ })
})

t.test('a third run waits, and then has nothing to do', async (t) => {
  const { sandbox, run } = await startRun(t)
  const waiting = sandbox.start([...args, '--wait', '60'])
  await until(() => waiting.stdout !== '', 'the output names the run that it waits for')
  t.match(
    waiting.stdout,
    new RegExp(`^ {2}note: waiting for process ${run.pid} \\(converge steps setup\\) of \\w+, at work since `),
  )
  sandbox.write({ go: '' })
  t.match(await waiting.finished, { status: 0, stdout: /nothing to do: 2 unchanged/ })
  t.match(await run.finished, { status: 0 })
})

t.test('Ctrl-C ends a run that waits for another one', async (t) => {
  const { sandbox, run } = await startRun(t)
  const waiting = sandbox.start([...args, '--wait', '60'])
  await until(() => waiting.stdout !== '', 'it waits')
  waiting.child.kill('SIGINT')
  t.match(await waiting.finished, { signal: 'SIGINT' })
  sandbox.write({ go: '' })
  t.match(await run.finished, { status: 0 })
})

t.test('after a kill: the lock is free, the journal records it, and the next run finishes the work', async (t) => {
  const { sandbox, run } = await startRun(t)
  run.child.kill('SIGKILL')
  await run.finished
  const [journal = []] = sandbox.journals()
  t.strictSame(
    journal.map(({ event }) => event),
    ['start', 'applying'],
  )
  t.match((await sandbox.converge(['status', ...args.slice(1)])).stdout, /steps: setup: did not end: it was killed/)
  sandbox.write({ go: '' })
  const next = await sandbox.converge(args)
  t.equal(next.status, 0)
  t.equal(sandbox.read('second'), 'done')
  t.match((await sandbox.converge(['status', ...args.slice(1)])).stdout, /steps: setup: changed \(\d\)\n/)
})

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  t.test(`${signal}: finishes the step, and begins no other`, async (t) => {
    const { sandbox, run } = await startRun(t)
    run.child.kill(signal)
    await until(() => run.stderr !== '', 'it has reacted')
    t.equal(run.stderr, `\n${signal}: finishing the current step; the same signal again ends it at once\n`)
    sandbox.write({ go: '' })
    const { status, stdout } = await run.finished
    t.equal(status, 1)
    t.match(stdout, /\ninterrupted: 1 changed, 1 not reached in .*; run it again to finish\n$/)
    t.ok(fs.existsSync(sandbox.at('first')))
    t.notOk(fs.existsSync(sandbox.at('second')))
    t.match(sandbox.journals().at(-1)?.at(-1), {
      report: { outcome: 'interrupted', counts: { changed: 1, notReached: 1 } },
    })
    t.match((await sandbox.converge(['status', ...args.slice(1)])).stdout, /steps: setup: interrupted \(1\)\n/)
    t.match(await sandbox.converge(args), { status: 0, stdout: /1 changed, 1 unchanged/ })
  })

t.test('a second signal ends the run at once, with its command', async (t) => {
  const { sandbox, run } = await startRun(t)
  const command = Number(sandbox.read('pid'))
  t.ok(lives(command))
  run.child.kill('SIGINT')
  await until(() => run.stderr !== '', 'it has reacted')
  run.child.kill('SIGINT')
  const { signal, stderr } = await run.finished
  t.equal(signal, 'SIGINT')
  t.match(stderr, /\nended; the next run finishes the work\n$/)
  await until(() => !lives(command), 'the command of the killed run has ended')
  sandbox.write({ go: '' })
  t.match(await sandbox.converge(args), { status: 0, stdout: /2 changed/ })
})

t.test('a terminal that hangs up: finishes the step without a reader', async (t) => {
  if (!needs(t, ['python3'])) return
  const { sandbox, run } = await startRun(t, [], onTerminal)
  run.child.kill('SIGKILL')
  await run.finished
  sandbox.write({ go: '' })
  const last = () => sandbox.journals().at(-1)?.at(-1)
  await until(() => last()?.event === 'end', 'the run completes')
  t.match(last(), { report: { outcome: 'interrupted', counts: { changed: 1, notReached: 1 } } })
})

t.test('without a terminal, as after nohup, a hangup does not stop the run', async (t) => {
  const { sandbox, run } = await startRun(t, [], ['nohup'])
  run.child.kill('SIGHUP')
  sandbox.write({ go: '' })
  t.match(await run.finished, { status: 0, stdout: /2 changed/ })
})

t.test('the lock of an ended process is free, also if its pid is used again', async (t) => {
  const { sandbox, run } = await startRun(t)
  const claims = `${sandbox.state}/lock.d`
  const [name = ''] = fs.readdirSync(claims)
  const claim = JSON.parse(fs.readFileSync(`${claims}/${name}`, 'utf8')) as { pid: number; started: string }
  run.child.kill('SIGKILL')
  await run.finished
  // This test's own pid, with the start time of the other process.
  fs.writeFileSync(`${claims}/${name}`, JSON.stringify({ ...claim, pid: process.pid }))
  sandbox.write({ go: '' })
  t.match(await sandbox.converge(args), { status: 0 })
})

t.test('refuses an account that may not read the state of another', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const { sandbox, run } = await startRun(t)
  sandbox.write({ go: '' })
  await run.finished
  fs.chmodSync(sandbox.state, 0o700)
  const { status, stdout } = await sandbox.converge(['status', '--role', 'solr', '--prefix', sandbox.at('site')], {
    account: 'nobody',
  })
  t.equal(status, 1)
  t.match(stdout, `last run   not known: ${sandbox.state} is not readable for this account`)
})
