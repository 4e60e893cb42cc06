/**
 * Tests data of hosts that migrate from OpsWorks: found below its mount point, and never replaced by an empty database.
 */
import t, { type Test } from 'tap'
import { attributeSchemas } from '../../attributes/index.ts'
import { neutralFacts } from '../../core/node/facts.ts'
import { buildNode } from '../../core/node/node.ts'
import { objectLayer } from '../../core/node/parse_layer.ts'
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

t.test('finds a database below the mount point of the platform', async (t) => {
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

t.test('the mount point sets defaults, and none of them is reported as without effect', async (t) => {
  const layers = [objectLayer(setup, 'site.json', 'stack')]
  const node = buildNode({ layers, facts: neutralFacts, schemas: attributeSchemas })
  t.strictSame(node.warnings, [])
  t.match(node.attributes, { redis: { config: { dir: '/mnt/redis' } }, plone_solr: { data_dir: '/mnt/shared/solr' } })
})

t.test('keeps the former default without a mount point', async (t) => {
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

t.test('refuses two databases until the attribute names one of them', async (t) => {
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

t.test('refuses a database that is only at the other place', async (t) => {
  t.match(await refused(t, hostOf('zeo-server', setup, [`${former}/Data.fs`]), [platform, former]), `mv ${former}`)
  await refused(t, hostOf('zeo-server', {}, [`${platform}/Data.fs`]), [platform, former])
  const red = '/media/ephemeral0/shared/zodb/filestorage'
  await refused(t, hostOf('zeo-server', {}, [`${red}/Data.fs`]), [red, former])
})

t.test('a host of an earlier version keeps its database, and the run reports it', async (t) => {
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

t.test('two names of one place count as one', async (t) => {
  const host = hostOf('zeo-server', setup, [`${platform}/Data.fs`])
  host.machine.given('/shared', { link: '/mnt/shared' })
  succeeded(t, await host.run())
  await nothingToDo(t, host)
})

const index = (path: string) => `${path}/data/index/segments_1`
const solrVar = '/srv/www/solr/shared/var'

t.test('finds an index of Solr', async (t) => {
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

t.test('installs Java for Solr if it is missing, and rotates the logs', async (t) => {
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

t.test('refuses an index at another place, or keeps it where an earlier version created it', async (t) => {
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

const appsOf = (host: FakeHost) => Object.values(host.attributes.deploy as object)

t.test('the app of Solr deploys and runs as its account', async (t) => {
  const host = hostOf('solr', {})
  host.attributes = { ...host.attributes, deploy: { solr: appsOf(host)[0] } }
  for (const commit of ['first', 'second']) {
    host.remote.push({ VERSION: `${commit}\n` })
    succeeded(t, await host.run(commit === 'first' ? undefined : ['deploy']))
    t.equal(host.machine.readText('/srv/www/solr/current/VERSION'), `${commit}\n`)
    t.equal(host.machine.readLink(solrVar), '/shared/solr')
    await nothingToDo(t, host)
  }
  succeeded(t, await host.run(['rollback']))
})

t.test('a listed directory that is a link to data stays one', async (t) => {
  for (const role of ['zeo-server', 'zeo-client', 'solr']) {
    const clients = { shared_blobs: true, app_name: 'site' }
    const host = hostOf(role, {
      plone_blobs: { blob_dir: '/data/blobs' },
      plone_instances: clients,
      tmpdir: { global_tmp: true },
    })
    const names = ['var', 'var/filestorage', 'var/blobstorage', 'var/tmp']
    const app = { ...(appsOf(host)[0] as object), create_dirs_before_symlink: names }
    host.attributes = { ...host.attributes, deploy: { site: app, zeo: app, solr: app } }
    for (const events of [undefined, ['deploy']]) {
      host.remote.push({ VERSION: 'next\n' })
      succeeded(t, await host.run(events))
      await nothingToDo(t, host)
    }
  }
})
