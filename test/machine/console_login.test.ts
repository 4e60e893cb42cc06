/** Tests the login by OpenID Connect against a real provider: accounts, levels, and what nobody may do. CONSOLE_SCREENSHOTS=DIR stores pictures. */
import { createServer } from 'node:http'
import { type AddressInfo, BlockList } from 'node:net'
import { chromium } from 'playwright-core'
import t, { type Test } from 'tap'
import { startConsole } from '../../core/console/main.ts'
import type { ConsoleSettings, OidcSettings } from '../../core/console/settings.ts'
import { needs } from '../support/machine.ts'
import { runsOnNode22 } from '../support/node22.ts'
import { Client } from './support/console.ts'
import { findings, picture } from './support/console_pictures.ts'
import { clientSecret, IdentityProvider } from './support/identity_provider.ts'
import { ProviderLogin } from './support/provider_login.ts'
import { type SimulatedConsole, simulatedConsole } from './support/simulated_console.ts'

function settingsFor(issuer: string, oidc: Partial<OidcSettings> = {}, localAccounts = true): ConsoleSettings {
  return {
    ...{ localAccounts, mail: null, permittedAddresses: new BlockList() },
    oidc: {
      ...{ issuer, client_id: 'console', clientSecret, label: 'the company account' },
      ...{ account_claim: 'preferred_username', groups_claim: 'groups', scopes: ['openid', 'profile', 'email'] },
      administrators: ['ops'],
      levels: { developers: { shop: 'deploy' }, support: { shop: 'show', other: 'manage' }, nobody: {} },
      ...oidc,
    },
  }
}

/** Starts a provider that permits the address of a console, and the console. */
async function consoleWithProvider(t: Test, oidc: Partial<OidcSettings> = {}, localAccounts = true) {
  const provider = await IdentityProvider.start()
  t.teardown(() => provider.stop())
  const simulated = await simulatedConsole(t, { settings: settingsFor(provider.issuer, oidc, localAccounts) })
  provider.permit([`${simulated.running.address}/login/callback`])
  return { provider, ...simulated, browser: () => new ProviderLogin(simulated.running.address) }
}

const audited = async ({ admin }: Pick<SimulatedConsole, 'admin'>) =>
  (await admin.send('GET', '/api/audit')).body as readonly Record<string, unknown>[]

if (await runsOnNode22(t, import.meta.url)) {
  t.test('login by OpenID Connect', async (t) => {
    const whole = await consoleWithProvider(t)
    const { provider, admin, account, lines, browser } = whole
    provider.claimsByName.set('ann', { preferred_username: 'ann', groups: ['support', 'developers'] })
    provider.claimsByName.set('olga', { preferred_username: 'olga', groups: ['ops'] })
    provider.claimsByName.set('zoe', { preferred_username: 'zoe' })
    provider.claimsByName.set('thief', { preferred_username: 'BOB', groups: ['ops'] })
    await account('bob', 'show')

    await t.test('makes an account, whose levels follow its groups at each login', async (t) => {
      const ann = browser()
      t.equal(await ann.logIn('ann'), null)
      const session = { account: 'ann', isAdmin: false, isExternal: true, levels: { shop: 'deploy' } }
      t.match(await ann.client.send('GET', '/api/session'), { status: 200, body: session })
      t.match(await audited(whole), [
        { actor: 'ann', via: 'OpenID Connect', action: 'login', detail: { levels: { shop: 'deploy' } } },
      ])
      t.equal((await ann.client.send('DELETE', '/api/session')).status, 200)
      t.equal((await ann.client.send('GET', '/api/session')).status, 401)
      provider.claimsByName.set('ann', { preferred_username: 'renamed', groups: 'ops' })
      t.equal(await ann.logIn('ann'), null)
      t.match((await ann.client.send('GET', '/api/session')).body, { account: 'ann', isAdmin: true })
      provider.claimsByName.set('ann', { preferred_username: 'ann', groups: [{ name: 'ops' }, 7] })
      const former = ann.client.cookie
      t.equal(await ann.logIn('ann'), null)
      t.match((await ann.client.send('GET', '/api/session')).body, { isAdmin: false, levels: {} })
      ann.client.cookie = former
      t.equal((await ann.client.send('GET', '/api/session')).status, 401, 'the session before has ended')
    })

    await t.test('who has no group sees nothing', async (t) => {
      const zoe = browser()
      t.equal(await zoe.logIn('zoe'), null)
      t.strictSame((await zoe.client.send('GET', '/api/stacks')).body, [])
      t.equal((await zoe.client.send('GET', '/api/stacks/shop')).status, 404)
      t.equal((await zoe.client.send('GET', '/api/accounts')).status, 403)
      t.strictSame((await zoe.client.send('GET', '/api/audit')).body, [])
    })

    await t.test('has no password, and no levels of the console', async (t) => {
      const olga = browser()
      t.equal(await olga.logIn('olga'), null)
      for (const [method, path, body] of [
        ['PUT', '/api/session/password', { password: 'none', newPassword: 'a new long password' }],
        ['POST', '/api/session/second-factor', { password: 'none' }],
      ] as const)
        t.match(await olga.client.send(method, path, body), { status: 409, body: { error: { code: 'NO_PASSWORD' } } })
      for (const password of ['none', ''])
        t.match(await browser().client.send('POST', '/api/session', { name: 'olga', password }), { status: 401 })
      const put = await admin.send('PUT', '/api/accounts/olga/levels/shop', { level: 'show' })
      t.match(put, { status: 409, body: { error: { code: 'LEVELS_OF_GROUPS' } } })
      t.match(
        (await admin.send('GET', '/api/accounts')).body.find((one: { name: string }) => one.name === 'olga'),
        {
          ...{ isExternal: true, isAdmin: true },
        },
      )
    })

    await t.test('never takes over an account', async (t) => {
      const thief = browser()
      t.match(await thief.logIn('thief'), /^the name bob belongs to an account with a password/)
      t.equal((await thief.client.send('GET', '/api/session')).status, 401)
      provider.claimsByName.set('thief', { preferred_username: 'ann', groups: ['ops'] })
      t.match(await thief.logIn('thief'), /^the name ann belongs to another person of the provider/)
      t.match(await audited(whole), [{ action: 'login failed', detail: { reason: /belongs to another person/ } }])
      t.match((await admin.send('GET', '/api/accounts')).body, [{ name: 'ann' }, { name: 'bob', isAdmin: false }])
    })

    await t.test('names that cannot be used', async (t) => {
      const one = browser()
      for (const name of ['', undefined, 7, '../root', 'a b', 'x'.repeat(65), '<script>']) {
        provider.claimsByName.set('odd', { preferred_username: name })
        t.match(await one.logIn('odd'), /claim preferred_username/, `${name}`)
      }
    })

    await t.test('an answer for another browser, another login, or a second time', async (t) => {
      const ann = browser()
      const begun = await ann.atProvider(await ann.begin(), 'ann')
      const notBegun = /^this browser has not begun this login/
      t.match(await browser().returnToConsole(begun), notBegun, 'without the cookie')
      const eve = browser()
      await eve.begin()
      t.match(await eve.returnToConsole(begun), notBegun, 'with the cookie of another login')
      t.match(await ann.returnToConsole(begun.replace(/state=[^&]*/, 'state=other')), notBegun)
      t.match(await ann.returnToConsole(begun), notBegun, 'an attempt counts once')
      const twice = await ann.atProvider(await ann.begin(), 'ann')
      t.match(
        await ann.returnToConsole(`${twice}&state=${new URL(twice).searchParams.get('state')}`),
        /answer .* is wrong/,
      )
      const used = await ann.atProvider(await ann.begin(), 'ann')
      t.equal(await ann.returnToConsole(used), null)
      const code = new URL(used).searchParams.get('code') ?? ''
      const next = await ann.atProvider(await ann.begin(), 'ann')
      const replayed = next.replace(/code=[^&]*/, `code=${code}`)
      t.match(await ann.returnToConsole(replayed), /^the provider does not accept the code/)
      const other = await fetch(`${whole.running.address}/api/login/provider`, {
        ...{ method: 'POST', headers: { Origin: 'https://evil.example' } },
      })
      t.equal(other.status, 403, 'another site cannot begin a login')
    })

    await t.test('an ID token of another login or another client', async (t) => {
      const ann = browser()
      const url = await ann.begin()
      const nonce = new URL(url).searchParams.get('nonce') ?? ''
      const wrong = await ann.atProvider(url.replace(/nonce=[^&]*/, 'nonce=other'), 'ann')
      t.match(await ann.returnToConsole(wrong), /^the ID token is not for this login: its claim nonce is wrong/)
      t.ok(nonce.length > 30)
      const answer = await ann.atProvider(await ann.begin(), 'ann')
      provider.tamper = (body) => {
        body.id_token = provider.signWithClaims(body.id_token, { aud: 'other' })
      }
      t.match(await ann.returnToConsole(answer), /^the ID token is not for this login: its claim aud is wrong/)
      provider.tamper = (body) => {
        body.id_token = `${String(body.id_token).slice(0, -8)}AAAAAAAA`
      }
      t.match(await ann.logIn('ann'), /^the answer of the provider is wrong/, 'a wrong signature')
      provider.tamper = () => undefined
      t.equal(await ann.logIn('ann'), null)
    })

    await t.test('the provider denies the login, and cannot write into the log', async (t) => {
      t.equal(await browser().logIn(''), 'the provider denied the login: not today login of root succeeded')
      t.match(lines.at(-1), /^login by OpenID Connect from 127\.0\.0\.1 failed: the provider denied the login/)
      t.notMatch(lines.join('\n'), /^login of root/m)
    })

    await t.test('clocks that differ', async (t) => {
      provider.tamper = (body) => {
        body.id_token = provider.signWithClaims(body.id_token, { exp: Math.floor(Date.now() / 1000) - 60 })
      }
      t.match(await browser().logIn('ann'), /compare the clocks/)
      provider.tamper = () => undefined
    })

    await t.test('a redirect address that the provider does not know', async (t) => {
      t.match(
        lines.join('\n'),
        `register this redirect address at the provider: ${whole.running.address}/login/callback`,
      )
      provider.permit(['https://other.example/login/callback'])
      const ann = browser()
      const { status } = await ann.visitor.visit(await ann.begin(), whole.running.address)
      t.equal(status, 400, 'the provider says so on a page of its own')
    })

    await t.test('a provider that is down', async (t) => {
      const ann = browser()
      provider.permit([`${whole.running.address}/login/callback`])
      const answer = await ann.atProvider(await ann.begin(), 'ann')
      await provider.stop()
      t.match(
        await ann.returnToConsole(answer),
        /^cannot reach the provider at http:\S+: (ECONNREFUSED|UND_ERR_SOCKET|ECONNRESET)$/,
      )
      t.match(await audited(whole), [{ action: 'login failed', detail: { reason: /^cannot reach the provider/ } }])
    })
  })

  t.test('many failed logins from one address', async (t) => {
    const whole = await consoleWithProvider(t)
    const { browser, running, provider, account, lines } = whole
    await account('bob', 'show')
    const before = (await audited(whole)).length
    const callback = `${running.address}/login/callback?code=x`
    for (let count = 0; count < 52; count++) t.equal((await fetch(callback, { redirect: 'manual' })).status, 302)
    t.equal((await audited(whole)).length, before, 'a login that nobody has begun is not recorded')
    t.notMatch(lines.join('\n'), /failed/)
    const fail = async () => {
      const one = browser()
      const state = new URL(await one.begin()).searchParams.get('state')
      return one.returnToConsole(`${callback}&state=${state}&iss=${encodeURIComponent(provider.issuer)}`)
    }
    await browser().logIn('')
    for (let count = 0; count < 50; count++) t.match(await fail(), /^the provider does not accept the code/)
    await t.rejects(browser().begin(), { message: 'too many failed logins' })
    const login = { name: 'bob', password: 'correct horse battery' }
    t.equal((await browser().client.send('POST', '/api/session', login)).status, 200, 'passwords have their own limit')
  })

  t.test('settings that do not fit the provider', async (t) => {
    const wrong = await consoleWithProvider(t, { clientSecret: 'wrong' })
    wrong.provider.claimsByName.set('ann', { preferred_username: 'ann' })
    t.match(await wrong.browser().logIn('ann'), /^the provider does not accept the client id or the client secret/)
    const { issuer } = wrong.provider
    const gone = await IdentityProvider.start()
    await gone.stop()
    const nobody = await simulatedConsole(t, { settings: settingsFor(gone.issuer) })
    await t.rejects(new ProviderLogin(nobody.running.address).begin(), {
      message: `cannot reach the provider at ${gone.issuer}: ECONNREFUSED`,
    })
    const path = await simulatedConsole(t, { settings: settingsFor(`${issuer}/realm`) })
    await t.rejects(new ProviderLogin(path.running.address).begin(), { message: /answered with status 404$/ })
    const bare = createServer((_, response) => response.end(JSON.stringify({ issuer: bareIssuer })))
    await new Promise<void>((resolve) => bare.listen(0, '127.0.0.1', resolve))
    t.teardown(() => bare.close())
    const bareIssuer = `http://127.0.0.1:${(bare.address() as AddressInfo).port}`
    const incomplete = await simulatedConsole(t, { settings: settingsFor(bareIssuer) })
    await t.rejects(new ProviderLogin(incomplete.running.address).begin(), { message: /no authorization_endpoint/ })
    const none = await simulatedConsole(t)
    await t.rejects(new ProviderLogin(none.running.address).begin(), { message: /no login by OpenID Connect/ })
    t.equal((await fetch(`${none.running.address}/login/callback?code=x`, { redirect: 'manual' })).status, 404)
  })

  t.test('an e-mail address as the name', async (t) => {
    const { provider, browser } = await consoleWithProvider(t, { account_claim: 'email' })
    provider.claimsByName.set('ann', { email: 'ann@example.com' })
    const ann = browser()
    t.match(await ann.logIn('ann'), /has not verified the e-mail address/)
    provider.claimsByName.set('ann', { email: 'ann@example.com', email_verified: 'true' })
    t.match(await ann.logIn('ann'), /has not verified the e-mail address/)
    provider.claimsByName.set('ann', { email: 'ann@example.com', email_verified: true })
    t.equal(await ann.logIn('ann'), null)
    t.match((await ann.client.send('GET', '/api/session')).body, { account: 'ann@example.com' })
  })

  t.test('without local accounts', async (t) => {
    const { directory, account, running } = await simulatedConsole(t)
    const bob = await account('bob', 'show')
    await running.stop()
    const provider = await IdentityProvider.start()
    t.teardown(() => provider.stop())
    const lines: string[] = []
    const restarted = await startConsole({
      ...{ directory: `${directory}/state`, stacks: [{ name: 'shop', directory, options: [] }], program: ['false'] },
      ...{ host: '127.0.0.1', port: 0, url: null, version: 'test' },
      ...{ pages: directory, settings: settingsFor(provider.issuer, {}, false), print: (line) => lines.push(line) },
    })
    t.teardown(() => restarted.stop())
    provider.permit([`${restarted.address}/login/callback`])
    const person = (name: string) => ({ name, password: 'correct horse battery' })
    const same = new Client(() => restarted.address)
    same.cookie = bob.cookie
    t.equal((await same.send('GET', '/api/session')).status, 401, 'sessions of local accounts have ended')
    for (const name of ['bob', 'root']) t.equal((await same.send('POST', '/api/session', person(name))).status, 401)
    t.match((await same.send('GET', '/api/login')).body, {
      password: false,
      provider: { label: 'the company account' },
    })
    provider.claimsByName.set('olga', { preferred_username: 'olga', groups: ['ops'] })
    const olga = new ProviderLogin(restarted.address)
    t.equal(await olga.logIn('olga'), null)
    t.match(await olga.client.send('POST', '/api/invitations', {}), {
      ...{ status: 409, body: { error: { code: 'NO_LOCAL_ACCOUNTS' } } },
    })
    const { inviteAdministrator } = await import('../../core/console/main.ts')
    const invitation = inviteAdministrator(`${directory}/state`)
    const emergency = new Client(() => restarted.address)
    t.equal(
      (await emergency.send('POST', '/api/invitations/accept', { invitation, ...person('emergency') })).status,
      200,
    )
    t.match(await emergency.send('POST', '/api/session', person('emergency')), { status: 200, body: { isAdmin: true } })
  })

  t.test('a login in a browser', async (t) => {
    if (!needs(t, ['chromium'])) return
    const { provider, running } = await consoleWithProvider(t)
    provider.claimsByName.set('ann', { preferred_username: 'ann', groups: ['developers'] })
    const chrome = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
    t.teardown(() => chrome.close())
    const context = await chrome.newContext()
    context.setDefaultTimeout(30_000)
    const page = await context.newPage()
    const mistakes: string[] = []
    page.on('pageerror', (error) => mistakes.push(error.message))
    await page.goto(`${running.address}/#/stack/shop`)
    const begin = page.getByRole('button', { name: 'Log in with the company account' })
    await begin.waitFor()
    t.strictSame(await findings(page), [])
    await picture(page, 'login-provider')
    await begin.click()
    await page.getByRole('heading', { name: 'Provider' }).waitFor()
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.getByRole('alert').getByText('the provider denied the login').waitFor()
    t.strictSame(await findings(page), [])
    await picture(page, 'login-denied')
    await page.reload()
    await begin.waitFor()
    t.equal(await page.getByRole('alert').count(), 0, 'a failure is shown once')
    await begin.click()
    await page.getByLabel('Who').fill('ann')
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.getByRole('heading', { name: 'shop' }).waitFor()
    t.match(page.url(), /#\/stack\/shop$/, 'the page from before the login')
    const cookies = (await context.cookies(running.address)).filter(({ name }) => name.startsWith('__Host-converge'))
    t.match(cookies, [{ name: '__Host-converge', httpOnly: true, secure: true, sameSite: 'Lax' }])
    t.equal(cookies.length, 1, 'the cookie of the login is gone')
    await page.getByRole('link', { name: 'ann' }).click()
    await page.getByText('The provider of your login manages').waitFor()
    t.strictSame(await findings(page), [])
    await picture(page, 'account-provider')
    await page.getByRole('button', { name: 'Log out' }).click()
    await begin.waitFor()
    t.strictSame(mistakes, [])
  })
}
