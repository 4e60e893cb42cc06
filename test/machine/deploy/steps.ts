/** Provides the checks that several steps of the deploy test share. */
import type { Test } from 'tap'
import { get, type Page } from '../../support/deploy_pages.ts'
import { type DeploySite, type Ended, eventsOf } from '../../support/deploy_site.ts'

export const client = { roles: ['zeo-client'] } as const

/** Values written once, which must survive every step. */
export const storedValues = { text: 'written through client1', blob: 'a blob of client1' }

/** Checks the site between two steps, once it has data. */
export async function checkData(t: Test, site: DeploySite): Promise<void> {
  if (!site.hasData) return
  for (const n of [1, 2])
    for (const [key, value] of Object.entries(storedValues))
      t.equal(await get(n, key), value, `client${n} still has the ${key}`)
  for (const page of await site.pages()) t.equal(page?.release, site.currentPath(), 'the current release answers')
}

/** Checks that both clients show the version and the current release. */
export async function checkPages(t: Test, site: DeploySite, version: string, clients = 2): Promise<Page[]> {
  const pages = await site.pages(clients)
  const expected = pages.map((_, index) => ({ release: site.currentPath(), version, client: `client${index + 1}` }))
  t.match(pages, expected, `the pages show version ${version}`)
  return pages.filter((page) => page !== null)
}

/** Returns the pids of the running clients. */
export async function pids(site: DeploySite, clients = 2): Promise<(number | undefined)[]> {
  return (await site.pages(clients)).map((page) => page?.pid)
}

/** Checks that a run has failed, and that its output matches. */
export async function checkFailure(t: Test, ended: Ended, ...message: readonly RegExp[]): Promise<void> {
  t.equal(ended.status, 1, 'exit status 1')
  for (const say of message) t.match(ended.output, say)
  if (!t.passing()) t.comment(ended.output)
}

/** Matches checks that change nothing if they pass; before the build, a plan cannot tell. */
const checks = /^(blob_directories|zeo_address) /

/** Returns the names of the resources that a run with --json-output has changed or would change. */
export function changedResources({ output }: Ended): string[] {
  const report = eventsOf(output).find(({ event }) => event === 'end')?.report
  const outcomes = ['changed', 'planned', 'unknown']
  const found = (report?.resources ?? []).filter(({ outcome }) => outcomes.includes(outcome))
  return found.flatMap(({ name, outcome }) => (outcome === 'unknown' && checks.test(name) ? [] : [name]))
}
