/** Tests when sessions, tokens and failed logins of the console expire, with a clock of the test. */
import { randomBytes } from 'node:crypto'
import { statSync } from 'node:fs'
import t from 'tap'
import { Accounts } from '../../../core/console/access/accounts.ts'
import { LoginAttempts } from '../../../core/console/access/login_attempts.ts'
import { LoginLimit } from '../../../core/console/access/login_limit.ts'
import { Sessions } from '../../../core/console/access/sessions.ts'
import { requestSchema } from '../../../core/console/deployments/states.ts'
import { DeploymentStore } from '../../../core/console/deployments/store.ts'
import { Database } from '../../../core/console/storage/database.ts'
import { scratch } from '../../support/machine.ts'
import { runsOnNode22 } from '../../support/node22.ts'

const minute = 60_000
const hour = 60 * minute

class Clock {
  time = Date.parse('2026-11-30T12:00:00Z')
  readonly now = () => new Date(this.time)
}

t.test('failed logins from one address cannot evict the counts of others', async (t) => {
  const attempts = new LoginAttempts(() => new Date())
  const attempt = { state: 'a', nonce: 'b', verifier: 'c', redirectUri: 'https://deploy.example.com/' }
  const other = attempts.begin(attempt, '192.0.2.1')
  const keys = Array.from({ length: 10_100 }, () => attempts.begin(attempt, '192.0.2.2'))
  t.match(attempts.take(other), attempt)
  t.equal(keys.filter((key) => attempts.take(key) !== undefined).length, 1000)
})

if (await runsOnNode22(t, import.meta.url)) {
  t.test('a session ends after 12 hours, and a token at its time', async (t) => {
    const path = `${scratch(t)}/console.sqlite`
    const database = new Database(path)
    t.teardown(() => database.close())
    for (const file of [path, `${path}-wal`]) t.equal(statSync(file).mode & 0o777, 0o600, file)
    const clock = new Clock()
    const accounts = new Accounts(database, clock.now)
    const sessions = new Sessions(database, accounts, clock.now)
    const invitation = accounts.invite({ isAdmin: false, levels: { shop: 'deploy' } })
    await accounts.accept(invitation, 'ann', 'correct horse battery')
    const session = sessions.begin('ann')
    const expires = new Date(clock.time + 24 * hour).toISOString()
    const { key } = sessions.createToken({ name: 'ci', account: 'ann', stack: 'shop', level: 'manage', expires })
    clock.time += 12 * hour - 1
    t.match(sessions.actorOfSession(session), { account: 'ann' })
    clock.time += 1
    t.equal(sessions.actorOfSession(session), undefined)
    const actor = sessions.actorOfToken(key)
    t.equal(actor?.levelOf('shop'), 'deploy', 'no more than its account')
    t.equal(actor?.levelOf('other'), 'deny')
    clock.time += 12 * hour
    t.equal(sessions.actorOfToken(key), undefined)
  })

  t.test('the database keeps nothing of a custom JSON after the end', async (t) => {
    const directory = scratch(t)
    const database = new Database(`${directory}/console.sqlite`)
    t.teardown(() => database.close())
    const store = new DeploymentStore(database, () => new Date())
    const secret = randomBytes(16).toString('hex')
    const customJson = { deploy: { shop: { environment: { A_TOKEN: secret, TEXT: 'x'.repeat(20_000) } } } }
    const request = requestSchema.parse({ customJson })
    const { id } = store.create('shop', request, 'ann')
    t.match(store.customJson(id), secret)
    const { readFileSync, readdirSync } = await import('node:fs')
    const files = () => readdirSync(directory).map((name) => readFileSync(`${directory}/${name}`, 'latin1'))
    t.ok(files().some((text) => text.includes(secret)))
    store.removeCustomJson(id)
    t.notOk(files().some((text) => text.includes(secret)))
  })
}

t.test('failed logins are limited for each account and each address', async (t) => {
  const clock = new Clock()
  const limit = new LoginLimit(clock.now)
  const account = { kind: 'account', value: 'ann' } as const
  const address = { kind: 'address', value: '192.0.2.1' } as const
  for (let failure = 1; failure <= 50; failure++) {
    t.equal(limit.secondsToWait(address), 0, `${failure} of the address`)
    if (failure <= 10) t.equal(limit.secondsToWait(account, address), 0, `${failure} of the account`)
    limit.addAttempt(account, address)
  }
  t.equal(limit.secondsToWait(account), 900)
  t.equal(limit.secondsToWait(address), 900)
  t.equal(limit.secondsToWait({ kind: 'account', value: 'sue' }), 0)
  clock.time += 15 * minute
  t.equal(limit.secondsToWait(account, address), 0)
})
