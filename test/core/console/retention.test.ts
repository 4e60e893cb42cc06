/** Tests which deployments, audit entries and clones the console removes, and that it never removes what is needed. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import t, { type Test } from 'tap'
import { Audit } from '../../../core/console/access/audit.ts'
import type { State } from '../../../core/console/deployments/state_names.ts'
import { requestSchema } from '../../../core/console/deployments/states.ts'
import { DeploymentStore } from '../../../core/console/deployments/store.ts'
import { Retention } from '../../../core/console/retention.ts'
import { Database } from '../../../core/console/storage/database.ts'
import { runsOnNode22 } from '../../support/node22.ts'

const day = 24 * 60 * 60 * 1000
const today = Date.parse('2026-11-30T12:00:00Z')

function consoleFiles(t: Test) {
  const directory = mkdtempSync(`${tmpdir()}/console-`)
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const database = new Database(`${directory}/console.sqlite`)
  t.teardown(() => database.close())
  let time = today
  const now = () => new Date(time)
  const store = new DeploymentStore(database, now)
  const audit = new Audit(database, now)
  const [deployments, repositories] = [`${directory}/deployments`, `${directory}/repositories`]
  const faults: unknown[] = []
  const retention = new Retention({
    store,
    audit,
    deployments,
    repositories,
    days: 365,
    now,
    reportFault: (error) => faults.push(error),
  })
  return {
    store,
    audit,
    deployments,
    repositories,
    retention,
    faults,
    /** Sets the time to so many days before today. */
    setDaysAgo: (days: number) => {
      time = today - days * day
    },
    /** Makes a deployment with files that reached a state so many days ago. */
    deployment: (stack: string, state: State, days: number) => {
      time = today - days * day
      const { id } = store.create(stack, requestSchema.parse({}), 'ann')
      const hasEnded = state !== 'running' && state !== 'queued'
      store.change(id, 'queued', { state, ...(hasEnded ? { ended: now().toISOString() } : {}) })
      mkdirSync(`${deployments}/${id}/rollout`, { recursive: true })
      writeFileSync(`${deployments}/${id}/rollout/events.jsonl`, '{}\n')
      time = today
      return id
    },
  }
}

if (await runsOnNode22(t, import.meta.url)) {
  t.test('removes deployments that ended long ago, with their files', async (t) => {
    const { store, deployments, retention, deployment } = consoleFiles(t)
    const old = deployment('shop', 'failed', 366)
    const running = deployment('shop', 'running', 400)
    const success = deployment('shop', 'succeeded', 390)
    const recent = deployment('shop', 'failed', 364)
    const newest = deployment('shop', 'cancelled', 380)
    const other = deployment('blog', 'failed', 2000)
    t.equal(retention.sweep(), true)
    t.equal(store.find(old), undefined)
    t.notOk(existsSync(`${deployments}/${old}`))
    const kept = [running, success, recent, newest, other]
    for (const id of kept) t.ok(store.find(id), `deployment ${id} stays`)
    t.strictSame(readdirSync(deployments).map(Number), kept)
    const next = store.create('shop', requestSchema.parse({}), 'ann')
    t.equal(next.id, other + 1, 'no number is used twice')
  })

  t.test('continues after it was killed between the files and the database', async (t) => {
    const { store, deployments, retention, deployment } = consoleFiles(t)
    const old = deployment('shop', 'failed', 500)
    deployment('shop', 'failed', 1)
    rmSync(`${deployments}/${old}`, { recursive: true })
    retention.sweep()
    t.equal(store.find(old), undefined)
  })

  t.test('removes many deployments in groups', async (t) => {
    const { store, retention, deployment } = consoleFiles(t)
    for (let count = 0; count < 45; count++) deployment('shop', 'failed', 500)
    const last = deployment('shop', 'failed', 400)
    t.strictSame([retention.sweep(), retention.sweep(), retention.sweep()], [false, false, true])
    t.strictSame(
      store.list('shop', 100).map(({ id }) => id),
      [last],
    )
  })

  t.test('removes old audit entries', async (t) => {
    const { audit, retention, setDaysAgo: at } = consoleFiles(t)
    for (const days of [366, 364]) {
      at(days)
      audit.add({ actor: 'ann', via: 'session', address: '', action: `${days}`, stack: null, detail: {} })
    }
    at(0)
    retention.sweep()
    t.strictSame(
      audit.list(null, 10).map(({ action }) => action),
      ['364'],
    )
  })

  t.test('removes clones of repositories that nobody has used for a month', async (t) => {
    const { repositories, retention } = consoleFiles(t)
    const clone = (name: string, days: number, fetched?: number) => {
      mkdirSync(`${repositories}/${name}`, { recursive: true })
      const set = (path: string, age: number) => utimesSync(path, today / 1000, (today - age * day) / 1000)
      if (fetched !== undefined) {
        writeFileSync(`${repositories}/${name}/FETCH_HEAD`, '')
        set(`${repositories}/${name}/FETCH_HEAD`, fetched)
      }
      set(`${repositories}/${name}`, days)
    }
    clone('unused.git', 40)
    clone('fetched.git', 40, 2)
    clone('forgotten.git', 1, 31)
    retention.sweep()
    t.strictSame(readdirSync(repositories), ['fetched.git'])
  })
}
