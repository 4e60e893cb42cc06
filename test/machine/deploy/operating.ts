/** Jobs, services, and the end of a site. */
import { existsSync, readdirSync } from 'node:fs'
import type { Test } from 'tap'
import { Watch } from '../../support/deploy_pages.ts'
import type { DeploySite } from '../../support/deploy_site.ts'
import { needs } from '../../support/machine.ts'
import { isTaken, until } from '../../support/waiting.ts'
import { client, pids, shows } from './steps.ts'

/** What somebody else has in the table of jobs. */
const mine = '5 4 * * * true\n'
const all = ['zeoserver', 'plone_instances-client1', 'plone_instances-client2']

export async function jobs(t: Test, site: DeploySite): Promise<void> {
  const current = `${site.directory('zeoserver')}/current`
  site.as(`${current}/bin/zeopack`)
  site.as(`${current}/bin/backup`)
  const backups = readdirSync(`${site.directory('zeoserver')}/shared/var/backups`)
  t.ok(
    backups.some((name) => name.endsWith('.fsz')),
    'a full backup was made',
  )
  if (!needs(t, ['crontab'])) return
  const table = site.crontab()
  t.match(table, new RegExp(`^0 1 \\* \\* 7 ${current}/bin/zeopack >> .*/shared/var/log/pack.log`, 'm'))
  site.setCrontab(`${table}${mine}`)
  t.match(table, new RegExp(`^0 21 \\* \\* \\* ${current}/bin/backup >> `, 'm'))
}

export async function services(t: Test, site: DeploySite): Promise<void> {
  const running = await pids(site)
  t.match((await site.done(t, ['doctor'])).output, /has what its roles need/)
  await site.done(t, ['stop'])
  t.strictSame(await site.status(), { status: 1, up: [] })
  t.notOk([8001, 8081, 8082].some(isTaken), 'all is down')
  t.match((await site.done(t, ['stop'])).output, /^nothing to do/m)
  await site.done(t, ['start'])
  t.strictSame(await site.status(), { status: 0, up: all })
  await shows(t, site, site.latest)
  const watch = new Watch()
  await site.done(t, ['restart'], client)
  t.equal((await watch.stop()).blackouts, 0, 'one client after the other')
  for (const [index, page] of (await shows(t, site, site.latest)).entries()) t.not(page.pid, running[index])
  await site.done(t, ['shutdown'])
  t.notOk([8001, 8081, 8082].some(isTaken))
  t.notMatch((await site.done(t, [])).output, /^nothing to do/m, 'the whole way starts what is down')
  await shows(t, site, site.latest)
}

export async function undeploy(t: Test, site: DeploySite): Promise<void> {
  await site.done(t, ['undeploy'])
  t.notOk([8001, 8081, 8082].some(isTaken))
  t.strictSame(readdirSync(`${site.prefix}/etc/supervisor/conf.d`), [])
  t.strictSame(readdirSync(site.directory()), ['shared'])
  t.match((await site.done(t, ['undeploy'])).output, /^nothing to do/m)
  await site.done(t, [])
  await shows(t, site, site.latest)
}

export async function purge(t: Test, site: DeploySite): Promise<void> {
  await site.done(t, ['undeploy', '--purge'])
  site.hasData = false
  t.strictSame(readdirSync(`${site.prefix}/srv/www`), [])
  t.ok(existsSync(`${site.prefix}/shared/zodb/filestorage/Data.fs`), 'a database that is elsewhere is left alone')
  t.strictSame(readdirSync(`${site.prefix}/etc/supervisor/conf.d`), [])
  if (needs(t, ['crontab'])) {
    t.notMatch(site.crontab(), /converge/)
    t.ok(site.crontab().endsWith(mine), 'the jobs of others stay')
  }
  site.as(
    `${site.prefix}/opt/supervisor/bin/supervisorctl`,
    '-c',
    `${site.prefix}/etc/supervisor/supervisord.conf`,
    'shutdown',
  )
  await until(() => site.processes().length === 0, 'nothing of the site runs any more')
}
