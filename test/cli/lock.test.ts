/** Tests the lock on deploys: which events it blocks, which ones it allows, and its messages. */
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { needs } from '../support/machine.ts'
import { Sandbox } from '../support/program.ts'

const recipe = `
import { file, role } from 'converge-engine'
const one = (event) => (r) => file(r, { path: process.cwd() + '/' + event, content: '' })
export default role('site', {
  setup: one('setup'), configure: one('configure'), deploy: one('deploy'), rollback: one('rollback'),
  undeploy: one('undeploy'), rebuild: one('rebuild'), build: one('build'),
})
`

/** Makes a sandbox with a deploy lock, whose holder is `by` if given. */
async function locked(t: Test, by?: string) {
  const sandbox = new Sandbox(t)
  sandbox.write({ 'recipes/site.ts': recipe })
  const options = { bare: true }
  const state = ['--state-dir', sandbox.state]
  const lockResult = await sandbox.converge(['lock', '-m', 'release day', ...state], options)
  t.equal(lockResult.status, 0)
  const path = `${sandbox.state}/deploy-lock.json`
  if (by !== undefined) fs.writeFileSync(path, JSON.stringify({ ...JSON.parse(fs.readFileSync(path, 'utf8')), by }))
  const run = (...args: string[]) => sandbox.converge([...args, '--role', 'site', '--recipes', 'recipes'])
  const lock = (...args: string[]) => sandbox.converge([...args, ...state], options)
  return { sandbox, path, made: lockResult, run, lock }
}

t.test('the lock names who, when and why, and only this account can read it', async (t) => {
  const { made: lockResult, path, run } = await locked(t)
  t.match(lockResult.stdout, /^deploys are locked by \S+@\S+ since \d{4}-\d\d-\d\dT\S+Z: release day\n$/)
  t.equal(fs.statSync(path).mode & 0o777, 0o600)
  t.match((await run('status')).stdout, /^locked {5}by \S+@\S+ since \S+Z: release day$/m)
  t.match(JSON.parse((await run('status', '--json-output')).stdout), { lock: { message: 'release day' } })
})

t.test('the lock holder continues, with a warning', async (t) => {
  const { sandbox, run } = await locked(t)
  const { status, stdout } = await run('deploy')
  t.equal(status, 0)
  t.match(stdout, /warning.*deploys are locked by .*: release day/)
  t.ok(fs.existsSync(sandbox.at('deploy')))
})

t.test('other operators are refused before any change', async (t) => {
  const { sandbox, run } = await locked(t, 'ann@desk')
  for (const command of ['build', 'deploy', 'rollback', 'undeploy', 'rebuild', 'apply']) {
    const { status, stdout, stderr } = await run(command)
    t.equal(status, 1, command)
    t.match(stderr, /^error: deploys are locked by ann@desk since \S+Z: release day\n.*converge unlock/)
    t.equal(stdout, '')
  }
  t.notOk(['setup', 'deploy', 'rollback'].some((event) => fs.existsSync(sandbox.at(event))))
})

t.test('setup, configure and a plan continue under the lock of another operator', async (t) => {
  const { run } = await locked(t, 'ann@desk')
  for (const command of ['setup', 'configure']) t.equal((await run(command)).status, 0, command)
  const { status, stdout } = await run('plan', '--event', 'deploy')
  t.equal(status, 0)
  t.match(stdout, /warning.*deploys are locked by ann@desk/)
})

t.test('any account with the permission may remove a lock, and none replaces the lock of another', async (t) => {
  const { run, lock } = await locked(t, 'ann@desk')
  const again = await lock('lock', '-m', 'mine')
  t.equal(again.status, 1)
  t.match(again.stderr, /locked by ann@desk/)
  t.equal((await lock('unlock')).stdout, 'lock removed\n')
  t.equal((await lock('unlock')).stdout, 'there was no lock\n')
  t.equal((await run('deploy')).status, 0)
  t.match(JSON.parse((await lock('lock', '--json-output')).stdout), { locked: true, message: '' })
  t.match(
    (await lock('lock', '-m', 'another reason')).stdout,
    /: another reason\n$/,
    'the holder may change its reason',
  )
})

t.test('a damaged lock refuses every deploy, and can be removed', async (t) => {
  const { path, run, lock } = await locked(t)
  fs.writeFileSync(path, 'broken')
  const { status, stderr } = await run('deploy')
  t.equal(status, 1)
  t.match(stderr, /the deploy lock .*deploy-lock\.json is damaged\n.*converge unlock/)
  t.equal((await lock('unlock')).status, 0)
  t.equal((await run('deploy')).status, 0)
})

t.test('refuses an account that may not write the state directory', async (t) => {
  if (!needs(t, ['root', 'nobody'])) return
  const { lock, sandbox } = await locked(t)
  for (const command of ['lock', 'unlock']) {
    const args = [command, '--state-dir', sandbox.state]
    const { status, stderr } = await sandbox.converge(args, { bare: true, account: 'nobody' })
    t.equal(status, 2, command)
    t.match(stderr, /cannot keep state in/)
  }
  t.equal((await lock('unlock')).stdout, 'lock removed\n')
})
