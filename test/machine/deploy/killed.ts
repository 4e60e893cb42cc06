/** Runs that are killed, told to end, or meet each other. */
import type { Test } from 'tap'
import { get, Watch } from '../../support/deploy_pages.ts'
import { type DeploySite, type Event, eventsOf } from '../../support/deploy_site.ts'
import { until } from '../../support/waiting.ts'
import { client, fails, kept, pids, shows } from './steps.ts'

type Moment = (event: Event) => boolean

const applying =
  (name: RegExp): Moment =>
  (event) =>
    event.event === 'applying' && name.test(event.name ?? '')
const progress =
  (name: RegExp, line: RegExp): Moment =>
  (event) =>
    event.event === 'progress' && name.test(event.name ?? '') && line.test(event.line ?? '')
const done =
  (name: RegExp): Moment =>
  (event) =>
    event.event === 'resource' && name.test(event.name ?? '')

const moments: readonly (readonly [string, Moment])[] = [
  ['while it fetches', progress(/^git_release/, /^fetching/)],
  ['while it checks out', progress(/^git_release/, /^checking out/)],
  ['when the build begins', applying(/^buildout/)],
  ['while it builds', progress(/^buildout/, /^Installing client2/)],
  ['right after the build', done(/^buildout/)],
  ['as the release is complete', applying(/^release_complete/)],
  ['at the switch', applying(/^symlink .*current/)],
  ['right after the switch', done(/^symlink .*current/)],
  ['as the first client goes', progress(/^service_restart/, /^restarting plone_instances-client1/)],
  ['as the first client comes', progress(/^service_restart/, /^waiting for .*:8081/)],
  ['as the second client goes', progress(/^service_restart/, /^(?:re)?starting plone_instances-client2/)],
]

/** Kills a deploy, with its process group, at the moment. */
async function killAt(t: Test, site: DeploySite, name: string, moment: Moment, args = ['deploy']): Promise<void> {
  const run = site.start([...args, '--json-output'], args[0] === 'deploy' ? client : {})
  const event = await run.event(moment)
  run.signal('SIGKILL')
  const { signal, output } = await run.ended
  t.ok(event !== null && signal === 'SIGKILL', `killed ${name}`)
  if (event === null) t.comment(output.split('\n').slice(-5).join('\n'))
}

/** Whatever has answered, it was a whole release, and `current` is one. */
function whole(t: Test, site: DeploySite, answered: readonly string[]): void {
  for (const id of [site.live() ?? 'none', ...answered]) t.ok(site.isComplete(id), `${id} is complete`)
}

export async function firstRun(t: Test, site: DeploySite): Promise<void> {
  await killAt(t, site, 'while the environment is made', applying(/^virtualenv .*zeoserver/), [])
  await killAt(t, site, 'while the first eggs come', progress(/^buildout .*zeoserver/, /^(?:Got|Installing) /), [])
  t.equal(site.live('zeoserver'), null)
  await until(() => site.processes('bin/buildout').length === 0, 'the build ends with the run')
}

export async function everywhere(t: Test, site: DeploySite): Promise<void> {
  site.commit()
  const before = site.live() ?? ''
  for (const [name, moment] of moments) {
    const watch = new Watch()
    await killAt(t, site, name, moment)
    const { releases, blackouts } = await watch.stop()
    whole(t, site, releases)
    t.equal(blackouts, 0, 'one of them answers at all times')
    t.equal(await get(2, 'text'), kept.text)
  }
  t.not(site.live(), before)
  await site.done(t, ['deploy'], client)
  await shows(t, site, site.latest)
  t.strictSame(site.unfinished(), [], 'nothing is left of the killed runs')
  t.match((await site.done(t, [])).output, /^nothing to do/m)
}

export async function oneByOne(t: Test, site: DeploySite): Promise<void> {
  const chosen = /while it builds|right after the switch|first client comes|second client goes/
  for (const [name, moment] of moments.filter(([name]) => chosen.test(name))) {
    site.commit()
    const running = await pids(site)
    await killAt(t, site, name, moment)
    whole(t, site, [])
    await site.done(t, ['deploy'], client)
    const pages = await shows(t, site, site.latest)
    for (const [index, page] of pages.entries())
      t.not(page.pid, running[index], 'the restart that was due has happened')
  }
}

export async function twoAtOnce(t: Test, site: DeploySite): Promise<void> {
  site.commit()
  const first = site.start(['deploy', '--json-output'], client)
  t.ok(await first.event(applying(/^buildout/)))
  const refused = await site.converge(['deploy'], client)
  const holder = new RegExp(
    `process ${first.child.pid} \\(converge zeo-client deploy\\) of ${site.account.name}, since \\d{4}-`,
  )
  await fails(t, refused, /another run is under way/, holder, /--wait/)
  const waiting = await site.converge(['deploy', '--wait', '120'], client)
  t.equal(waiting.status, 0)
  t.match(waiting.output, /waiting for process \d+/)
  t.match(waiting.output, /^nothing to do/m)
  t.equal((await first.ended).status, 0)
  await shows(t, site, site.latest)
}

export async function terminated(t: Test, site: DeploySite): Promise<void> {
  site.commit()
  const [before, running] = [site.live(), await pids(site)]
  const run = site.start(['deploy', '--json-output'], client)
  t.ok(await run.event(applying(/^buildout/)))
  run.signal('SIGTERM')
  const { status, output } = await run.ended
  t.equal(status, 1)
  const events = eventsOf(output)
  t.equal(events.find(({ event }) => event === 'end')?.report?.outcome, 'interrupted')
  t.ok(events.some(done(/^buildout/)), 'what is under way is finished')
  t.equal(site.live(), before)
  t.strictSame(await pids(site), running)
  const next = await site.done(t, ['deploy', '--json-output'], client)
  t.notOk(eventsOf(next.output).some(applying(/^buildout/)), 'what was built is not built again')
  await shows(t, site, site.latest)
}
