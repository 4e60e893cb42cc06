/**
 * Tests the scripts that a host runs automatically later, in a local shell: the recorded command, when it skips a run,
 * and which files it removes.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { persistArguments } from '../../../../core/fleet/remote/installed_scripts.ts'
import { scratch } from '../../../support/machine.ts'
import { until } from '../../../support/wait_until.ts'

type Mode = 'online' | 'same' | 'stopped' | 'first'

/** Makes a host below a prefix, with an engine that prints its arguments. */
function installScripts(t: Test) {
  const prefix = `${scratch(t)}/a site's`
  const lib = `${prefix}/usr/local/lib/converge`
  const state = `${prefix}/var/lib/converge/fleet`
  for (const path of [lib, `${state}/inputs`]) fs.mkdirSync(path, { recursive: true })
  fs.mkdirSync(`${lib}/runtime-1`)
  fs.writeFileSync(`${lib}/runtime-1/node`, '#!/bin/sh\necho "$@"\n', { mode: 0o755 })
  fs.symlinkSync(`${lib}/runtime-1/node`, `${lib}/node`)
  const item = (directory: string) => {
    fs.mkdirSync(directory, { recursive: true })
    return { directory, what: '', secret: false, archive: () => Promise.reject(new Error('not wanted')) }
  }
  const storeCommand = (mode: Mode, name: string, stack = 'site') => {
    const engine = item(`${lib}/engine-${name}`)
    const inputs = item(`${state}/inputs/${name}`)
    const [script = '', ...words] = persistArguments({
      mode,
      stack,
      engine,
      required: [engine, inputs],
      program: [`${lib}/node`, `${engine.directory}/start.cjs`],
      inputs: ['--role', `it's ${name}`],
    })
    return execFileSync('sh', ['-c', script, 'sh', lib, state, ...words], { encoding: 'utf8' })
  }
  const callScript = (words: readonly string[], program = 'this-host') => {
    const { status, stdout, stderr } = spawnSync(`${lib}/${program}`, words, {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, JOURNAL_STREAM: '1:1' },
    })
    return { status, stdout: stdout.replaceAll(lib, 'LIB').trim(), stderr }
  }
  return { lib, state, storeCommand, callScript }
}

t.test('a second stack on the host is reported as an event of the run', async (t) => {
  const { storeCommand } = installScripts(t)
  t.equal(storeCommand('online', 'one', 'shop'), '')
  t.equal(storeCommand('same', 'two', 'shop'), '')
  t.equal(storeCommand('first', 'three', `the "new" one's`), '', 'it stores nothing')
  const [event = ''] = storeCommand('online', 'four', `the "new" one's`).split('\n')
  t.strictSame(JSON.parse(event), {
    event: 'warning',
    message: `this host belonged to stack shop: its timers, this-host and stack doctor know only the roles and attributes of stack the "new" one's from now on; if both use it, describe both in one stack file`,
  })
  t.equal(storeCommand('same', 'five', `the "new" one's`), '', 'once')
  t.match(JSON.parse(storeCommand('online', 'six')), { message: /^this host belonged to stack the "new" one's: / })
})

t.test('runs the stored command of the last successful run', async (t) => {
  const { storeCommand, callScript, state, lib } = installScripts(t)
  storeCommand('first', 'one')
  t.equal(callScript(['configure', '--quiet']).stdout, "LIB/engine-one/start.cjs configure --quiet --role it's one")
  t.equal(
    callScript(['apply', '--quiet']).stdout,
    "LIB/engine-one/start.cjs apply --quiet --role it's one",
    'with all events',
  )
  storeCommand('first', 'two')
  t.match(callScript(['configure']).stdout, 'engine-one', 'the mode first keeps a stored command')
  storeCommand('online', 'three')
  t.equal(callScript(['configure']).stdout, "LIB/engine-three/start.cjs configure --role it's three")
  t.match(
    callScript(['apply', '--quiet']).stdout,
    'apply --event setup,configure --quiet',
    'the events of a first boot have no deploy',
  )
  t.equal(callScript(['status'], 'converge').stdout, 'LIB/current/start.cjs status')
  t.equal(
    callScript(['lock', '-m', 'release day']).stdout,
    `LIB/current/start.cjs lock -m release day --state-dir ${state.replace(/\/fleet$/, '')}`,
    'a lock takes no roles and no attributes',
  )
  t.equal(fs.readlinkSync(`${lib}/current`), `${lib}/engine-three`)
  t.equal(fs.realpathSync(`${lib}/../../bin/converge`), fs.realpathSync(`${lib}/converge`))
  storeCommand('stopped', 'four')
  for (const event of ['configure', 'apply']) {
    t.match(callScript([event, '--quiet']), {
      status: 0,
      stdout: /^this host is left alone: it was shut down/,
      stderr: '',
    })
    t.match(callScript([event]), {
      status: 1,
      stdout: '',
      stderr:
        'error: nothing was done: it was shut down by converge stack shutdown\n  hint: run converge stack setup to start it again\n',
    })
  }
  t.match(callScript(['shutdown']).stdout, 'engine-three', 'shutdown uses the command of the last run that was online')
  storeCommand('same', 'five')
  t.match(callScript(['configure', '--quiet']).stdout, /left alone/, 'a configure does not start it again')
  storeCommand('online', 'six')
  t.match(callScript(['configure']).stdout, 'engine-six')
  t.equal(fs.statSync(`${state}/told`).mode & 0o777, 0o600)
  fs.rmSync(`${state}/told`)
  t.match(callScript(['configure']), { status: 1, stderr: /has not set this host up yet/ })
})

t.test('leaves the host alone during a rollout whose operator is connected', async (t) => {
  const { storeCommand, callScript, state } = installScripts(t)
  storeCommand('online', 'one')
  const lockHost = (pid: number) => {
    fs.mkdirSync(`${state}/held`, { recursive: true })
    fs.writeFileSync(`${state}/held/owner`, `${pid}\n000012-deploy\nann at desk\n`)
  }
  lockHost(process.pid)
  t.match(callScript(['configure', '--wait', '60', '--quiet']), {
    status: 0,
    stdout: 'this host is left alone: a rollout has locked this host: ann at desk',
  })
  t.match(
    callScript(['configure']),
    {
      status: 1,
      stdout: '',
      stderr:
        /^error: nothing was done: a rollout has locked this host: ann at desk\n {2}hint: run it again when the rollout has ended; .*\/this-host start starts/,
    },
    'a manual call that does nothing fails',
  )
  t.match(callScript(['shutdown']).stdout, 'start.cjs shutdown', 'a host that shuts down does not wait')
  const longAgo = new Date(Date.now() - 120_000)
  fs.utimesSync(`${state}/held`, longAgo, longAgo)
  t.match(
    callScript(['configure']).stdout,
    'start.cjs configure',
    'the lock of an operator who sends no sign of life expires',
  )
  const { pid } = spawnSync('true')
  lockHost(pid)
  t.match(callScript(['configure']).stdout, 'start.cjs configure', 'a holder whose process has ended')
})

t.test('the first boot waits for the rollout', async (t) => {
  const { storeCommand, lib, state } = installScripts(t)
  storeCommand('online', 'one')
  fs.mkdirSync(`${state}/held`)
  const holder = spawn('sleep', ['60'])
  t.teardown(() => holder.kill())
  fs.writeFileSync(`${state}/held/owner`, `${holder.pid}\n000012-setup\nann\n`)
  const boot = spawn(`${lib}/this-host`, ['apply', '--quiet'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  boot.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const children = `/proc/${boot.pid}/task/${boot.pid}/children`
  const waits = () => fs.existsSync(children) && fs.readFileSync(children, 'utf8').trim() !== ''
  await until(() => waits(), 'it waits')
  t.equal(output, '')
  fs.rmSync(`${state}/held`, { recursive: true })
  await until(() => output !== '', 'it continues')
  t.match(output, 'apply --event setup,configure')
})

t.test('removes only what no run has used for a month', async (t) => {
  const { storeCommand, lib, state } = installScripts(t)
  storeCommand('online', 'old')
  fs.mkdirSync(`${lib}/recipes-old`)
  const longAgo = new Date(Date.now() - 40 * 86_400_000)
  const installedEntries = () => [...fs.readdirSync(lib), ...fs.readdirSync(`${state}/inputs`)].sort()
  for (const name of ['engine-old', 'recipes-old', 'runtime-1']) fs.utimesSync(`${lib}/${name}`, longAgo, longAgo)
  fs.utimesSync(`${state}/inputs/old`, longAgo, longAgo)
  fs.lutimesSync(`${lib}/node`, longAgo, longAgo)
  storeCommand('first', 'old')
  t.ok(installedEntries().includes('engine-old'), 'nothing is removed while the same entries are used')
  storeCommand('same', 'new')
  t.strictSame(installedEntries(), ['converge', 'current', 'engine-new', 'new', 'node', 'runtime-1', 'this-host'])
})
