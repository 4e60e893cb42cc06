/** Tests several apps and roles on one host, undeploy, start and stop, and other attributes. */
import t from 'tap'
import { packed } from '../support/commands.ts'
import { failureOf } from '../support/contract.ts'
import { deployed, FakeHost, set } from '../support/fake_host.ts'
import { siteAttributes, siteRemote } from '../support/fake_stack.ts'
import type { NodeJson } from '../support/golden.ts'
import { changed, nothingToDo, servedBy, settled, succeeded } from '../support/lifecycle.ts'

const both = ['zeo-server', 'zeo-client']
const states = (host: FakeHost) =>
  Object.fromEntries(Object.entries(host.processes()).map(([name, { state }]) => [name, state]))
/** Returns the services that a run changed, in order. */
const services = async (host: FakeHost, event: string) =>
  changed(await host.run([event])).flatMap((name) =>
    /^service(_restart)? /.test(name) ? [name.replace(/^\S+ /, '')] : [],
  )

/** Makes a host whose clients are the app `site`, and whose server is the app `site-two`. */
async function namesakes(): Promise<FakeHost> {
  const remote = siteRemote()
  const base = siteAttributes(remote.url) as { deploy: Record<string, NodeJson> }
  const { zeo, ...deploy } = base.deploy
  const attributes = { ...base, plone_zeoserver: { app_name: 'site-two' }, deploy: { ...deploy, 'site-two': zeo } }
  const host = new FakeHost({ roles: both, attributes }, remote)
  await host.run()
  return host
}

t.test('undeploy removes one app, and leaves what others have', async (t) => {
  const host = await namesakes()
  servedBySite(t, host)
  settled(t, host, { app: 'site-two', programs: ['zeoserver'] })
  host.machine.given('/srv/www/site/shared/var/data', 'precious')
  const report = await host.run(['undeploy'], { roles: ['zeo-client'] })
  succeeded(t, report)
  t.strictSame(states(host), { 'site-two-zeoserver': 'RUNNING' })
  t.strictSame(host.machine.list('/etc/supervisor/conf.d'), ['site-two-zeoserver.conf'])
  t.equal(host.machine.readText('/srv/www/site/shared/var/data'), 'precious')
  t.strictSame(host.machine.list('/srv/www/site'), ['shared'])
  t.equal(host.machine.lstat('/etc/logrotate.d/converge-site'), null)
  settled(t, host, { app: 'site-two', programs: ['zeoserver'] })
  await host.run(['undeploy'], { roles: ['zeo-client'] })
  t.equal(host.events, 0, 'once more there is nothing to do')
  await host.run(['configure'], { roles: ['zeo-client'] })
  t.equal(host.events, 0, 'and configure does not deploy it again')
  succeeded(t, await host.run())
  servedBySite(t, host)
  t.equal(host.machine.readText('/srv/www/site/shared/var/data'), 'precious')
})

/** Checks `servedBy` for an app whose name is the beginning of another one's. */
function servedBySite(t: Parameters<typeof servedBy>[0], host: FakeHost): void {
  const own = Object.entries(host.processes()).filter(([name]) => /^site-client\d$/.test(name))
  t.strictSame(
    own.map(([, { state, startedIn }]) => [state, startedIn]),
    [1, 2].map(() => ['RUNNING', host.currentRelease()?.path]),
  )
}

t.test('undeploy removes the app with the longer name, with all its data', async (t) => {
  const host = await namesakes()
  const report = await host.run(['undeploy'], { roles: ['zeo-server'], purge: true })
  succeeded(t, report)
  servedBy(t, host)
  t.equal(host.machine.lstat('/srv/www/site-two'), null)
  t.equal(host.machine.lstat('/etc/cron.d/converge-site-two-pack'), null)
  t.ok(host.machine.lstat('/shared/zodb/filestorage'), 'the database is elsewhere, and not the app’s to remove')
  await host.run(['undeploy'], { roles: ['zeo-server'], purge: true })
  t.equal(host.events, 0)
})

t.test('removes programs of an app that the JSON no longer contains', async (t) => {
  const host = await namesakes()
  const { 'site-two': _, ...deploy } = (host.attributes.deploy ?? {}) as NodeJson
  host.attributes = { ...host.attributes, deploy }
  host.remote.push({ VERSION: '2\n' })
  succeeded(t, await host.run(undefined, { roles: ['zeo-client'] }))
  t.equal(states(host)['site-two-zeoserver'], 'RUNNING', 'they are left alone')
  succeeded(t, await host.run(['undeploy'], { roles: ['zeo-client'] }))
  t.strictSame(states(host), { 'site-two-zeoserver': 'RUNNING' })
})

t.test('keeps the programs of an operator', async (t) => {
  const host = await deployed()
  host.machine.given('/etc/supervisor/conf.d/site-own.conf', '[program:site-own]\ncommand=/bin/own\n')
  set(host, { instance_count: 1 })
  succeeded(t, await host.run())
  t.strictSame(host.machine.list('/etc/supervisor/conf.d'), ['site-client1.conf', 'site-own.conf'])
  succeeded(t, await host.run(['undeploy']))
  t.strictSame(host.machine.list('/etc/supervisor/conf.d'), ['site-own.conf'])
})

t.test('start, stop, restart and shutdown keep their order', async (t) => {
  const host = new FakeHost({ roles: both })
  succeeded(t, await host.run())
  const before = host.processes()
  const all = ['zeo-zeoserver', 'site-client1', 'site-client2']
  t.strictSame(await services(host, 'start'), [], 'they run')
  t.strictSame(await services(host, 'stop'), [...all].reverse(), 'who needs the server stops before it')
  t.ok(Object.values(states(host)).every((state) => state === 'STOPPED'))
  t.strictSame(await services(host, 'stop'), [])
  t.strictSame(await services(host, 'shutdown'), [])
  t.strictSame(await services(host, 'start'), all)
  t.ok(Object.values(states(host)).every((state) => state === 'RUNNING'))
  t.strictSame(await services(host, 'restart'), ['zeo-zeoserver', 'site-client1 site-client2'])
  for (const [name, { pid }] of Object.entries(host.processes()))
    t.not(pid, before[name]?.pid, `${name} is another process`)
  await nothingToDo(t, host)
  t.strictSame(await services(host, 'shutdown'), [...all].reverse())
})

t.test('start, restart and stop succeed without a release', async (t) => {
  const host = new FakeHost()
  succeeded(t, await host.run(['setup']))
  for (const event of ['start', 'restart', 'stop', 'shutdown']) {
    succeeded(t, await host.run([event]))
    t.equal(host.events, 0, event)
  }
})

t.test('reports a host without the app', async (t) => {
  const host = new FakeHost()
  host.attributes = { plone_instances: { app_name: 'site' }, deploy: { site: {} } }
  const report = await host.run()
  succeeded(t, report)
  t.match(report.warnings, [/deploy\.site\.scm\.repository is not set/])
  t.equal(host.currentRelease(), undefined)
  await nothingToDo(t, host)
  const served = await deployed()
  set(served, {}, { scm: {} })
  const generic = await served.run(['deploy'])
  t.match(generic.warnings, [/is not set/])
  t.equal(served.events, 0)
  servedBy(t, served)
})

t.test('refuses two roles that deploy to one directory', async (t) => {
  const host = new FakeHost({ roles: both })
  host.attributes = { ...host.attributes, plone_zeoserver: { app_name: 'site' } }
  await t.rejects(host.run(), { code: 'SAME_APP', message: /\/srv\/www\/site/ })
  t.equal(host.machine.changes.length, 0)
})

t.test('roles that only enable a part deploy with the clients', async (t) => {
  const host = await deployed(
    { enable_celery: true, broker: { host: '10.0.0.5' } },
    {},
    { roles: ['zeo-client', 'celerybeat'] },
  )
  servedBy(t, host, 2, { programs: ['client1', 'client2', 'celery', 'celerybeat'] })
  await nothingToDo(t, host)
})

t.test('creates links and directories from attributes', async (t) => {
  const host = await deployed(
    {},
    {
      symlink_before_migrate: { media: 'htdocs/media', 'var/blobs': 'blobs' },
      purge_before_symlink: ['docs', 'var'],
      create_dirs_before_symlink: ['spool/in'],
    },
  )
  host.remote.push({ VERSION: '2\n', 'docs/x': '' })
  set(host, {}, { symlink_before_migrate: { media: 'htdocs/media', late: 'late' }, purge_before_symlink: ['docs'] })
  succeeded(t, await host.run(['deploy']))
  const { path = '' } = host.currentRelease() ?? {}
  const { machine } = host
  t.equal(machine.readLink(`${path}/htdocs/media`), '/srv/www/site/shared/media')
  t.equal(machine.readLink(`${path}/late`), '/srv/www/site/shared/late')
  t.equal(machine.stat('/srv/www/site/shared/late')?.kind, 'directory', 'made by the deploy that needs it')
  t.equal(machine.stat('/srv/www/site/shared/spool/in')?.kind, 'directory')
  t.equal(machine.lstat(`${path}/docs`), null)
  t.equal(machine.lstat(`${path}/blobs`), null)
  t.equal(machine.lstat(`${path}/parts`)?.kind, 'directory', 'parts belong to the release')
  servedBy(t, host)
})

t.test('unpacks archives of eggs', async (t) => {
  const url = 'https://eggs.example.com/eggs.tar.gz'
  const host = new FakeHost({ downloads: { [url]: packed({ 'v5/cp311/old-1.0.egg/x.py': 'x' }) } })
  set(host, {}, { buildout_cache_archives: [{ url, path: 'shared/eggs' }] })
  succeeded(t, await host.run())
  servedBy(t, host)
  t.equal(host.machine.readText('/srv/www/site/current/eggs/v5/cp311/old-1.0.egg/x.py'), 'x')
  t.match(host.machine.stat('/srv/www/site/shared/eggs/v5'), { mode: '0755', uid: host.machine.account('deploy')?.uid })
  await nothingToDo(t, host)
})

t.test('uses the directories of database, blobs and temporary files', async (t) => {
  for (const user of ['root', 'jane'] as const)
    await t.test(user, async (t) => {
      const host = new FakeHost({ roles: both, user })
      host.attributes = {
        ...host.attributes,
        plone_zeoserver: { app_name: 'zeo', filestorage_dir: '/data/zodb' },
        plone_blobs: { blob_dir: '/data/blobs' },
        tmpdir: { global_tmp: true },
      }
      succeeded(t, await host.run())
      servedBy(t, host)
      const { machine, root } = host
      const link = (path: string) => machine.readLink(`${root}/srv/www/${path}`)
      t.equal(link('zeo/shared/var/filestorage'), `${root}/data/zodb`)
      t.equal(link('zeo/shared/var/blobstorage'), `${root}/data/blobs`)
      t.equal(link('site/shared/var/blobstorage'), `${root}/data/blobs`)
      t.equal(link('site/shared/var/tmp'), '/tmp')
      t.equal(machine.stat(`${root}/data/zodb`)?.mode, '0700')
      const account = machine.account(user === 'root' ? 'deploy' : 'jane')?.uid
      t.match(machine.stat(`${root}/data/zodb/Data.fs`), { size: 0, uid: account }, 'ZODB leaves the blobs alone')
      for (const app of ['zeo', 'site'])
        t.match(
          machine.readText(`${host.currentRelease(app)?.path}/deploy.cfg`),
          `blob-storage = ${root}/data/blobs\n`,
          'deploy.cfg means the same place',
        )
      await nothingToDo(t, host)
    })
})

t.test('writes cron jobs', async (t) => {
  for (const user of ['root', 'jane'] as const)
    await t.test(user, async (t) => {
      const host = new FakeHost({ roles: ['zeo-server'], user })
      const jobs = () => {
        const text =
          user === 'root'
            ? host.machine.list('/etc/cron.d').map((name) => host.machine.readText(`/etc/cron.d/${name}`))
            : [host.machine.readText('/var/spool/cron/crontabs/jane')]
        return [...text.join('\n').matchAll(/current\/bin\/(\w+)/g)].map(([, name]) => name).sort()
      }
      for (const [enable_pack, enable_backup] of [
        [true, false],
        [true, true],
        [false, true],
        [false, false],
      ]) {
        host.attributes = { ...host.attributes, plone_zeoserver: { app_name: 'zeo', enable_pack, enable_backup } }
        succeeded(t, await host.run())
        t.strictSame(jobs(), [...(enable_backup ? ['backup'] : []), ...(enable_pack ? ['zeopack'] : [])])
        for (const name of jobs())
          t.ok(host.machine.stat(`${host.currentRelease('zeo')?.path}/bin/${name}`), `there is a ${name} to run`)
        await nothingToDo(t, host)
      }
    })
})

t.test('an ordinary user deploys on a host without cron', async (t) => {
  const host = new FakeHost({ roles: ['zeo-server'], user: 'jane' })
  host.machine.remove('/usr/bin/crontab')
  succeeded(t, await host.run())
  settled(t, host, { app: 'zeo', programs: ['zeoserver'] })
})

t.test('refuses a directory in place of the link', async (t) => {
  const host = new FakeHost()
  host.machine.given('/srv/www/site/current/mine', 'precious')
  t.match(failureOf(await host.run()), { code: 'IN_THE_WAY', hint: /mv/ })
  t.equal(host.machine.readText('/srv/www/site/current/mine'), 'precious')
})

t.test('a missing linked file stops the deploy before the build, and a dry run reports it', async (t) => {
  const host = await deployed()
  const first = host.currentRelease()?.id
  set(host, {}, { symlink_before_migrate: { 'config/.env': '.env' } })
  for (const mode of ['plan', 'run'] as const) {
    const failure = failureOf(await host.run(['deploy'], { mode }))
    t.match(failure, { code: 'MISSING_LINKED_FILE', message: /\/srv\/www\/site\/shared\/config\/\.env/ })
  }
  t.equal(host.currentRelease()?.id, first)
  t.equal(host.releases().length, 1, 'nothing was checked out')
  t.match(host.machine.lstat('/srv/www/site/shared/config'), { kind: 'directory' }, 'there is a place for it')
  host.machine.given('/srv/www/site/shared/config/.env', 'A=1\n', '0640', 'deploy')
  succeeded(t, await host.run(['deploy']))
  t.equal(host.machine.readText(`${host.currentRelease()?.path}/.env`), 'A=1\n')
  await nothingToDo(t, host)
})
