/**
 * Tests data of hosts that migrate from OpsWorks: found below its mount point, and never replaced by an empty database.
 */
import t, { type Test } from 'tap'
import { attributeSchemas } from '../../attributes/index.ts'
import { neutralFacts } from '../../core/node/facts.ts'
import { objectLayer } from '../../core/node/layers.ts'
import { buildNode } from '../../core/node/node.ts'
import { failureOf } from '../support/contract.ts'
import { FakeHost } from '../support/fake_host.ts'
import { changed, nothingToDo, succeeded } from '../support/lifecycle.ts'

const link = '/srv/www/zeo/shared/var/filestorage'
const platform = '/mnt/shared/zodb/filestorage'
const former = '/shared/zodb/filestorage'
const setup = { opsworks_initial_setup: { ephemeral_mount_point: '/mnt' } }

function hostOf(role: string, more: object = setup, data: readonly string[] = []): FakeHost {
  const host = new FakeHost({ roles: [role] })
  const { plone_zeoserver, ...rest } = host.attributes
  host.attributes = { ...rest, plone_zeoserver, ...more } as FakeHost['attributes']
  for (const path of data) host.machine.given(path, 'data')
  return host
}

function named(host: FakeHost, key: string, value: object): object {
  return { ...setup, [key]: { ...(host.attributes[key] as object), ...value } }
}

async function refused(t: Test, host: FakeHost, paths: readonly string[]): Promise<string> {
  const plan = failureOf(await host.run(undefined, { mode: 'plan' }))
  const report = await host.run()
  const failure = failureOf(report) as { code: string; message: string; hint: string }
  t.match(plan, { code: 'DATA_ELSEWHERE' })
  t.match(failure, { code: 'DATA_ELSEWHERE' })
  for (const path of paths) t.ok(failure.message.includes(path), path)
  t.strictSame(changed(report), [], 'nothing is changed')
  return failure.hint
}

t.test('a database below the mount point of the platform is found', async (t) => {
  for (const mount of ['/mnt', '/mnt/']) {
    const host = hostOf('zeo-server', { opsworks_initial_setup: { ephemeral_mount_point: mount } }, [
      `${platform}/Data.fs`,
    ])
    succeeded(t, await host.run())
    t.equal(host.machine.readText(`${link}/Data.fs`), 'data')
    t.equal(host.machine.readLink(link), platform)
    t.equal(host.machine.lstat('/shared'), null)
    await nothingToDo(t, host)
  }
})

t.test('the mount point sets defaults: none of them is reported as an attribute without effect', async (t) => {
  const layers = [objectLayer(setup, 'site.json', 'stack')]
  const node = buildNode({ layers, facts: neutralFacts, schemas: attributeSchemas })
  t.strictSame(node.warnings, [])
  t.match(node.attributes, { redis: { config: { dir: '/mnt/redis' } }, plone_solr: { data_dir: '/mnt/shared/solr' } })
})

t.test('without a mount point the default is as before', async (t) => {
  for (const mount of [undefined, null, '/']) {
    const host = hostOf(
      'zeo-server',
      mount === undefined ? {} : { opsworks_initial_setup: { ephemeral_mount_point: mount } },
    )
    succeeded(t, await host.run())
    t.equal(host.machine.readLink(link), former)
    await nothingToDo(t, host)
  }
})

t.test('one at each place is refused, until the attribute names one of them', async (t) => {
  const host = hostOf('zeo-server', setup, [`${platform}/Data.fs`, `${former}/Data.fs`])
  t.match(await refused(t, host, [platform, former]), 'plone_zeoserver.filestorage_dir')
  for (const filestorage_dir of [platform, former]) {
    const again = hostOf('zeo-server', setup, [`${platform}/Data.fs`, `${former}/Data.fs`])
    again.attributes = { ...again.attributes, ...named(again, 'plone_zeoserver', { filestorage_dir }) }
    succeeded(t, await again.run())
    t.equal(again.machine.readLink(link), filestorage_dir)
    await nothingToDo(t, again)
  }
})

t.test('one at the other place alone is refused', async (t) => {
  t.match(await refused(t, hostOf('zeo-server', setup, [`${former}/Data.fs`]), [platform, former]), `mv ${former}`)
  await refused(t, hostOf('zeo-server', {}, [`${platform}/Data.fs`]), [platform, former])
  const red = '/media/ephemeral0/shared/zodb/filestorage'
  await refused(t, hostOf('zeo-server', {}, [`${red}/Data.fs`]), [red, former])
})

t.test('a host that an earlier version has converged keeps its database, and says so', async (t) => {
  const host = hostOf('zeo-server', {})
  succeeded(t, await host.run())
  host.machine.given(`${former}/Data.fs`, 'data')
  await nothingToDo(t, host)
  host.attributes = { ...host.attributes, ...setup }
  await nothingToDo(t, host)
  t.equal(host.machine.readLink(link), former)
  host.machine.given(`${platform}/Data.fs`, 'the real one')
  await refused(t, host, [platform, former])
})

t.test('the same place by two names is one', async (t) => {
  const host = hostOf('zeo-server', setup, [`${platform}/Data.fs`])
  host.machine.given('/shared', { link: '/mnt/shared' })
  succeeded(t, await host.run())
  await nothingToDo(t, host)
})

const index = (path: string) => `${path}/data/index/segments_1`
const solrVar = '/srv/www/solr/shared/var'

t.test('an index of Solr is found', async (t) => {
  for (const [more, path] of [
    [{}, '/shared/solr'],
    [setup, '/mnt/shared/solr'],
    [{ plone_solr: { data_dir: '/data/solr' } }, '/data/solr'],
  ] as const) {
    const host = hostOf('solr', more, [index(path)])
    succeeded(t, await host.run())
    t.equal(host.machine.readText(index(solrVar)), 'data')
    t.equal(host.machine.readLink(solrVar), path)
    await nothingToDo(t, host)
  }
})

t.test('Solr gets Java where there is none, and its logs are rotated', async (t) => {
  const status = (host: FakeHost) => host.machine.readText('/var/lib/dpkg/status') ?? ''
  const host = hostOf('solr', {})
  succeeded(t, await host.run())
  t.match(status(host), 'Package: default-jre-headless')
  t.match(host.machine.readText('/etc/logrotate.d/converge-solr'), '\n/srv/www/solr/shared/var/solr/log/*.log\n')
  await nothingToDo(t, host)
  const own = hostOf('solr', {})
  own.machine.given('/usr/bin/java', '', '0755')
  succeeded(t, await own.run())
  t.notMatch(status(own), 'default-jre-headless')
})

t.test('an index that lies elsewhere is refused, or stays where an earlier version has put it', async (t) => {
  await refused(t, hostOf('solr', setup, [index('/shared/solr')]), ['/shared/solr', '/mnt/shared/solr'])
  await refused(t, hostOf('solr', setup, [index(solrVar), index('/mnt/shared/solr')]), [solrVar, '/mnt/shared/solr'])
  const host = hostOf('solr', setup, [index(solrVar)])
  succeeded(t, await host.run())
  t.equal(host.machine.lstat(solrVar)?.kind, 'directory')
  await nothingToDo(t, host)
  const empty = hostOf('solr', setup, [index('/mnt/shared/solr')])
  empty.machine.given(`${solrVar}/log`, null)
  succeeded(t, await empty.run())
  t.equal(empty.machine.readText(index(solrVar)), 'data')
})
