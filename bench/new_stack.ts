/** Runs `npm run bench:new-stack`: repeatedly sets up a new stack of one ZEO server and three client hosts. */
import { FleetSite } from '../test/machine/support/fleet_site.ts'
import { withCleanUp } from './clearing.ts'

const clients = ['plone1', 'plone2', 'plone3']
const tell = (text: string) => process.stdout.write(`${text}\n`)

/** Returns a page of a client; empty if it does not answer with 200. */
async function page(site: FleetSite, client: string, path: string): Promise<string> {
  const { stdout } = await site.host(client).run(`curl -sf -u admin:admin 'http://localhost:8081/${path}'`)
  return stdout.trim()
}

/** @returns the problem of the site; null for none */
async function problemOf(site: FleetSite): Promise<string | null> {
  if ((await page(site, 'plone1', '@@put?key=a&value=kept&blob=1')) !== 'ok') return 'plone1 stores nothing'
  for (const client of clients) {
    const value = await page(site, client, '@@get?key=a')
    if (value !== 'kept') return `${client} reads "${value}" from the database`
  }
  return null
}

/** Sets up new hosts with a new database. @returns seconds */
async function setUp(): Promise<number> {
  return withCleanUp(async (owner) => {
    const site = await FleetSite.make(owner)
    await site.addHosts('zeo', ...clients)
    await site.shareEggs(async () => {
      throw new Error('the eggs are missing: build them with `npx tap test/machine/fleet_site.test.ts`')
    }, 'plone1')
    const began = performance.now()
    const { status, stdout, stderr } = await site.operator.run(['setup'])
    const seconds = (performance.now() - began) / 1000
    if (status !== 0) throw new Error(`converge stack setup ended with status ${status}\n${stdout}${stderr}`)
    const problem = await problemOf(site)
    if (problem !== null) throw new Error(problem)
    return seconds
  })
}

const count = Number(process.argv[2] ?? 20)
if (!Number.isInteger(count) || count < 1) throw new Error('npm run bench:new-stack -- [COUNT]: default 20')
const times: number[] = []
for (let at = 1; at <= count; at++)
  try {
    const seconds = await setUp()
    times.push(seconds)
    tell(`${at} of ${count}: set up in ${seconds.toFixed(1)} s`)
  } catch (error) {
    tell(`${at} of ${count}: failed: ${error instanceof Error ? error.message : String(error)}`)
  }
const range = times.length === 0 ? '' : `, ${Math.min(...times).toFixed(1)} to ${Math.max(...times).toFixed(1)} s each`
tell(`${times.length} of ${count} succeeded${range}`)
process.exitCode = times.length === count ? 0 : 1
