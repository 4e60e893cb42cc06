/** Tests the log of a deployment in Chromium: 100,000 lines of 200 hosts. CONSOLE_SCREENSHOTS=DIR stores pictures. */
import { readFileSync, writeFileSync } from 'node:fs'
import { chromium, type Page } from 'playwright-core'
import t from 'tap'
import { needs } from '../support/machine.ts'
import { runsOnNode22 } from '../support/node22.ts'
import { findings, picture } from './support/console_pictures.ts'
import { hostCount, lineCount, manyLines } from './support/many_lines.ts'
import { simulatedConsole } from './support/simulated_console.ts'

if (needs(t, ['chromium']) && (await runsOnNode22(t, import.meta.url)))
  t.test('the log of a large deployment', async (t) => {
    const { running, admin, directory } = await simulatedConsole(t, { commands: manyLines })
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
    t.teardown(() => browser.close())
    const context = await browser.newContext()
    context.setDefaultTimeout(60_000)
    const url = running.address.replace('http:', 'https:')
    await context.addCookies([{ name: '__Host-converge', value: admin.cookie, url }])
    const page = await context.newPage()
    const mistakes: string[] = []
    page.on('pageerror', (error) => mistakes.push(error.message))

    // The first line is that of the rollout.
    const counted = (count: number) => page.getByText(`${count.toLocaleString('en')} lines`).waitFor()
    const log = page.getByRole('log')
    const elements = () => log.locator('.line').count()
    const stored = async () => {
      const arriving = page.waitForEvent('download')
      await page.getByRole('button', { name: 'Download the log' }).click()
      return readFileSync(await (await arriving).path(), 'utf8').split('\n')
    }
    const lineOf = (index: number) =>
      `web${String((index % hostCount) + 1).padStart(3, '0')} buildout shop line ${index}`

    const { body } = await admin.send('POST', '/api/stacks/shop/deployments', { automatic: true })
    await page.goto(`${running.address}/#/deployment/${body.id}`)
    await counted(lineCount / 2 + 1)
    await log.getByText(lineOf(lineCount / 2 - 1)).waitFor()
    t.ok((await elements()) < 200, 'only the lines in view are elements of the page')

    await t.test('follows the end until its reader scrolls up', async (t) => {
      await log.focus()
      await page.keyboard.press('Home')
      await log.getByText(lineOf(0), { exact: true }).waitFor()
      writeFileSync(`${directory}/continue`, '2500')
      await page.getByText(/Log [6-9]\d,\d{3} lines/).waitFor()
      await log.getByText(lineOf(0), { exact: true }).waitFor()
      // A page that is loaded again in the middle begins with the first line.
      await page.reload()
      await counted(lineCount + 1)
      await log.getByText(lineOf(lineCount - 1)).waitFor()
      t.ok((await elements()) < 200)
    })

    await t.test('has each line once, in order, after it was loaded again in the middle', async (t) => {
      const lines = await stored()
      t.equal(lines.length, lineCount + 2, 'a line of the rollout, those of the hosts, and nothing after the last end')
      t.equal(lines[0], 'deploy of shop, parallel')
      const wrong = lines.slice(1, -1).findIndex((line, index) => line !== lineOf(index))
      t.equal(wrong, -1, `line ${wrong}: ${lines[wrong + 1]}`)
    })

    await t.test('finds text in lines that are not in view', async (t) => {
      await log.focus()
      await page.keyboard.press('Control+f')
      await page.keyboard.type('LINE 4242')
      await page.getByText('11 lines match', { exact: true }).waitFor()
      await page.keyboard.press('Enter')
      await page.getByText('1 of 11 lines match').waitFor()
      await log.getByText(lineOf(4242), { exact: true }).waitFor()
      await page.keyboard.press('Shift+Enter')
      await log.getByText(lineOf(42429), { exact: true }).waitFor()
      t.equal(await log.locator('.current').innerText(), lineOf(42429))
      t.equal(await log.locator('.current mark').innerText(), 'line 4242')
      t.strictSame(await findings(page), [])
      await picture(page, 'log')
      await page.getByRole('button', { name: 'Go to the end' }).click()
      await log.getByText(lineOf(lineCount - 1)).waitFor()
    })

    await t.test('shows the lines of a host', async (t) => {
      await page.getByLabel('Search the log').fill('')
      await page.getByLabel('Lines of').selectOption('web007')
      await counted(lineCount / hostCount)
      const lines = await stored()
      t.strictSame([lines.length - 1, lines[0], lines.at(-2)], [500, lineOf(6), lineOf(lineCount - hostCount + 6)])
      t.match(await shownLines(page), /buildout shop line 99806$/)
    })
    t.strictSame(mistakes, [])
  })

async function shownLines(page: Page): Promise<string> {
  return (await page.getByRole('log').innerText()).trimEnd()
}
