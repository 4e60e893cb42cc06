/** Tests the second factor of accounts: enrolment, logins, lost devices, and what nobody may do. */
import { Secret, TOTP } from 'otpauth'
import t from 'tap'
import { Client } from '../../machine/support/console.ts'
import { simulatedConsole } from '../../machine/support/simulated_console.ts'
import { runsOnNode22 } from '../../support/node22.ts'

const path = '/api/session/second-factor'
const password = 'correct horse battery'

if (await runsOnNode22(t, import.meta.url))
  t.test('second factor', async (t) => {
    const { running, account, admin } = await simulatedConsole(t)
    const ann = await account('ann', 'manage')
    const url = () => running.address
    /** The codes of the previous, the current and the next 30 seconds count: once, and not after a later one. */
    let totp = new TOTP({ secret: new Secret() })
    const codeAt = (steps: number) => totp.generate({ timestamp: Date.now() + steps * 30_000 })
    const logIn = (code?: string) =>
      new Client(url).send('POST', '/api/session', { name: 'ann', password, ...(code === undefined ? {} : { code }) })
    const wrongCode = { error: { code: 'WRONG_CODE' } }

    await t.test('applies after its first code has arrived', async (t) => {
      t.match(await ann.send('POST', path, { password: 'wrong password' }), {
        status: 403,
        body: { error: { code: 'WRONG_LOGIN' } },
      })
      const { status, body } = await ann.send('POST', path, { password })
      t.equal(status, 200)
      t.match(body, { secret: /^[A-Z2-7]{32}$/, uri: /^otpauth:\/\/totp\/converge:ann\?/ })
      t.equal((await logIn()).status, 200, 'not before')
      totp = new TOTP({ secret: Secret.fromBase32(body.secret) })
      t.match(await ann.send('PUT', path, { code: codeAt(5) }), { status: 403, body: wrongCode })
      t.match((await ann.send('GET', '/api/session')).body, { secondFactor: false })
    })

    let codes: string[] = []
    await t.test('a login requires a code, and each code counts once', async (t) => {
      const first = codeAt(0)
      const enabled = await ann.send('PUT', path, { code: first })
      t.match(enabled, { status: 200, body: { recoveryCodes: [/^[0-9a-f]{5}-[0-9a-f]{5}$/] } })
      codes = enabled.body.recoveryCodes
      t.match((await ann.send('GET', '/api/session')).body, { secondFactor: true })
      t.match(await logIn(), { status: 401, body: { error: { code: 'CODE_REQUIRED' } } })
      t.match(await logIn(first), { status: 401, body: wrongCode }, 'it has enabled the factor')
      const next = codeAt(1)
      t.match(await logIn(next), { status: 200, body: { secondFactor: true } })
      t.match(await logIn(next), { status: 401, body: wrongCode })
      t.match(await logIn(first), { status: 401, body: wrongCode }, 'an older one than the last')
      const wrong = await new Client(url).send('POST', '/api/session', { name: 'ann', password: 'no', code: codes[9] })
      t.match(wrong, { status: 401, body: { error: { code: 'WRONG_LOGIN' } } }, 'the password counts first')
    })

    await t.test('codes for a lost device count once', async (t) => {
      t.equal((await logIn(codes[0])).status, 200)
      t.match(await logIn(codes[0]), { status: 401, body: wrongCode })
      t.equal((await logIn(codes[9]?.replace('-', '').toUpperCase())).status, 200, 'as somebody types it')
    })

    await t.test('only its owner removes it, with a code, or an administrator', async (t) => {
      t.match(await ann.send('POST', path, { password }), { status: 409 })
      t.match(await ann.send('DELETE', path, { password, code: '000000' }), { status: 403, body: wrongCode })
      const { body } = await ann.send('POST', '/api/stacks/shop/tokens', { name: 'ci', level: 'manage' })
      const token = new Client(url, body.token)
      t.equal((await token.send('GET', '/api/stacks/shop')).status, 200, 'a token needs no code')
      t.match(await token.send('DELETE', path, { password, code: codes[1] }), { status: 403 })
      t.match(await token.send('POST', path, { password }), { status: 403 })
      t.equal((await ann.send('DELETE', path, { password, code: codes[1] })).status, 200)
      t.equal((await logIn()).status, 200)
      t.match((await admin.send('GET', '/api/accounts')).body, [{ name: 'ann', secondFactor: false }, {}])
      const { body: again } = await ann.send('POST', path, { password })
      totp = new TOTP({ secret: Secret.fromBase32(again.secret) })
      const fresh = await ann.send('PUT', path, { code: codeAt(0) })
      t.match(await logIn(codes[2]), { status: 401, body: wrongCode }, 'codes of the former factor are gone')
      t.match(await ann.send('DELETE', '/api/accounts/ann/second-factor'), { status: 403 })
      t.equal((await admin.send('DELETE', '/api/accounts/ann/second-factor')).status, 200)
      t.equal((await admin.send('DELETE', '/api/accounts/ann/second-factor')).status, 404)
      t.equal((await logIn()).status, 200)
      const audit = JSON.stringify((await admin.send('GET', '/api/audit')).body)
      for (const action of ['second factor enabled', 'second factor removed', 'login failed: wrong code'])
        t.ok(audit.includes(action), action)
      for (const secret of [again.secret, ...codes, ...fresh.body.recoveryCodes])
        t.notOk(audit.includes(secret), 'no secret in the audit')
    })

    await t.test('a login without its code does not count as a failed one of the address', async (t) => {
      const { body } = await ann.send('POST', path, { password })
      totp = new TOTP({ secret: Secret.fromBase32(body.secret) })
      t.equal((await ann.send('PUT', path, { code: codeAt(0) })).status, 200)
      const send = async (path: string, body: object) => {
        const headers = { 'Content-Type': 'application/json', Origin: url(), 'X-Forwarded-For': '192.0.2.7' }
        return (await fetch(`${url()}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })).status
      }
      const eve = { invitation: 'none', name: 'eve', password }
      for (let failure = 1; failure <= 49; failure++) t.equal(await send('/api/invitations/accept', eve), 404)
      t.equal(await send('/api/session', { name: 'ann', password }), 401, 'requires the code')
      t.equal(await send('/api/session', { name: 'ann', password, code: codeAt(1) }), 200)
      t.equal((await admin.send('DELETE', '/api/accounts/ann/second-factor')).status, 200)
    })

    await t.test('limits guesses of codes', async (t) => {
      const { body } = await ann.send('POST', path, { password })
      totp = new TOTP({ secret: Secret.fromBase32(body.secret) })
      t.equal((await ann.send('PUT', path, { code: codeAt(0) })).status, 200)
      const statuses: number[] = []
      for (let attempt = 0; attempt < 12; attempt++) statuses.push((await logIn('999999')).status)
      t.strictSame(statuses.slice(-2), [429, 429])
      t.equal((await logIn(codeAt(1))).status, 429, 'also for the right code')
      t.equal((await logIn()).status, 429, 'the password alone does not begin a new count')
    })
  })
