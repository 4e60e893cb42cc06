/**
 * Tests an action that does not stop when it times out: the run reports it, and the lock is released only when its
 * process exits.
 */
import * as fs from 'node:fs'
import t from 'tap'
import { lockHolder } from '../../core/host/lock.ts'
import { Sandbox } from '../support/program.ts'

const recipe = `
import { defineResource, role, seconds, z } from 'converge-engine'
import { appendFileSync } from 'node:fs'
const endless = defineResource(
  {
    type: 'endless', doc: 'Never ends.', examples: [{ path: '/x' }], key: ({ path }) => path,
    props: z.strictObject({ path: z.string() }), state: z.strictObject({ done: z.boolean() }),
  },
  {
    read: () => ({ done: false }),
    desired: () => ({ done: true }),
    apply: (host, { path }) => new Promise(() => setInterval(() => appendFileSync(path, '.'), 100)),
  },
)
export default role('site', {
  setup(r) { endless(r, { path: process.cwd() + '/dots', timeout: seconds(1), ignoreFailure: true, retries: 3 }) },
})
`

t.test('the process ends, and ends the work that it gave up', async (t) => {
  const sandbox = new Sandbox(t)
  sandbox.write({ 'recipes/site.ts': recipe })
  const { status, stdout, stderr } = await sandbox.converge([
    '--role',
    'site',
    '--recipes',
    'recipes',
    '--event',
    'setup',
  ])
  t.equal(status, 1, stderr)
  t.match(stdout, /it was not done within 1 s/, 'the output reports the deadline')
  t.match(stdout, /1 failed/)
  const claims = fs.readdirSync(`${sandbox.state}/lock.d`)
  t.not(fs.readFileSync(`${sandbox.state}/lock.d/${claims.at(-1)}`, 'utf8'), '', 'the lock was not released')
  t.equal(lockHolder(`${sandbox.state}/lock`), null, 'and is free, because its process has ended')
  const dots = sandbox.read('dots')
  await new Promise((resolve) => setTimeout(resolve, 300))
  t.equal(sandbox.read('dots'), dots, 'nothing continues')
  const [run] = sandbox.journals()
  t.match(run?.at(-1), { event: 'end' }, 'the journal is whole')
})
