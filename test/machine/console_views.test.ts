/** Tests the pages of the console that need no host, in Chromium: a program answers as `converge stack` does. */
import { createHmac } from 'node:crypto'
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
    const { running, account } = await simulatedConsole(t)
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
        if (message.type() === 'error' && !/40[14]/.test(message.text())) mistakes.push(message.text())
      })
      return page
    }
    const reaches = (page: Page, name: string) => page.getByRole('status').getByText(name, { exact: true }).waitFor()
    const ann = await open(await account('ann', 'manage'))

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

    t.strictSame(mistakes, [], 'no error in any page')
  })
