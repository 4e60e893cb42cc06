/** Tests the page of the notices of a stack in Chromium. CONSOLE_SCREENSHOTS=DIR stores pictures. */
import { chromium } from 'playwright-core'
import t from 'tap'
import { needs } from '../support/machine.ts'
import { runsOnNode22 } from '../support/node22.ts'
import { findings, picture } from './support/console_pictures.ts'
import { simulatedConsole } from './support/simulated_console.ts'

if (await runsOnNode22(t, import.meta.url))
  t.test('the page of notices', async (t) => {
    if (!needs(t, ['chromium'])) return
    const { running, admin } = await simulatedConsole(t)
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
    t.teardown(() => browser.close())
    const context = await browser.newContext()
    context.setDefaultTimeout(30_000)
    const url = running.address.replace('http', 'https')
    await context.addCookies([{ name: '__Host-converge', value: admin.cookie, url, secure: true }])
    const page = await context.newPage()
    await page.goto(`${running.address}/#/stack/shop/notices`)
    await page.getByLabel('Name', { exact: true }).fill('ours')
    await page.getByLabel('Address', { exact: true }).fill('http://127.0.0.1:1/secret')
    await page.getByRole('button', { name: 'Add the notice' }).click()
    t.match(await page.getByLabel('Secret of ours').inputValue(), /^whsec_/)
    await page.getByRole('button', { name: 'Send a test to ours' }).click()
    const error = page.getByText('127.0.0.1:1 is an address of the console itself')
    for (let count = 0; count < 20 && (await error.count()) === 0; count++) {
      await page.getByRole('button', { name: 'Load again ours' }).click()
      await page.waitForTimeout(500)
    }
    await error.waitFor()
    t.equal(await page.getByText('/secret').count(), 0)
    t.strictSame(await findings(page), [])
    await picture(page, 'notices')
    await page.getByLabel('Kind').selectOption('gitea')
    await page.getByLabel('Repository, such as owner/name').waitFor()
    t.strictSame(await findings(page), [])
    await picture(page, 'notices-git')
  })
