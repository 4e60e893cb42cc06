/**
 * Tests that a console which is killed at any moment loses no deployment, and starts no rollout twice. The program that it
 * starts is a small one; the tests with real hosts have the real one.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { Accounts } from '../../../core/console/access/accounts.ts'
import { type ConsoleDeployment, requestSchema } from '../../../core/console/deployments/states.ts'
import { DeploymentStore } from '../../../core/console/deployments/store.ts'
import { startConsole } from '../../../core/console/main.ts'
import { Database } from '../../../core/console/storage/database.ts'
import { plainNode, runsOnNode22 } from '../../support/node22.ts'
import { waitUntil } from '../../support/wait_until.ts'

const bundle = fileURLToPath(new URL('../../../dist/console.cjs', import.meta.url))

/** Prints the events of a plan or of a rollout, and records each rollout. */
const program = `const { appendFileSync } = require('node:fs')
const [, , , action] = process.argv
const print = (event) => console.log(JSON.stringify(event))
const outcome = action === 'plan' ? 'planned' : 'changed'
if (action !== 'plan') appendFileSync('rollouts', action + '\\n')
print({ event: 'start', stack: 'shop', action, strategy: 'rolling', hosts: ['a'] })
if (action !== 'plan') print({ event: 'deployment', id: '000001' })
setTimeout(() => print({ event: 'end', report: { outcome, hosts: [] } }), 60)
`

/** Kills a console at each of the moments of a deployment, in milliseconds after its request. */
async function killAt(t: Test, moments: readonly number[]): Promise<void> {
  const directory = mkdtempSync(`${tmpdir()}/console-`)
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const state = `${directory}/state`
  writeFileSync(`${directory}/program.cjs`, program)
  writeFileSync(`${directory}/rollouts`, '')
  const options = {
    directory: state,
    version: 'test',
    host: '127.0.0.1',
    port: 0,
    url: null,
    pages: directory,
    stacks: [{ name: 'shop', directory, options: [] }],
    program: [...plainNode, `${directory}/program.cjs`],
  }
  const script = `require(${JSON.stringify(bundle)}).startConsole({ ...${JSON.stringify(options)}, print: console.log })`
  let running: ChildProcess | undefined
  const start = () => {
    running = spawn('env', [...plainNode.slice(1), '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  }
  const kill = () =>
    new Promise((resolve) => {
      running?.once('exit', resolve)
      running?.kill('SIGKILL')
    })
  t.teardown(kill)
  // The first one makes the database.
  start()
  await new Promise((resolve) => running?.stdout?.once('data', resolve))
  const database = new Database(`${state}/console.sqlite`)
  t.teardown(() => database.close())
  const store = new DeploymentStore(database, () => new Date())
  t.ok(new Accounts(database, () => new Date()).isEmpty())

  const rollouts = () => readFileSync(`${directory}/rollouts`, 'utf8').split('\n').length - 1
  const request = requestSchema.parse({ automatic: true })
  for (const moment of moments) {
    const { id } = store.create('shop', request, 'ann')
    await new Promise((resolve) => setTimeout(resolve, moment))
    await kill()
    start()
    const get = (): ConsoleDeployment => store.get(id)
    await waitUntil(() => get().ended !== null, `deployment ${id} ends`)
    const { state: ended, reason } = get()
    t.strictSame({ ended, reason, rollouts: rollouts() }, { ended: 'succeeded', reason: null, rollouts: id })
  }
}

if (await runsOnNode22(t, import.meta.url)) {
  t.test('a console that is killed at 50 moments', async (t) => {
    // They spread over the whole course of a deployment: about two seconds with its polls. Most of that is waiting, so five
    // consoles are killed at the same time.
    const moments = Array.from({ length: 50 }, (_, index) => index * 40)
    await Promise.all(
      [0, 1, 2, 3, 4].map((part) =>
        killAt(
          t,
          moments.filter((_, index) => index % 5 === part),
        ),
      ),
    )
  })

  t.test('an automatic deployment is never visible as waiting for an approval', async (t) => {
    const directory = mkdtempSync(`${tmpdir()}/console-`)
    t.teardown(() => rmSync(directory, { recursive: true, force: true }))
    writeFileSync(`${directory}/program.cjs`, program)
    mkdirSync(`${directory}/state`)
    const database = new Database(`${directory}/state/console.sqlite`)
    t.teardown(() => database.close())
    database.run('CREATE TABLE seen (state TEXT, confirmed_by TEXT)')
    database.run(`CREATE TRIGGER each_state AFTER UPDATE OF state ON deployments WHEN NEW.state <> OLD.state
      BEGIN INSERT INTO seen VALUES (NEW.state, NEW.confirmed_by); END`)
    const store = new DeploymentStore(database, () => new Date())
    const { id } = store.create('shop', requestSchema.parse({ automatic: true }), 'ann')
    const running = await startConsole({
      directory: `${directory}/state`,
      version: 'test',
      host: '127.0.0.1',
      port: 0,
      url: null,
      pages: directory,
      stacks: [{ name: 'shop', directory, options: [] }],
      program: [...plainNode, `${directory}/program.cjs`],
      print: () => undefined,
    })
    t.teardown(() => running.stop())
    await waitUntil(() => store.get(id).ended !== null, 'the deployment ends')
    const seen = database.all<{ state: string; confirmed_by: string | null }>('SELECT * FROM seen ORDER BY rowid')
    const states = seen.map(({ state, confirmed_by }) => `${state} ${confirmed_by ?? '-'}`)
    t.strictSame(states, ['planning -', 'queued ann', 'running ann', 'succeeded ann'])
  })
}
