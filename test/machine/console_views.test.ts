/** Tests the pages of the console that need no host, in Chromium: a program answers as `converge stack` does. */
import { execFileSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { Secret, TOTP } from 'otpauth'
import { type Browser, chromium, type Page } from 'playwright-core'
import t from 'tap'
import { needs } from '../support/machine.ts'
import { runsOnNode22 } from '../support/node22.ts'
import { Client } from './support/console.ts'
import { findings, picture } from './support/console_pictures.ts'
import { simulatedConsole } from './support/simulated_console.ts'

if (await runsOnNode22(t, import.meta.url))
  t.test('the pages of the console', async (t) => {
    if (!needs(t, ['chromium'])) return
    const { running, account, directory } = await simulatedConsole(t)
    const browser: Browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
    t.teardown(() => browser.close())
    const mistakes: string[] = []
    const open = async ({ cookie }: Client) => {
      const context = await browser.newContext()
      context.setDefaultTimeout(60_000)
      await context.addCookies([
        { name: '__Host-converge', value: cookie, url: running.address.replace('http', 'https'), secure: true },
      ])
      const page = await context.newPage()
      page.on('pageerror', (error) => mistakes.push(error.message))
      page.on('console', (message) => {
        if (message.type() === 'error' && !/40[0134]|502/.test(message.text())) mistakes.push(message.text())
      })
      return page
    }
    const reaches = (page: Page, name: string) => page.getByRole('status').getByText(name, { exact: true }).waitFor()
    const client = await account('ann', 'manage')
    const ann = await open(client)

    await t.test('shows the state of each host, and what needs attention', async (t) => {
      await ann.goto(`${running.address}/#/stack/shop`)
      const hosts = ann.getByRole('region', { name: 'Layers' })
      await hosts.getByText('needs attention').waitFor()
      const lineOf = (host: string) => hosts.getByRole('listitem').filter({ hasText: host }).first().innerText()
      t.match(await lineOf('web1'), /^web1 10\.0\.0\.0\s+good\s+2 services up · 0123abcd$/)
      t.match(
        await lineOf('web2'),
        /needs attention\s+0 of 1 services up .*missed deployment 12\s+<b>client3<\/b>: failed/s,
      )
      t.match(await lineOf('db1'), /unknown\s+cannot connect to db1\s+check that sshd is running/)
      t.strictSame(await findings(ann), [])
      await picture(ann, 'stack-state')
    })

    await t.test('shows the servers of the balancers, and drains one', async (t) => {
      await ann.goto(`${running.address}/#/stack/shop/balancer`)
      const row = ann.getByRole('row', { name: /plone1-1/ })
      t.match(await row.innerText(), /site\/plone1-1\s+10\.0\.0\.1:8081\s+up\s+3\s+0/)
      t.match(await ann.getByRole('row', { name: /plone2-1/ }).innerText(), 'down (<b>L4CON</b>)')
      await ann.getByText('no balancer is known').waitFor()
      t.strictSame(await findings(ann), [])
      await picture(ann, 'balancer')
      const questions: string[] = []
      ann.once('dialog', (dialog) => {
        questions.push(dialog.message())
        void dialog.accept()
      })
      await row.getByRole('button', { name: 'Drain' }).click()
      await row.getByText('drain', { exact: true }).waitFor()
      t.match(questions, [/^site\/plone1-1 is the last server that takes visitors/])
      await row.getByRole('button', { name: 'Set ready' }).click()
      await row.getByText('up', { exact: true }).waitFor()
      const { body } = await client.send('GET', '/api/audit')
      const actions = body.map(({ action }: { action: string }) => action).slice(0, 2)
      t.strictSame(actions, ['set server ready: done', 'set server ready: requested'])
      const unknown = await client.send('POST', '/api/stacks/shop/balancers', { action: 'drain', server: 'site/none' })
      t.match(unknown, { status: 404, body: { error: { code: 'UNKNOWN_SERVER' } } })
    })

    await t.test('makes a schedule, switches it off, and removes it', async (t) => {
      await ann.goto(`${running.address}/#/stack/shop/schedules`)
      await ann.getByText('No schedule yet.').waitFor()
      await ann.getByLabel('Name').fill('<b>nightly</b>')
      await ann.getByLabel(/^When/).fill('daily')
      await ann.getByText('invalid time "daily"').waitFor()
      await ann.getByLabel(/^When/).fill('30 2 * * *')
      await ann.getByLabel('Time zone').fill('Europe/Zurich')
      await ann.getByText('Next in your time zone: ').waitFor()
      t.strictSame(await findings(ann), [])
      await ann.getByRole('button', { name: 'Make the schedule' }).click()
      const row = ann.getByRole('row', { name: /nightly/ })
      t.match(await row.innerText(), /<b>nightly<\/b>\s+30 2 \* \* \*\s+Europe\/Zurich\s+deploy all apps/)
      await picture(ann, 'schedules')
      await row.getByRole('button', { name: 'Switch off' }).click()
      await row.getByText('off', { exact: true }).waitFor()
      ann.once('dialog', (dialog) => void dialog.accept())
      await row.getByRole('button', { name: 'Remove' }).click()
      await ann.getByText('No schedule yet.').waitFor()
    })

    await t.test('shows a host with its services, and where its attributes come from', async (t) => {
      await ann.goto(`${running.address}/#/stack/shop`)
      await ann.getByRole('link', { name: 'web1' }).first().click()
      await ann.getByRole('row', { name: /site 000007-0123abcd/ }).waitFor()
      t.match(await ann.getByRole('main').innerText(), /Roles: .*Last run: deploy changed/s)
      const row = ann.getByRole('row', { name: /plone_instances\.per_cpu/ })
      t.match(await row.innerText(), /5\s+host stack\.yaml:10:94\s+schema default: 2/)
      t.match(await ann.getByRole('row', { name: /site\.title/ }).innerText(), /"<i>Shop<\/i>"/)
      await ann.getByLabel('Filter by key').fill('plone')
      t.equal(await ann.getByRole('row', { name: /site\.title/ }).count(), 0)
      await ann.getByLabel('Explain any attribute').fill('nothing')
      await ann.getByRole('button', { name: 'Explain' }).click()
      await ann.getByRole('alert').getByText('unknown attribute nothing').waitFor()
      await ann.getByLabel('Explain any attribute').fill('plone_instances.per_cpu')
      await ann.getByRole('button', { name: 'Explain' }).click()
      await ann.getByRole('region', { name: 'Explained attributes' }).waitFor()
      t.strictSame(await findings(ann), [])
      await picture(ann, 'host')
      t.match(await client.send('GET', '/api/stacks/shop/hosts/web9/attributes'), { status: 404 })
      t.match(await client.send('GET', '/api/stacks/shop/hosts/web1/attributes?key=nothing'), {
        status: 404,
        body: { error: { code: 'UNKNOWN_ATTRIBUTE', hint: 'did you mean this?' } },
      })
      t.match(await client.send('POST', '/api/stacks/shop'), {
        status: 405,
        body: { error: { hint: 'use GET, PATCH, HEAD' } },
      })
      t.match(await client.send('GET', '/api/stacks/shop/hosts/--recipes=x/attributes'), { status: 400 })
    })

    await t.test('closes the sites and opens them, and records who did', async (t) => {
      await ann.goto(`${running.address}/#/stack/shop`)
      await ann.getByText('Maintenance page', { exact: true }).click()
      await ann.getByLabel('Text of the page').fill('Back <i>soon</i>')
      await ann.getByRole('button', { name: 'Close the sites' }).click()
      await ann.getByText('site is closed for maintenance by ann, console').first().waitFor()
      t.match(
        readFileSync(`${directory}/maintenance`, 'utf8'),
        '--stack shop.yaml on --message=Back <i>soon</i> --by=ann, console --json-output',
      )
      t.strictSame(await findings(ann), [])
      await picture(ann, 'maintenance')
      writeFileSync(`${directory}/stuck`, '')
      await ann.getByRole('button', { name: 'Open the sites' }).click()
      await ann.getByRole('alert').getByText('web2: another run is under way').waitFor()
      rmSync(`${directory}/stuck`)
      const { body } = await client.send('GET', '/api/audit')
      t.match(
        body.map(({ action }: { action: string }) => action),
        ['open sites: failed', 'open sites: requested', 'close sites: done', 'close sites: requested'],
      )
      const sue = await account('sue', 'show')
      t.match(await sue.send('PUT', '/api/stacks/shop/maintenance', { closed: true }), { status: 403 })
      const page = await open(sue)
      await page.goto(`${running.address}/#/stack/shop`)
      await page.getByText('needs attention').first().waitFor()
      t.equal(await page.getByText('Maintenance page').count(), 0)
      await page.context().close()
    })

    await t.test('makes a token, shows it once, and revokes it', async (t) => {
      await ann.goto(`${running.address}/#/stack/shop/tokens`)
      await ann.getByText('No token yet').waitFor()
      await ann.getByLabel('Name').fill('nightly <i>build</i>')
      await ann.getByLabel('Level').selectOption('show')
      await ann.getByLabel('Days until it expires').fill('7')
      await ann.getByRole('button', { name: 'Make the token' }).click()
      const token = await ann.getByLabel('Token nightly').inputValue()
      await ann.context().grantPermissions(['clipboard-read', 'clipboard-write'])
      await ann.getByRole('button', { name: 'Copy' }).click()
      await ann.getByText('Copied').waitFor()
      t.equal(await ann.evaluate('navigator.clipboard.readText()'), token)
      t.strictSame(await findings(ann), [])
      await picture(ann, 'tokens')
      const pipeline = new Client(() => running.address, token)
      t.match(await pipeline.send('GET', '/api/stacks/shop'), { status: 200, body: { level: 'show' } })
      await ann.reload()
      const row = ann.getByRole('row', { name: /nightly/ })
      t.match(await row.innerText(), /nightly <i>build<\/i>\s+show\s+ann\s/)
      t.notMatch(await row.innerText(), /never/, 'its last use')
      t.equal(await ann.getByText(token).count(), 0, 'it is not shown again')
      ann.once('dialog', (dialog) => dialog.accept())
      await row.getByRole('button', { name: 'Revoke nightly' }).click()
      await ann.getByText('No token yet').waitFor()
      t.match(await pipeline.send('GET', '/api/stacks/shop'), { status: 401 })
    })

    await t.test('makes a webhook, which deploys, and removes it', async (t) => {
      await ann.goto(`${running.address}/#/stack/shop/webhooks`)
      await ann.getByText('No webhook yet').waitFor()
      await ann.getByLabel('Name').fill('pushes')
      await ann.getByLabel('Sender').selectOption('generic')
      await ann.getByRole('combobox', { name: 'Deploy' }).selectOption('push')
      await ann.getByLabel('site').check()
      await ann.getByRole('button', { name: 'Make the webhook' }).click()
      const [address, secret] = [
        await ann.getByLabel('Address of pushes').inputValue(),
        await ann.getByLabel('Secret of pushes').inputValue(),
      ]
      t.strictSame(await findings(ann), [])
      await picture(ann, 'webhooks')
      const body = JSON.stringify({ branch: 'other', commit: '0'.repeat(40) })
      const time = Math.floor(Date.now() / 1000)
      const key = Buffer.from(secret.replace('whsec_', ''), 'base64')
      const headers = {
        ...{ 'webhook-id': 'one', 'webhook-timestamp': `${time}` },
        'webhook-signature': `v1,${createHmac('sha256', key).update(`one.${time}.${body}`).digest('base64')}`,
      }
      const deliver = async () => (await fetch(address, { method: 'POST', headers, body })).json()
      t.match(await deliver(), { result: 'ignored: branch other' }, 'the signature is right')
      await ann.reload()
      t.match(await ann.getByRole('row', { name: /pushes/ }).innerText(), /main\s+site after each push/)
      ann.once('dialog', (dialog) => dialog.accept())
      await ann.getByRole('button', { name: 'Remove pushes' }).click()
      await ann.getByText('No webhook yet').waitFor()
      t.match(await deliver(), { error: { code: 'WRONG_SIGNATURE' } })
    })

    await t.test('sets up a second factor, which the next login requires', async (t) => {
      const page = await open(await account('fay', 'show'))
      await page.goto(`${running.address}/#/account`)
      const field = page.getByLabel('Your password')
      await field.fill('a wrong password')
      await page.getByRole('button', { name: 'Set up a second factor' }).click()
      await page.getByRole('alert').getByText('the present password is wrong').waitFor()
      await field.fill('correct horse battery')
      await page.getByRole('button', { name: 'Set up a second factor' }).click()
      const key = await page.getByLabel('Key', { exact: true }).inputValue()
      t.ok(await page.getByRole('img', { name: 'QR code' }).isVisible())
      t.strictSame(await findings(page), [])
      await picture(page, 'second-factor')
      const totp = new TOTP({ secret: Secret.fromBase32(key) })
      await page.getByRole('textbox', { name: 'Code', exact: true }).fill('000000')
      await page.getByRole('button', { name: 'Enable' }).click()
      await page.getByRole('alert').getByText('the code is wrong').waitFor()
      await page.getByRole('textbox', { name: 'Code', exact: true }).fill(totp.generate())
      await page.getByRole('button', { name: 'Enable' }).click()
      const codes = (await page.getByLabel('Codes for a lost device').inputValue()).split(' ')
      t.equal(codes.length, 10)
      t.strictSame(await findings(page), [])
      await page.getByRole('button', { name: 'I have stored the codes' }).click()
      await page.getByText('Each login requires a code of your device').waitFor()
      await page.getByRole('button', { name: 'Log out' }).click()
      const logIn = async (code: string) => {
        await page.getByLabel('Name').fill('fay')
        await page.getByLabel('Password').fill('correct horse battery')
        if ((await page.getByLabel('Code of your device').count()) === 0) {
          await page.getByRole('button', { name: 'Log in' }).click()
          await page.getByLabel('Code of your device').waitFor()
        }
        await page.getByLabel('Code of your device').fill(code)
        await page.getByRole('button', { name: 'Log in' }).click()
      }
      await logIn('123456')
      await page.getByRole('alert').getByText('the code is wrong').waitFor()
      t.strictSame(await findings(page), [])
      await picture(page, 'login-code')
      await logIn(codes[3] ?? '')
      await page.getByRole('link', { name: 'fay' }).click()
      await page.getByText('Each login requires a code of your device').waitFor()
      await page.context().close()
    })

    await t.test('requires a second person from then on', async (t) => {
      await ann.goto(`${running.address}/#/stack/shop/settings`)
      await ann.getByLabel('A second person must approve each deployment').check()
      t.strictSame(await findings(ann), [])
      await picture(ann, 'settings')
      await ann.goto(`${running.address}/#/stack/shop/deploy`)
      await ann.getByLabel('Comment').fill('needs another person')
      await ann.getByRole('button', { name: 'Show the plan' }).click()
      await reaches(ann, 'waiting for approval')
      await ann.getByRole('button', { name: 'Deploy this plan' }).click()
      await ann.getByText('A second person must approve it.').waitFor()
      await ann.getByRole('button', { name: 'Cancel' }).click()
      await reaches(ann, 'cancelled')
      await ann.goto(`${running.address}/#/stack/shop/settings`)
      await ann.getByLabel('A second person must approve each deployment').uncheck()
      await ann.goto(`${running.address}/#/audit`)
      await ann.getByText('secondPerson false').waitFor()
    })

    await t.test('passes the custom JSON of a deployment on, and shows it without its secrets', async (t) => {
      await ann.goto(`${running.address}/#/stack/shop/deploy`)
      const field = ann.getByLabel(/^Custom JSON/)
      await field.fill('{ "site": ')
      await ann.getByRole('button', { name: 'Show the plan' }).click()
      await ann.getByRole('alert').getByText('the custom JSON is not valid').waitFor()
      t.strictSame(await findings(ann), [])
      await picture(ann, 'deploy-json')
      await field.fill('{ "site": { "title": "<b>Sale</b>", "api_token": "tok-4711-abc" } }')
      await ann.getByRole('button', { name: 'Show the plan' }).click()
      await reaches(ann, 'waiting for approval')
      const id = Number(ann.url().split('/').at(-1))
      const files = `${directory}/state/deployments/${id}`
      t.match(readFileSync(`${files}/plan/errors.txt`, 'utf8'), `--json ${files}/custom.json`)
      t.equal(statSync(`${files}/custom.json`).mode & 0o777, 0o600)
      t.match(JSON.parse(readFileSync(`${files}/custom.json`, 'utf8')), { site: { api_token: 'tok-4711-abc' } })
      await ann.getByText('Custom JSON of this deployment').click()
      t.match(await ann.getByText('<b>Sale</b>').innerText(), /"api_token": "\*{8}"/)
      t.strictSame(await findings(ann), [])
      await picture(ann, 'deployment-json')
      await ann.getByRole('button', { name: 'Deploy this plan' }).click()
      await reaches(ann, 'succeeded')
      t.match(readFileSync(`${files}/rollout/errors.txt`, 'utf8'), `--json ${files}/custom.json`)
      t.notOk(existsSync(`${files}/custom.json`), 'it is removed at the end')
      for (const path of [`/api/deployments/${id}`, '/api/audit', '/api/stacks/shop/deployments'])
        t.notMatch(JSON.stringify((await client.send('GET', path)).body), /4711/, path)
    })

    await t.test('offers the revisions of the repository', async (t) => {
      await ann.goto(`${running.address}/#/stack/shop/deploy`)
      await ann.getByText('the repository cannot be listed').waitFor()
      t.ok(await ann.getByLabel(/^Branch, tag or commit/).isEditable(), 'it can be entered')
      const git = (...words: string[]) =>
        execFileSync('git', ['-C', `${directory}/site.git`, '-c', 'user.name=Ann', '-c', 'user.email=a@b', ...words])
      execFileSync('git', ['init', '-q', '-b', 'main', `${directory}/site.git`])
      git('commit', '-q', '--allow-empty', '-m', '<i>new</i> prices')
      git('tag', 'v2')
      await ann.reload()
      const commits = ann.getByRole('combobox', { name: 'Recent commits of site' })
      await commits.waitFor()
      const options = await ann
        .locator('#revisions option')
        .evaluateAll((all) => all.map((one) => one.getAttribute('value')))
      t.strictSame(options, ['main', 'v2'])
      const head = git('rev-parse', 'HEAD').toString().trim()
      await commits.selectOption(head)
      t.equal(await ann.getByLabel(/^Branch, tag or commit/).inputValue(), head)
      t.match(await commits.innerText(), '<i>new</i> prices (Ann, ')
      t.strictSame(await findings(ann), [])
      await picture(ann, 'deploy-revisions')
      await ann.getByRole('button', { name: 'Show the plan' }).click()
      await reaches(ann, 'waiting for approval')
      await ann.getByText(`deploy all apps at ${head}`).waitFor()
    })

    t.strictSame(mistakes, [], 'no error in any page')
  })
