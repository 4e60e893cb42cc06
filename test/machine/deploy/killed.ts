/** Tests runs that are killed, terminated by a signal, or started at the same time. */
import type { Test } from 'tap'
import { get, Watch } from '../../support/deploy_pages.ts'
import { type DeploySite, eventsOf } from '../../support/deploy_site.ts'
import { until } from '../../support/wait_until.ts'
import { checkFailure, checkPages, client, pids, storedValues } from './steps.ts'

const applying = (name: string) => new RegExp(`^{"event":"applying","name":"${name}`)
const progress = (name: string, line: string) =>
  new RegExp(`^{"event":"progress","name":"${name}[^"]*","line":"${line}`)
const done = (name: string) => new RegExp(`^{"event":"resource","name":"${name}`)

const moments: readonly (readonly [string, RegExp])[] = [
  ['as it fetches', progress('git_release', 'fetching')],
  ['as it checks out', progress('git_release', 'checking out')],
  ['right after the checkout', done('git_release')],
  ['as the build begins', applying('buildout')],
  ['in the middle of the build', progress('buildout', 'Installing client2')],
  ['right after the build', done('buildout')],
  ['as the release becomes complete', applying('release_complete')],
  ['right before the switch', applying('symlink .*current')],
  ['right after the switch', done('symlink .*current')],
  ['while the first client restarts', progress('service_restart', 'restarting plone_instances-client1')],
  ['as the first client starts', progress('service_restart', 'waiting for http://127.0.0.1:8081')],
  ['while the second client restarts', progress('service_restart', 'restarting plone_instances-client2')],
  ['as the second client starts', progress('service_restart', 'waiting for http://127.0.0.1:8082')],
]

/** Kills a deploy and its process group after the given line. */
async function killAt(t: Test, site: DeploySite, name: string, after: RegExp, args = ['deploy']): Promise<void> {
  const roles = args[0] === 'deploy' ? client : {}
  const killed = await site.converge([...args, '--json-output'], { ...roles, signal: { name: 'SIGKILL', after } })
  t.equal(killed.signal, 'SIGKILL', `killed ${name}`)
  if (killed.signal !== 'SIGKILL') t.comment(killed.output.split('\n').slice(-3).join('\n'))
}

/** Checks that all answers came from complete releases, and that `current` is one of them. */
function whole(t: Test, site: DeploySite, answered: readonly string[]): void {
  for (const id of [site.currentPath() ?? 'none', ...answered]) t.ok(site.isComplete(id), `${id} is complete`)
}

export async function firstRun(t: Test, site: DeploySite): Promise<void> {
  await killAt(t, site, 'as the environment is made', applying('virtualenv .*zeoserver'), [])
  await killAt(t, site, 'as the first eggs come', progress('buildout .*zeoserver', '(?:Got|Installing) '), [])
  t.equal(site.currentPath('zeoserver'), null)
  await until(() => site.processes('bin/buildout').length === 0, 'the build ends with the run')
}

export async function everywhere(t: Test, site: DeploySite): Promise<void> {
  site.commit()
  const before = site.currentPath() ?? ''
  for (const [name, moment] of moments) {
    const watch = new Watch()
    await killAt(t, site, name, moment)
    const { releases, roundsWithoutAnswer: blackouts } = await watch.stop()
    whole(t, site, releases)
    t.equal(blackouts, 0, 'one of them answers at all times')
    // The client that stopped last may still be starting; the other one is up.
    t.equal((await get(2, 'text')) ?? (await get(1, 'text')), storedValues.text)
  }
  t.not(site.currentPath(), before)
  await site.done(t, ['deploy'], client)
  await checkPages(t, site, site.latest)
  t.strictSame(site.unfinished(), [], 'no file of the killed runs remains')
  t.match((await site.done(t, ['deploy'], client)).output, /^nothing to do/m)
}

export async function oneByOne(t: Test, site: DeploySite): Promise<void> {
  const chosen = /middle of the build|right after the switch|first client comes|second client goes/
  for (const [name, moment] of moments.filter(([name]) => chosen.test(name))) {
    site.commit()
    const running = await pids(site)
    await killAt(t, site, name, moment)
    whole(t, site, [])
    await site.done(t, ['deploy'], client)
    const pages = await checkPages(t, site, site.latest)
    for (const [index, page] of pages.entries())
      t.not(page.pid, running[index], 'the restart that was due has happened')
  }
}

export async function twoAtOnce(t: Test, site: DeploySite): Promise<void> {
  site.commit()
  const building = applying('buildout')
  const first = site.start(['deploy', '--json-output'], { ...client, signal: { name: 'SIGSTOP', after: building } })
  await first.written(new RegExp(building.source, 'm'))
  const refused = await site.converge(['deploy'], client)
  const holder = `process ${first.child.pid} \\(converge zeo-client deploy\\) of ${site.account.name}, since \\d{4}-`
  await checkFailure(t, refused, /another run is under way/, new RegExp(holder), /--wait/)
  const second = site.start(['deploy', '--wait', '300'], client)
  await second.written(/waiting for process \d+/)
  first.signal('SIGCONT')
  t.equal((await first.ended).status, 0)
  const waited = await second.ended
  t.equal(waited.status, 0)
  t.match(waited.output, /^nothing to do/m)
  await checkPages(t, site, site.latest)
}

export async function terminated(t: Test, site: DeploySite): Promise<void> {
  site.commit()
  const [before, running] = [site.currentPath(), await pids(site)]
  const signal = { name: 'SIGTERM', after: progress('buildout', 'Installing client1') } as const
  const { status, output } = await site.converge(['deploy', '--json-output'], { ...client, signal })
  t.equal(status, 1)
  const events = eventsOf(output)
  t.equal(events.find(({ event }) => event === 'end')?.report?.outcome, 'interrupted')
  const last = events.findLast(({ event }) => event === 'resource')
  t.match(last, { name: /^buildout/, outcome: 'changed' }, 'the current step completes, and no other begins')
  t.equal(site.currentPath(), before)
  t.strictSame(await pids(site), running)
  const next = await site.done(t, ['deploy', '--json-output'], client)
  t.notMatch(next.output, new RegExp(applying('buildout').source, 'm'), 'the completed build is not repeated')
  await checkPages(t, site, site.latest)
}
