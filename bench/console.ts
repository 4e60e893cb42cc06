/** Runs `npm run bench:console`: measures the pages of the console in Chromium on slow computers, and a log of 100,000 lines. */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { type Browser, type CDPSession, chromium, type Page } from 'playwright-core'
import { hostCount, lineCount, manyLines } from '../test/machine/support/many_lines.ts'
import { missingOf } from '../test/support/machine.ts'
import { node22 } from '../test/support/node22.ts'
import { waitUntil } from '../test/support/wait_until.ts'
import { withCleanUp } from './clearing.ts'
import { type BenchConsole, startBenchConsole } from './console_process.ts'
import { describeMachine } from './machine.ts'
import { measureSections, type Section } from './sections.ts'
import { spread, table } from './table.ts'

const output = process.argv[2] ?? fileURLToPath(new URL('console.md', import.meta.url))
const tell = (text: string) => process.stderr.write(`${text}\n`)
const runs = 5

interface Site {
  readonly console: BenchConsole
  /** Opens a page in a browser of its own, with or without the session of the administrator. */
  open(isLoggedIn: boolean): Promise<{ readonly page: Page; readonly cdp: CDPSession }>
}

const withSite = (measure: (site: Site) => Promise<string>) =>
  withCleanUp(async (owner) => {
    const running = await startBenchConsole(owner, await node22(), manyLines)
    const browser: Browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
    owner.teardown(() => browser.close())
    return measure({
      console: running,
      open: async (isLoggedIn) => {
        const context = await browser.newContext()
        context.setDefaultTimeout(120_000)
        const cookie = {
          name: '__Host-converge',
          value: running.admin.cookie,
          url: running.url.replace('http:', 'https:'),
        }
        if (isLoggedIn) await context.addCookies([cookie])
        const page = await context.newPage()
        const cdp = await context.newCDPSession(page)
        await cdp.send('Performance.enable')
        return { page, cdp }
      },
    })
  })

/** A script of the page: it records when a text appears, in milliseconds after the navigation. */
const recordText = (wanted: string) => `
  const found = new MutationObserver(() => {
    if (!document.body?.innerText.includes(${JSON.stringify(wanted)})) return
    found.disconnect()
    // Once this task has run, the page answers to input.
    setTimeout(() => { globalThis.shownAt = performance.now() })
  })
  found.observe(document, { childList: true, subtree: true, characterData: true })`

async function shownAt(page: Page): Promise<number> {
  const at = () => page.evaluate('globalThis.shownAt ?? null')
  await waitUntil(async () => (await at()) !== null, 'the text appears', 120)
  return Number(await at())
}

/** Returns the time from the navigation until a text is shown and the page answers, in milliseconds. */
async function timeToInteractive(site: Site, isLoggedIn: boolean, text: string, slowdown: number): Promise<number> {
  const { page, cdp } = await site.open(isLoggedIn)
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: slowdown })
  await page.addInitScript(recordText(text))
  await page.goto(site.console.url)
  const time = await shownAt(page)
  await page.context().close()
  return time
}

const firstPages = (site: Site) =>
  measureRows(
    ['page', 'CPU', 'ms until it answers to input'],
    [
      ['login', false, 'Password'],
      ['overview', true, 'Stacks'],
    ] as const,
    async ([name, isLoggedIn, text]) => {
      const rows: string[][] = []
      for (const slowdown of [1, 4, 6]) {
        const times: number[] = []
        for (let run = 0; run < runs; run++) times.push(await timeToInteractive(site, isLoggedIn, text, slowdown))
        rows.push([name, slowdown === 1 ? 'as it is' : `${slowdown} times slower`, spread(times, 0)])
      }
      return rows
    },
  )

async function measureRows<T>(
  head: readonly string[],
  all: readonly T[],
  rowsOf: (one: T) => Promise<readonly string[][]>,
): Promise<string> {
  const rows: string[][] = []
  for (const one of all) rows.push(...(await rowsOf(one)))
  return table(head, rows)
}

const sizes = async () => {
  const directory = fileURLToPath(new URL('../dist/console', import.meta.url))
  const rows = readdirSync(directory)
    .sort()
    .map((name) => {
      const content = readFileSync(`${directory}/${name}`)
      return [name, content.length, gzipSync(content, { level: 9 }).length] as const
    })
  const total = rows.reduce((sum, [, , size]) => sum + size, 0)
  return table(
    ['file', 'bytes', 'bytes with gzip'],
    [...rows, ['all', '', total] as const].map((row) => row.map(String)),
  )
}

/** Returns a figure of the page, such as its memory. */
async function metric(cdp: CDPSession, name: string): Promise<number> {
  const { metrics } = await cdp.send('Performance.getMetrics')
  return metrics.find((one) => one.name === name)?.value ?? Number.NaN
}

/** Starts a deployment whose log has half of its lines. @returns its number */
async function startDeployment(running: BenchConsole): Promise<number> {
  running.remove('continue')
  const { body } = await running.admin.send('POST', '/api/stacks/shop/deployments', { automatic: true })
  await waitUntil(() => running.size(body.id) > (lineCount / 2) * 60, 'half of the lines are written', 60)
  return body.id
}

const stateOf = async (running: BenchConsole, id: number) =>
  (await running.admin.send('GET', `/api/deployments/${id}`)).body.state

const waitForEnd = (running: BenchConsole, id: number) =>
  waitUntil(async () => (await stateOf(running, id)) === 'succeeded', 'the deployment ends', 120)

/** Measures the page while 5,000 lines arrive in each second, then loads it with all lines, and scrolls it. */
async function log(site: Site): Promise<string> {
  const running = site.console
  const rows: string[][] = []
  for (const slowdown of [1, 4]) {
    const name = slowdown === 1 ? '' : ` (CPU ${slowdown} times slower)`
    const id = await startDeployment(running)
    const { page, cdp } = await site.open(true)
    await cdp.send('Emulation.setCPUThrottlingRate', { rate: slowdown })
    await page.goto(`${running.url}/#/deployment/${id}`)
    await page.getByText(`${(lineCount / 2 + 1).toLocaleString('en')} lines`).waitFor()
    await page.evaluate(watchTasks)
    const before = { busy: await metric(cdp, 'TaskDuration'), at: performance.now() }
    running.write('continue', '500')
    await page.getByText(`${(lineCount + 1).toLocaleString('en')} lines`).waitFor()
    const seconds = (performance.now() - before.at) / 1000
    const busy = (await metric(cdp, 'TaskDuration')) - before.busy
    const longest = Number(await page.evaluate('Math.round(Math.max(0, ...globalThis.longTasks))'))
    rows.push([
      `5,000 lines a second arrive${name}: part of the time that the page computes`,
      `${((busy / seconds) * 100).toFixed(0)} %`,
    ])
    rows.push([`… for each 0.1 s of lines`, `${((busy / (lineCount / 2 / 500)) * 1000).toFixed(0)} ms`])
    rows.push(['… longest task', `${longest} ms`])
    await waitForEnd(running, id)
    await page.context().close()

    const fresh = await site.open(true)
    await fresh.cdp.send('Emulation.setCPUThrottlingRate', { rate: slowdown })
    await fresh.page.addInitScript(recordText(`${(lineCount + 1).toLocaleString('en')} lines`))
    await fresh.page.goto(`${running.url}/#/deployment/${id}`)
    rows.push([`time to show all lines${name}`, `${(await shownAt(fresh.page)).toFixed(0)} ms`])
    await fresh.cdp.send('HeapProfiler.collectGarbage')
    rows.push(['… memory of scripts', `${((await metric(fresh.cdp, 'JSHeapUsedSize')) / 2 ** 20).toFixed(0)} MiB`])
    rows.push(['… elements and texts of the page', String(await metric(fresh.cdp, 'Nodes'))])
    const frames = (await fresh.page.evaluate(scroll)) as number[]
    const sorted = [...frames].sort((a, b) => a - b)
    const at = (part: number) => (sorted[Math.floor((sorted.length - 1) * part)] ?? Number.NaN).toFixed(0)
    rows.push([`… ${frames.length} steps of scrolling: median, longest frame`, `${at(0.5)} ms, ${at(1)} ms`])
    await fresh.page.context().close()
  }
  return table(['what', 'measured'], rows)
}

/** A script of the page: it records long tasks. */
const watchTasks = `
  globalThis.longTasks = []
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longTasks.push(duration)
  }).observe({ type: 'longtask' })`

/** A script of the page: it scrolls through the log in 200 steps, and returns the time of each frame. */
const scroll = `(async () => {
  const log = document.querySelector('[role=log]')
  const times = []
  let last = await new Promise(requestAnimationFrame)
  for (let step = 0; step <= 200; step++) {
    log.scrollTop = (log.scrollHeight * step) / 200
    const now = await new Promise(requestAnimationFrame)
    times.push(now - last)
    last = now
  }
  return times
})()`

/** Measures how long the API takes while two browsers read all lines. */
async function others(site: Site): Promise<string> {
  const running = site.console
  const id = await startDeployment(running)
  running.write('continue', '')
  await waitForEnd(running, id)
  const rows: string[][] = []
  const row = (name: string, times: readonly number[], seconds: string) => {
    const sorted = [...times].sort((a, b) => a - b)
    const at = (part: number) => (sorted[Math.floor((sorted.length - 1) * part)] ?? Number.NaN).toFixed(1)
    rows.push([name, String(times.length), at(0.5), at(0.99), at(1), seconds])
  }
  row('nothing else happens', await probe(running, new Promise((resolve) => setTimeout(resolve, 3000))), '')
  let began = performance.now()
  const reading = Promise.all([1, 2].map(() => readEvents(running, id)))
  row('two readers get 100,000 events each', await probe(running, reading), since(began))
  const counts = await reading
  if (counts.some((count) => count !== lineCount + 3)) throw new Error(`events are missing: ${counts}`)
  const next = await startDeployment(running)
  began = performance.now()
  running.write('continue', '')
  row('the rollout ends, and its log is evaluated', await probe(running, waitForEnd(running, next)), since(began))
  return table(['while', 'requests', 'median ms', 'p99 ms', 'longest ms', 'seconds'], rows)
}

/** Reads the events of a deployment by a process of its own, and counts them. */
async function readEvents({ url, admin }: BenchConsole, id: number): Promise<number> {
  const headers = Object.entries(admin.headers({})).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const script = 'curl -sSN "$@" | grep -c "^id: "'
  const child = spawn('sh', ['-c', script, 'reader', ...headers, `${url}/api/deployments/${id}/events`])
  return Number((await text(child.stdout)).trim())
}

const since = (began: number) => ((performance.now() - began) / 1000).toFixed(1)

/** Sends requests one after the other until something has ended. @returns milliseconds of each */
async function probe({ admin }: BenchConsole, end: Promise<unknown>): Promise<number[]> {
  let isOver = false
  void end.finally(() => {
    isOver = true
  })
  const times: number[] = []
  while (!isOver) {
    const began = performance.now()
    const { status } = await admin.send('GET', '/api/session')
    if (status !== 200) throw new Error(`the API answers with ${status}`)
    times.push(performance.now() - began)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return times
}

const needs = () => missingOf(['chromium', 'npm registry'])
const sections: readonly Section[] = [
  { title: 'Size of the first page', about: 'A test limits it to 60 kB with gzip.', missing: () => [], measure: sizes },
  {
    title: 'Time until the first page answers to input',
    about: `From the navigation until the page shows its content and its task has ended, with an empty cache. Chromium slows the CPU down. Median and range of ${runs} runs.`,
    missing: needs,
    measure: () => withSite(firstPages),
  },
  {
    title: `A log of ${lineCount.toLocaleString('en')} lines of ${hostCount} hosts`,
    about: 'The page of a deployment. Half of the lines are there when it opens, the others arrive.',
    missing: needs,
    measure: () => withSite(log),
  },
  {
    title: 'The API meanwhile',
    about: 'Answer times of `GET /api/session`, sent one after the other. The readers are processes of their own.',
    missing: needs,
    measure: () => withSite(others),
  },
]
const intro = [
  '# Console',
  'Written by `npm run bench:console`. A simulated rollout writes the events; the console, Chromium and this program share the computer.',
  [...describeMachine(tmpdir()), new Date().toISOString().slice(0, 10)].map((line) => `- ${line}`).join('\n'),
]
const complete = await measureSections(sections, {
  tell,
  keep: (texts) => writeFileSync(output, `${[...intro, ...texts].join('\n\n')}\n`),
})
process.stdout.write(readFileSync(output, 'utf8'))
// The exit status shows scripts that a section is missing from the report.
process.exitCode = complete ? 0 : 1
