/** Tests that an abort reaches a deployment at any moment: none of them succeeds afterwards. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import t from 'tap'
import { Audit } from '../../../core/console/access/audit.ts'
import { Runner } from '../../../core/console/deployments/runner.ts'
import { hasEnded } from '../../../core/console/deployments/state_names.ts'
import { requestSchema } from '../../../core/console/deployments/states.ts'
import { DeploymentStore } from '../../../core/console/deployments/store.ts'
import { Database } from '../../../core/console/storage/database.ts'
import { plainNode, runsOnNode22 } from '../../support/node22.ts'
import { waitUntil } from '../../support/wait_until.ts'

/** A plan ends at once. A rollout ends when it is interrupted, or after a second. */
const program = `const [, , , action] = process.argv
const end = (outcome) => { console.log(JSON.stringify({ event: 'end', report: { outcome, hosts: [] } })); process.exit(0) }
if (action === 'plan') end('planned')
process.on('SIGINT', () => end('interrupted'))
setTimeout(() => end('changed'), 1000)
`

if (await runsOnNode22(t, import.meta.url))
  t.test('ends every deployment that is aborted, whatever it does at the moment', async (t) => {
    const directory = mkdtempSync(`${tmpdir()}/console-`)
    t.teardown(() => rmSync(directory, { recursive: true, force: true }))
    writeFileSync(`${directory}/program.cjs`, program)
    const now = () => new Date()
    const database = new Database(`${directory}/console.sqlite`)
    const store = new DeploymentStore(database, now)
    // Each deployment has a stack of its own, so that all of them run at the same time.
    const names = Array.from({ length: 24 }, (_, index) => `stack${index}`)
    const faults: unknown[] = []
    const runner = new Runner({
      store,
      audit: new Audit(database, now),
      now,
      directory: `${directory}/deployments`,
      stacks: new Map(names.map((name) => [name, { name, directory, options: [] }])),
      program: [...plainNode, `${directory}/program.cjs`],
      requiresSecondPerson: () => false,
      reportFault: (error) => faults.push(error),
    })
    runner.start()
    t.teardown(() => {
      runner.stop()
      database.close()
    })
    const ends = async (stack: string, waitMs: number) => {
      const { id } = store.create(stack, requestSchema.parse({ automatic: true }), 'ann')
      await waitUntil(() => store.get(id).state === 'running', `${stack} runs`)
      await new Promise((resolve) => setTimeout(resolve, waitMs))
      const answer = runner.cancel(id, 'bob')
      await waitUntil(() => hasEnded(store.get(id).state), `${stack} ends`)
      // One that has ended before is no matter of this test.
      return typeof answer === 'string' ? null : store.get(id)
    }
    const all = await Promise.all(names.map((name, index) => ends(name, index * 40)))
    const aborted = all.filter((one) => one !== null)
    t.ok(aborted.length > 5, `${aborted.length} deployments were aborted`)
    for (const { id, state, reason } of aborted) {
      t.ok(['interrupted', 'cancelled'].includes(state), `deployment ${id} is ${state}: ${reason}`)
      t.match(reason, /^aborted by bob/)
    }
    t.strictSame(faults, [])
  })
