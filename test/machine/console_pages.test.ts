/** Tests the pages of the console in Chromium, with real hosts. CONSOLE_SCREENSHOTS=DIR stores pictures of each page. */
import { type Browser, chromium, type Page } from 'playwright-core'
import t from 'tap'
import { needs } from '../support/machine.ts'
import { node22 } from '../support/node22.ts'
import { ConsoleProcess } from './support/console.ts'
import { findings, picture } from './support/console_pictures.ts'
import { consoleStack, stackNeeds } from './support/console_stack.ts'

const port = 18485

t.test('the pages of the console', async (t) => {
  if (!needs(t, [...stackNeeds, 'chromium'])) return
  const node = await node22()
  const { operator, hosts, commit, version, holdDeploys: hold, releaseDeploys: release } = await consoleStack(t)
  const running = await ConsoleProcess.start(operator, node, port)
  t.teardown(() => running.end('SIGKILL'))
  const browser: Browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
  t.teardown(() => browser.close())

  const mistakes: string[] = []
  const foreign: string[] = []
  const open = async () => {
    const context = await browser.newContext()
    context.setDefaultTimeout(60_000)
    const page = await context.newPage()
    page.on('pageerror', (error) => mistakes.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error' && !/40[14]/.test(message.text())) mistakes.push(message.text())
    })
    page.on('request', (request) => {
      if (!request.url().startsWith(running.url)) foreign.push(request.url())
    })
    return page
  }
  const state = (page: Page) => page.getByRole('status').innerText()
  const reaches = (page: Page, name: string) => page.getByRole('status').getByText(name, { exact: true }).waitFor()

  const ann = await open()
  await t.test('makes the first account by its link, and logs in again', async (t) => {
    await ann.goto(`${running.url}/#/invitation/${running.invitation}`)
    t.strictSame(await findings(ann), [])
    await picture(ann, 'invitation')
    await ann.getByLabel('Name').fill('ann')
    await ann.getByLabel('Password').fill('short')
    await ann.getByRole('button', { name: 'Make the account' }).click()
    t.match(ann.url(), /invitation/, 'a short password is refused')
    await ann.getByLabel('Password').fill('correct horse battery')
    await ann.getByRole('button', { name: 'Make the account' }).click()
    await ann.getByRole('heading', { name: 'Stacks' }).waitFor()
    await ann.getByRole('button', { name: 'Log out' }).click()
    await ann.getByRole('heading', { name: 'Log in' }).waitFor()
    t.strictSame(await findings(ann), [])
    await picture(ann, 'login')
    await ann.getByLabel('Name').fill('ann')
    await ann.getByLabel('Password').fill('wrong password')
    await ann.getByRole('button', { name: 'Log in' }).click()
    await ann.getByRole('alert').getByText('the name or the password is wrong').waitFor()
    await ann.getByLabel('Password').fill('correct horse battery')
    await ann.getByRole('button', { name: 'Log in' }).click()
    await ann.getByRole('heading', { name: 'Stacks' }).waitFor()
  })
  if (!t.passing()) return

  const ask = async (page: Page, comment: string) => {
    await page.goto(`${running.url}/#/stack/probe/deploy`)
    await page.getByLabel('Comment').fill(comment)
    await page.getByRole('button', { name: 'Show the plan' }).click()
    await reaches(page, 'waiting for approval')
    await page.getByRole('heading', { name: 'Plan' }).waitFor()
  }

  await t.test('shows the plan, deploys it, and two browsers follow it', async (t) => {
    await commit('two')
    await ann.goto(`${running.url}/#/stack/probe/deploy`)
    await ann.getByLabel('Comment').waitFor()
    t.strictSame(await findings(ann), [])
    await picture(ann, 'deploy')
    hold()
    await ask(ann, '<b>new</b> prices')
    await ann.getByText('<b>new</b> prices').waitFor()
    t.strictSame(await findings(ann), [])
    await picture(ann, 'plan')
    const link = ann.url()
    await ann.getByRole('button', { name: 'Deploy this plan' }).click()
    await reaches(ann, 'running')
    await ann.getByRole('region', { name: 'Hosts' }).getByRole('button', { name: 'h2' }).waitFor()
    const second = await open()
    await second.context().addCookies(await ann.context().cookies())
    await second.goto(link)
    await second.getByRole('region', { name: 'Hosts' }).getByRole('button', { name: 'h1' }).waitFor()
    await second.getByRole('button', { name: 'Pause' }).click()
    await ann.getByText(/^Paused by ann, console\. No further host starts/).waitFor()
    t.strictSame(await findings(ann), [])
    await picture(ann, 'running')
    await ann.getByRole('button', { name: 'Continue' }).click()
    await second.getByRole('button', { name: 'Pause' }).waitFor()
    await release()
    await Promise.all([reaches(ann, 'succeeded'), reaches(second, 'succeeded')])
    const log = (page: Page) => page.getByRole('log').innerText()
    t.equal(await log(second), await log(ann), 'both have the same log')
    await ann.reload()
    await reaches(ann, 'succeeded')
    await ann.getByRole('log').getByText('h2').first().waitFor()
    t.equal(await log(ann), await log(second), 'and so has a page that is loaded again')
    t.strictSame([await version(hosts[0]), await version(hosts[1])], ['two', 'two'])
    t.strictSame(await findings(ann), [])
    await picture(ann, 'succeeded')
    await second.context().close()
  })

  await t.test('aborts a deployment', async (t) => {
    await commit('three')
    hold()
    await ask(ann, 'to be aborted')
    await ann.getByRole('button', { name: 'Deploy this plan' }).click()
    await ann.getByRole('region', { name: 'Hosts' }).getByRole('button', { name: 'h1' }).waitFor()
    await ann.getByRole('button', { name: 'Abort' }).click()
    await ann.getByText(/^aborted by ann/).waitFor()
    await release()
    await reaches(ann, 'interrupted')
    t.equal(await state(ann), 'interrupted')
    await picture(ann, 'interrupted')
  })

  await t.test('the page shows that a failed canary rolls back', async (t) => {
    for (const host of hosts) await host.run('touch /srv/broken')
    await ann.goto(`${running.url}/#/stack/probe/deploy`)
    await ann.getByLabel('Canary: one host first, then the rest').check()
    await ann.getByLabel('Roll back if it fails').check()
    await ann.getByRole('button', { name: 'Show the plan' }).click()
    await reaches(ann, 'waiting for approval')
    await ann.getByRole('button', { name: 'Deploy this plan' }).click()
    await ann
      .getByRole('status')
      .getByText(/^(failed|rolled back)$/)
      .waitFor()
    t.match(await ann.getByRole('region', { name: 'Hosts' }).innerText(), /h1\s+(failed|rolled back)/)
    t.match(await ann.getByRole('region', { name: 'Hosts' }).innerText(), /h2\s+untouched/, 'nothing works any more')
    await picture(ann, 'failed')
    for (const host of hosts) await host.run('rm /srv/broken')
  })

  await t.test('an account with the level show sees, and cannot press', async (t) => {
    await ann.goto(`${running.url}/#/accounts`)
    await ann.getByRole('button', { name: 'Make a link' }).click()
    const text = await ann.getByText(/invitation\/invite_/).innerText()
    const eve = await open()
    await eve.goto(text)
    await eve.getByLabel('Name').fill('eve')
    await eve.getByLabel('Password').fill('another long password')
    await eve.getByRole('button', { name: 'Make the account' }).click()
    await eve.getByText('You may not see any stack yet').waitFor()
    await ann.reload()
    await ann.getByLabel('probe').selectOption('show')
    t.strictSame(await findings(ann), [])
    await picture(ann, 'accounts')
    await eve.reload()
    await eve.getByRole('link', { name: 'probe' }).click()
    await eve.getByRole('heading', { name: 'Deployments' }).waitFor()
    t.equal(await eve.getByRole('link', { name: 'Deploy', exact: true }).count(), 0)
    await eve.goto(`${running.url}/#/deployment/1`)
    await reaches(eve, 'succeeded')
    t.equal(await eve.getByRole('button', { name: 'Roll back' }).count(), 0)
    await eve.goto(`${running.url}/#/deployment/999`)
    await eve.getByText(/^There is no such deployment/).waitFor()
    await eve.context().close()
  })

  await t.test('lists the deployments, compares two, and shows the report of one', async (t) => {
    await ann.goto(`${running.url}/#/stack/probe/history`)
    for (const id of [1, 2]) await ann.getByLabel(`Compare deployment ${id}`, { exact: true }).check()
    t.strictSame(await findings(ann), [])
    await picture(ann, 'history')
    await ann.getByRole('link', { name: 'Compare 1 with 2' }).click()
    await ann.getByRole('heading', { name: 'Comparison of probe' }).waitFor()
    t.match(await ann.getByRole('region', { name: 'Hosts' }).innerText(), /h1\s+changed, \d+ s\s+untouched/)
    t.match(
      await ann.getByRole('region', { name: 'Request' }).innerText(),
      /comment\s+<b>new<\/b> prices\s+to be aborted/,
    )
    t.strictSame(await findings(ann), [])
    await picture(ann, 'comparison')
    await ann.goto(`${running.url}/#/stack/probe/history`)
    await ann.getByLabel('State').selectOption('interrupted')
    await ann.getByRole('link', { name: '1', exact: true }).waitFor({ state: 'detached' })
    await ann.getByRole('link', { name: '2', exact: true }).click()
    const link = await ann.getByRole('link', { name: 'Report' }).getAttribute('href')
    const answer = await ann.request.get(`${running.url}${link}`)
    t.match(answer.headers()['content-security-policy'], /sandbox/, 'no script of a text would run')
    // Its policy also keeps the tests from reading it in the browser.
    await ann.goto('about:blank')
    await ann.setContent(await answer.text())
    t.match(await ann.locator('.outcome').innerText(), /^interrupted: aborted by ann/)
    t.strictSame(await findings(ann), [])
    await picture(ann, 'report')
  })

  await t.test('shows the stack and the audit', async (t) => {
    for (const [path, name] of [
      ['#/', 'overview'],
      ['#/stack/probe', 'stack'],
      ['#/audit', 'audit'],
    ] as const) {
      await ann.goto(`${running.url}/${path}`)
      await ann.getByText('ann').nth(1).waitFor()
      t.strictSame(await findings(ann), [], name)
      await picture(ann, name)
    }
  })

  t.strictSame(mistakes, [], 'no error in any page')
  t.strictSame(foreign, [], 'no request leaves the site')
})
