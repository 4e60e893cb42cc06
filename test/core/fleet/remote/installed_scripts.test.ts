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

type Keeps = 'online' | 'same' | 'stopped' | 'first'

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
  const keep = (keeps: Keeps, name: string, stack = 'site') => {
    const engine = item(`${lib}/engine-${name}`)
    const inputs = item(`${state}/inputs/${name}`)
    const [script = '', ...words] = persistArguments({
      ...{ mode: keeps, stack, engine, required: [engine, inputs] },
      program: [`${lib}/node`, `${engine.directory}/start.cjs`],
      inputs: ['--role', `it's ${name}`],
    })
    return execFileSync('sh', ['-c', script, 'sh', lib, state, ...words], { encoding: 'utf8' })
  }
  const call = (words: readonly string[], program = 'this-host') => {
    const { status, stdout, stderr } = spawnSync(`${lib}/${program}`, words, {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, JOURNAL_STREAM: '1:1' },
    })
    return { status, stdout: stdout.replaceAll(lib, 'LIB').trim(), stderr }
  }
  return { lib, state, keep, call }
}

t.test('a second stack on the host is reported as an event of the run', async (t) => {
  const { keep } = installScripts(t)
  t.equal(keep('online', 'one', 'shop'), '')
  t.equal(keep('same', 'two', 'shop'), '')
  t.equal(keep('first', 'three', `the "new" one's`), '', 'it stores nothing')
  const [event = ''] = keep('online', 'four', `the "new" one's`).split('\n')
  t.strictSame(JSON.parse(event), {
    event: 'warning',
    message: `this host belonged to stack shop: its timers, this-host and stack doctor know only the roles and attributes of stack the "new" one's from now on; if both use it, describe both in one stack file`,
  })
  t.equal(keep('same', 'five', `the "new" one's`), '', 'once')
  t.match(JSON.parse(keep('online', 'six')), { message: /^this host belonged to stack the "new" one's: / })
})

t.test('runs the stored command of the last successful run', async (t) => {
  const { keep, call, state, lib } = installScripts(t)
  keep('first', 'one')
  t.equal(call(['configure', '--quiet']).stdout, "LIB/engine-one/start.cjs configure --quiet --role it's one")
  t.equal(call(['apply', '--quiet']).stdout, "LIB/engine-one/start.cjs apply --quiet --role it's one", 'the whole way')
  keep('first', 'two')
  t.match(call(['configure']).stdout, 'engine-one', 'known entries stay')
  keep('online', 'three')
  t.equal(call(['configure']).stdout, "LIB/engine-three/start.cjs configure --role it's three")
  t.match(call(['apply', '--quiet']).stdout, 'apply --event setup,configure --quiet', 'no deploy')
  t.equal(call(['status'], 'converge').stdout, 'LIB/current/start.cjs status')
  t.equal(
    call(['lock', '-m', 'release day']).stdout,
    `LIB/current/start.cjs lock -m release day --state-dir ${state.replace(/\/fleet$/, '')}`,
    'a lock takes no roles and no attributes',
  )
  t.equal(fs.readlinkSync(`${lib}/current`), `${lib}/engine-three`)
  t.equal(fs.realpathSync(`${lib}/../../bin/converge`), fs.realpathSync(`${lib}/converge`))
  keep('stopped', 'four')
  for (const event of ['configure', 'apply']) {
    t.match(call([event, '--quiet']), { status: 0, stdout: /^this host is left alone: it was shut down/, stderr: '' })
    t.match(call([event]), {
      status: 1,
      stdout: '',
      stderr:
        'error: nothing was done: it was shut down by converge stack shutdown\n  hint: run converge stack setup to start it again\n',
    })
  }
  t.match(call(['shutdown']).stdout, 'engine-three', 'its last words are those of a host that was there')
  keep('same', 'five')
  t.match(call(['configure', '--quiet']).stdout, /left alone/, 'a configure does not start it again')
  keep('online', 'six')
  t.match(call(['configure']).stdout, 'engine-six')
  t.equal(fs.statSync(`${state}/told`).mode & 0o777, 0o600)
  fs.rmSync(`${state}/told`)
  t.match(call(['configure']), { status: 1, stderr: /has not set this host up yet/ })
})

t.test('leaves the host alone during a rollout whose operator is connected', async (t) => {
  const { keep, call, state } = installScripts(t)
  keep('online', 'one')
  const hold = (pid: number) => {
    fs.mkdirSync(`${state}/held`, { recursive: true })
    fs.writeFileSync(`${state}/held/owner`, `${pid}\n000012-deploy\nann at desk\n`)
  }
  hold(process.pid)
  t.match(call(['configure', '--wait', '60', '--quiet']), {
    status: 0,
    stdout: 'this host is left alone: a rollout has locked this host: ann at desk',
  })
  t.match(
    call(['configure']),
    {
      status: 1,
      stdout: '',
      stderr:
        /^error: nothing was done: a rollout has locked this host: ann at desk\n {2}hint: run it again when the rollout has ended; .*\/this-host start starts/,
    },
    'a call by hand that does nothing is not green',
  )
  t.match(call(['shutdown']).stdout, 'start.cjs shutdown', 'a host that shuts down does not wait')
  const longAgo = new Date(Date.now() - 120_000)
  fs.utimesSync(`${state}/held`, longAgo, longAgo)
  t.match(
    call(['configure']).stdout,
    'start.cjs configure',
    'the lock of an operator who sends no sign of life expires',
  )
  const { pid } = spawnSync('true')
  hold(pid)
  t.match(call(['configure']).stdout, 'start.cjs configure', 'a holder whose process has ended')
})

t.test('the first boot waits for the rollout', async (t) => {
  const { keep, lib, state } = installScripts(t)
  keep('online', 'one')
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
  const { keep, lib, state } = installScripts(t)
  keep('online', 'old')
  fs.mkdirSync(`${lib}/recipes-old`)
  const longAgo = new Date(Date.now() - 40 * 86_400_000)
  const all = () => [...fs.readdirSync(lib), ...fs.readdirSync(`${state}/inputs`)].sort()
  for (const name of ['engine-old', 'recipes-old', 'runtime-1']) fs.utimesSync(`${lib}/${name}`, longAgo, longAgo)
  fs.utimesSync(`${state}/inputs/old`, longAgo, longAgo)
  fs.lutimesSync(`${lib}/node`, longAgo, longAgo)
  keep('first', 'old')
  t.ok(all().includes('engine-old'), 'only where something else is used from now on')
  keep('same', 'new')
  t.strictSame(all(), ['converge', 'current', 'engine-new', 'new', 'node', 'runtime-1', 'this-host'])
})
