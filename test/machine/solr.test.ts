/** Tests Solr of a site that migrates from OpsWorks: converge uses the index in place, and it answers a search. */
import * as fs from 'node:fs'
import t, { type Test } from 'tap'
import { DeploySite } from '../support/deploy_site.ts'
import { freePort, needs, scratch } from '../support/machine.ts'
import { Solr, solrArchive, solrBuildout } from './support/solr.ts'

t.setTimeout(600_000)
const roles = ['solr'] as const
const platform = { opsworks_initial_setup: { ephemeral_mount_point: '/mnt' } }

/** Removes everything of converge and the app except the data, as on a new host with the disk of the old one. */
async function forgetAll(t: Test, site: DeploySite): Promise<void> {
  await site.done(t, ['stop'], { roles })
  await site.done(t, ['undeploy', '--purge'], { roles })
  fs.rmSync(site.state, { recursive: true, force: true })
  fs.rmSync(site.directory('solr'), { recursive: true, force: true })
}

t.test('an index below the mount point of the platform', async (t) => {
  if (!needs(t, ['git', 'java', 'mvn', 'python3 venv', 'pip registry'])) return
  const site = await DeploySite.make(t)
  const port = await freePort()
  const solr = new Solr(port)
  const archive = solrArchive(scratch(t))
  site.commit({ 'cfg/base.cfg': solrBuildout(archive, port) })
  const [mount, usual] = [`${site.prefix}/mnt/shared/solr`, `${site.prefix}/shared/solr`]

  await site.done(t, [], { roles, json: { plone_solr: { data_dir: '/mnt/shared/solr' } } })
  await solr.add('1', 'An index of the platform')
  t.strictSame(await solr.search('platform'), ['An index of the platform'])
  t.ok(fs.readdirSync(`${mount}/solr/data/index`).length > 0, 'the index is in the directory of the attribute')
  await forgetAll(t, site)
  await t.rejects(solr.search('platform'), 'Solr has ended')

  await t.test('the first run finds it', async (t) => {
    await site.done(t, [], { roles, json: platform })
    t.strictSame(await solr.search('platform'), ['An index of the platform'])
    t.equal(fs.realpathSync(`${site.directory('solr')}/current/var`), mount)
    t.notOk(fs.existsSync(usual))
    t.equal(fs.realpathSync(`${site.directory('solr')}/shared/log`), `${mount}/solr/log`)
    const { output } = await site.done(t, [], { roles, json: platform })
    t.match(output, /nothing to do|0 changed|up to date/i)
  })

  await t.test('keeps it for another release, and after a rollback', async (t) => {
    site.commit()
    await site.done(t, ['deploy'], { roles, json: platform })
    await solr.add('2', 'Written by the second release')
    await site.done(t, ['rollback'], { roles, json: platform })
    t.strictSame(await solr.search('second'), ['Written by the second release'])
    t.strictSame(await solr.search('platform'), ['An index of the platform'])
  })

  await t.test('refuses an index at each place, and names both', async (t) => {
    await forgetAll(t, site)
    site.as('mkdir', '-p', usual)
    site.as('cp', '-a', `${mount}/.`, usual)
    const { status, output } = await site.converge([], { roles, json: platform })
    t.equal(status, 1, output)
    t.match(output, /plone_solr\.data_dir/)
    for (const path of [mount, usual]) t.ok(output.includes(path), path)
    t.notOk(fs.existsSync(`${site.directory('solr')}/current`), 'nothing is deployed')
    await site.done(t, [], { roles, json: { ...platform, plone_solr: { data_dir: '/shared/solr' } } })
    t.strictSame(await solr.search('platform'), ['An index of the platform'], 'Solr uses the index in data_dir')
  })
})
