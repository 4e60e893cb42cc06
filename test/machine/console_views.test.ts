/** Tests the pages of the console that need no host, in Chromium: a program answers as `converge stack` does. */
import { execFileSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
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
        if (message.type() === 'error' && !/40[14]|502/.test(message.text())) mistakes.push(message.text())
      })
      return page
    }
    const reaches = (page: Page, name: string) => page.getByRole('status').getByText(name, { exact: true }).waitFor()
    const client = await account('ann', 'manage')
    const ann = await open(client)

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
