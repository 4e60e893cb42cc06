/** Tests SIGKILL of a run while it runs a command: the command ends too, and the next run never overlaps with it. */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { needs } from '../support/machine.ts'
import { Sandbox } from '../support/program.ts'
import { until } from '../support/wait_until.ts'

/** Appends `start` and `end` to a log with its process number; exits once a file `go` exists. */
const work = `#!/bin/sh
trap 'echo end $$ term >>log; exit 1' TERM
echo start $$ >>log
until [ -e go ]; do sleep 0.05; done
echo end $$ done >>log
`

/** Ways in which a command can run: directly, or in several kinds of descendants. */
const commands = {
  'a program': 'exec ./work',
  'a child of a shell': './work; true',
  'a child in a session of its own': 'setsid ./work & wait; true',
  'a child whose parents have ended': '(setsid ./work >/dev/null 2>&1 &); until [ -e go ]; do sleep 0.05; done',
  'a child without the environment': 'env -i PATH="$PATH" ./work & wait; true',
  'a child that ignores SIGTERM': `setsid sh -c 'trap "" TERM; echo start $$ >>log; until [ -e go ]; do sleep 0.05; done; echo end >>log' & wait`,
}

const args = ['deploy', '--role', 'site', '--recipes', 'recipes']

/** Compiled as the account of the test, since another one has no compiler. */
const cacheIn = (sandbox: Sandbox) => ({ XDG_CACHE_HOME: sandbox.at('cache') })

async function site(t: Test, command: string, user?: string): Promise<Sandbox> {
  const sandbox = new Sandbox(t)
  const account = user === undefined ? '' : `user: '${user}', `
  sandbox.write({
    'recipes/site.ts': `
      import { execute, role } from 'converge-engine'
      export default role('site', {
        deploy(r) {
          execute(r, { name: 'migrate', command: ${JSON.stringify(command)}, cwd: process.cwd(), ${account}})
        },
      })`,
    work,
  })
  fs.chmodSync(sandbox.at('work'), 0o755)
  await sandbox.converge(['plan', ...args.slice(1), '--event', 'deploy'], { env: cacheIn(sandbox) })
  return sandbox
}

/** Returns complete lines only. */
const log = (sandbox: Sandbox) => (fs.existsSync(sandbox.at('log')) ? sandbox.read('log').split('\n').slice(0, -1) : [])
const pidOf = (line = '') => Number(line.split(' ')[1])

function lives(pid: number): boolean {
  return fs.existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))
}

const start = (sandbox: Sandbox, account?: string) => sandbox.start(args, { env: cacheIn(sandbox), account })

/**
 * Kills a run once its command runs.
 * @returns the process id of that command
 */
async function killed(t: Test, sandbox: Sandbox, account?: string): Promise<number> {
  const before = log(sandbox).length
  const run = start(sandbox, account)
  await until(() => log(sandbox).length > before, 'the command is at work')
  const pid = pidOf(log(sandbox).at(-1))
  t.ok(lives(pid))
  process.kill(run.pid, 'SIGKILL')
  await run.finished
  return pid
}

const variants: readonly { name: string; user?: string; account?: string; root?: boolean }[] = [
  { name: 'as the account of the run' },
  { name: 'as another account', user: 'nobody', root: true },
  { name: 'by an ordinary user', account: 'nobody', root: true },
]

for (const { name, user, account, root } of variants)
  t.test(name, async (t) => {
    if (root && !needs(t, ['root', 'nobody'])) return
    const usual = Object.entries(commands).filter(([what]) => !root || /program|environment/.test(what))
    for (const [what, command] of usual)
      await t.test(what, async (t) => {
        const sandbox = await site(t, command, user)
        if (root) execFileSync('chown', ['--recursive', 'nobody', sandbox.directory])
        const pid = await killed(t, sandbox, account)
        const next = start(sandbox, account)
        await until(
          () => log(sandbox).filter((line) => line.startsWith('start')).length === 2,
          'the next run is at work',
        )
        t.notOk(lives(pid), 'the command of the killed run has ended before')
        sandbox.write({ go: '' })
        t.equal((await next.finished).status, 0)
        t.strictSame(fs.readdirSync(`${sandbox.state}/commands`), [], 'nothing stays registered')
      })
  })

t.test('waits for a command that cannot be ended, and reports it', async (t) => {
  const sandbox = await site(t, './work; true')
  const run = start(sandbox)
  await until(() => log(sandbox).length === 1, 'the command is at work')
  const pid = pidOf(log(sandbox)[0])
  // The helper is killed as well.
  const helpers = fs.readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name) || !fs.existsSync(`/proc/${name}/cmdline`)) return false
    return fs.readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(`guard\0${sandbox.state}/commands\0`)
  })
  t.equal(helpers.length, 1)
  for (const helper of helpers) process.kill(Number(helper), 'SIGKILL')
  process.kill(run.pid, 'SIGKILL')
  await run.finished
  t.ok(lives(pid))
  const next = start(sandbox)
  await until(() => /is still running/.test(next.stdout), 'the output names what it waits for')
  t.match(next.stdout, /a command of the interrupted run 000001 is still running: pid \d+ \(.*work.*\)/)
  t.equal(log(sandbox).length, 1, 'no second one is started')
  process.kill(pid, 'SIGKILL')
  await until(() => log(sandbox).length === 2, 'the next run begins when it has ended')
  sandbox.write({ go: '' })
  t.equal((await next.finished).status, 0)
})

t.test('ignores command files with invalid content', async (t) => {
  const sandbox = await site(t, 'echo x >>log')
  fs.mkdirSync(sandbox.at('state/commands'), { recursive: true })
  const texts = [
    '',
    '\n\n',
    '{}',
    'end\n',
    'end -\n1 0 x\n',
    'finish -\n99999999999999999999 1 1\n',
    'end .*\n-1 x y\n',
  ]
  for (const [index, text] of texts.entries()) sandbox.write({ [`state/commands/1-${index}`]: text })
  fs.mkdirSync(sandbox.at('state/commands/directory'))
  t.equal((await start(sandbox).finished).status, 0)
  t.strictSame(fs.readdirSync(`${sandbox.state}/commands`), [])
})
