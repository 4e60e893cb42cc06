/** Tests when schedules are due, and what the console then requests. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import t, { type Test } from 'tap'
import { Accounts } from '../../../core/console/access/accounts.ts'
import { Audit } from '../../../core/console/access/audit.ts'
import { Sessions } from '../../../core/console/access/sessions.ts'
import { requestSchema } from '../../../core/console/deployments/states.ts'
import { DeploymentStore } from '../../../core/console/deployments/store.ts'
import { Scheduler } from '../../../core/console/schedules/scheduler.ts'
import { Schedules } from '../../../core/console/schedules/schedules.ts'
import { nextTimes, scheduleProblem } from '../../../core/console/schedules/times.ts'
import { Database } from '../../../core/console/storage/database.ts'
import { runsOnNode22 } from '../../support/node22.ts'

const texts = (times: readonly Date[]) => times.map((time) => time.toISOString())

/** A console's schedules at a time that the test sets. */
class Scheduled {
  now = new Date('2026-11-30T08:00:00Z')
  readonly database: Database
  readonly store: DeploymentStore
  readonly schedules: Schedules
  readonly scheduler: Scheduler
  readonly faults: unknown[] = []
  private readonly audit: Audit

  constructor(t: Test) {
    const directory = mkdtempSync(`${tmpdir()}/schedules-`)
    t.teardown(() => rmSync(directory, { recursive: true, force: true }))
    this.database = new Database(`${directory}/console.sqlite`)
    t.teardown(() => this.database.close())
    const now = () => this.now
    const accounts = new Accounts(this.database, now)
    for (const name of ['ann', 'bob'])
      this.database.run(
        'INSERT INTO accounts (name, password, created) VALUES (?, ?, ?)',
        name,
        '',
        now().toISOString(),
      )
    this.setLevel('ann', 'deploy')
    this.store = new DeploymentStore(this.database, now)
    this.schedules = new Schedules(this.database, now)
    this.audit = new Audit(this.database, now)
    this.scheduler = new Scheduler({
      schedules: this.schedules,
      store: this.store,
      audit: this.audit,
      now,
      stacks: ['shop'],
      sessions: new Sessions(this.database, accounts, now),
      reportFault: (error) => this.faults.push(error),
    })
  }

  setLevel(account: string, level: string): void {
    this.database.run('INSERT OR REPLACE INTO levels VALUES (?, ?, ?)', account, 'shop', level)
  }

  create(when: string, more: { readonly account?: string; readonly stack?: string } = {}) {
    const request = requestSchema.parse({ apps: ['site'] })
    return this.schedules.create({
      stack: 'shop',
      name: 'nightly',
      account: 'ann',
      when,
      zone: 'UTC',
      request,
      ...more,
    })
  }

  /** Ticks at a time, and returns the deployments. */
  tickAt(time: string) {
    this.now = new Date(time)
    this.scheduler.tick()
    return this.store.list('shop', 10)
  }

  last(id: number): string | null | undefined {
    return this.schedules.find('shop', id)?.last
  }

  actions(): string[] {
    return this.database.all<{ action: string }>('SELECT action FROM audit ORDER BY id').map(({ action }) => action)
  }
}

t.test('times follow the clock of their zone, also when it changes', async (t) => {
  const before = new Date('2026-10-24T00:00:00Z')
  t.strictSame(texts(nextTimes('30 8 * * *', 'Europe/Zurich', before, 3)), [
    '2026-10-24T06:30:00.000Z',
    '2026-10-25T07:30:00.000Z',
    '2026-10-26T07:30:00.000Z',
  ])
  t.strictSame(texts(nextTimes('0 9 * * 1-5', 'UTC', new Date('2026-11-27T10:00:00Z'), 1)), [
    '2026-11-30T09:00:00.000Z',
  ])
  t.strictSame(texts(nextTimes('2026-12-01T08:30', 'America/New_York', before, 5)), ['2026-12-01T13:30:00.000Z'])
})

t.test('refuses an invalid time with the reason', async (t) => {
  const now = new Date('2026-11-30T08:00:00Z')
  const problem = (when: string, zone = 'UTC') => scheduleProblem(when, zone, now)
  for (const valid of ['*/5 * * * *', '0 0 1 1 *', '2026-12-01T08:30', '0 9 * * MON'])
    t.equal(problem(valid), null, valid)
  for (const wrong of [
    '',
    'daily',
    '61 * * * *',
    '* * * *',
    '0 0 9 * * *',
    '2026-13-01T00:00',
    '2027-02-29T08:00',
    '2026-12-01T08:30Z',
  ])
    t.match(problem(wrong), /^invalid time/, wrong)
  t.match(problem('* * * * *'), /more often than every 5 minutes/)
  t.match(problem('0,2 * * * *'), /more often than every 5 minutes/)
  t.match(problem('2020-01-01T00:00'), /never due/)
  t.match(problem('0 0 31 2 *'), /never due/)
  t.match(problem('0 9 * * *', 'Mars/Olympus'), /^unknown time zone "Mars\/Olympus"/)
})

if (await runsOnNode22(t, import.meta.url)) {
  t.test('requests an automatic deployment at each time, once', async (t) => {
    const console = new Scheduled(t)
    const { id } = console.create('0 9 * * *')
    t.strictSame(console.tickAt('2026-11-30T08:59:59Z'), [])
    const [deployment] = console.tickAt('2026-11-30T09:00:01Z')
    t.match(deployment, {
      state: 'queued',
      by: 'ann',
      request: { apps: ['site'], automatic: true, comment: 'schedule nightly' },
    })
    t.equal(console.last(id), 'deployment 1')
    t.equal(console.tickAt('2026-11-30T09:00:03Z').length, 1)
    t.equal(console.tickAt('2026-12-01T09:00:01Z').length, 1, 'the earlier one has not ended')
    t.match(console.last(id), /^skipped: deployment 1 of this schedule has not ended: it is queued/)
    t.equal(console.tickAt('2026-12-02T09:00:01Z').length, 1, 'nor the time after')
    console.store.change(1, 'queued', { state: 'succeeded' })
    t.equal(console.tickAt('2026-12-03T09:00:01Z').length, 2)
    t.strictSame(console.actions(), [
      'deployment requested',
      'scheduled deployment skipped',
      'scheduled deployment skipped',
      'deployment requested',
    ])
  })

  t.test('one time ends with its deployment', async (t) => {
    const console = new Scheduled(t)
    const { id } = console.create('2026-11-30T09:00')
    t.equal(console.tickAt('2026-11-30T09:00:00Z').length, 1)
    t.match(console.schedules.find('shop', id), { next: null, enabled: true })
    t.equal(console.tickAt('2027-11-30T09:00:00Z').length, 1)
  })

  t.test('skips times that are more than an hour past, and what the account may no longer do', async (t) => {
    const console = new Scheduled(t)
    const late = console.create('0 9 * * *')
    t.strictSame(console.tickAt('2026-11-30T10:01:00Z'), [])
    t.match(console.last(late.id), /^skipped: the console did not run at .*, and it is 61 minutes too late/)
    const other = console.create('0 11 * * *', { account: 'bob' })
    t.strictSame(console.tickAt('2026-11-30T11:00:01Z'), [])
    t.match(console.last(other.id), 'skipped: bob, who made the schedule, may no longer deploy shop')
    console.database.run('DELETE FROM accounts WHERE name = ?', 'bob')
    t.strictSame(
      console.schedules.list('shop').map(({ id }) => id),
      [late.id],
      'it ends with its account',
    )
    console.create('0 12 * * *', { stack: 'gone' })
    t.strictSame(console.tickAt('2026-11-30T12:00:01Z'), [])
    t.match(console.schedules.list('gone')[0]?.last, /no longer has the stack gone/)
    t.strictSame(console.faults, [])
  })

  t.test('ignores times that pass while it is switched off', async (t) => {
    const console = new Scheduled(t)
    const schedule = console.create('0 9 * * *')
    t.match(console.schedules.enable(schedule, false), { enabled: false, next: null })
    t.strictSame(console.tickAt('2026-11-30T09:00:01Z'), [])
    console.now = new Date('2026-11-30T09:30:00Z')
    t.match(console.schedules.enable(schedule, true), { enabled: true, next: '2026-12-01T09:00:00.000Z' })
    t.strictSame(console.tickAt('2026-11-30T09:31:00Z'), [])
  })

  t.test('a restored copy does not repeat deployments that the original has started', async (t) => {
    const console = new Scheduled(t)
    const { id } = console.create('0 9 * * *')
    console.schedules.forgetTimes()
    t.strictSame(console.tickAt('2026-11-30T09:20:00Z'), [])
    console.scheduler.start()
    console.scheduler.stop()
    t.match(console.schedules.find('shop', id), { next: '2026-12-01T09:00:00.000Z' })
  })

  t.test('a fault leaves the schedule due, without half a deployment', async (t) => {
    const console = new Scheduled(t)
    const { id } = console.create('0 9 * * *')
    console.database.run('CREATE TRIGGER broken BEFORE UPDATE ON schedules BEGIN SELECT RAISE(ABORT, "broken"); END')
    t.strictSame(console.tickAt('2026-11-30T09:00:01Z'), [])
    t.equal(console.faults.length, 1)
    console.database.run('DROP TRIGGER broken')
    t.equal(console.tickAt('2026-11-30T09:00:03Z').length, 1)
    t.equal(console.last(id), 'deployment 1')
  })
}
