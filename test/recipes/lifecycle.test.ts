/**
 * Tests the whole lifecycle of the built-in roles on an empty host: the final state, and the prediction of a dry run.
 */
import t, { type Test } from 'tap'
import type { ResourceReport, RunReport } from '../../core/report/events.ts'
import { FakeHost, type FakeHostOptions } from '../support/fake_host.ts'
import { prefix } from '../support/fake_stack.ts'
import { changed, nothingToDo, servedBy, settled, succeeded } from '../support/lifecycle.ts'

const both = ['zeo-server', 'zeo-client']

/** Returns `kind mode owner:group` of paths; for a link, its target. */
function describePaths(host: FakeHost, paths: readonly string[]): Record<string, string> {
  const tree = host.tree()
  return Object.fromEntries(
    paths.map((path) => {
      const { kind, mode, owner, group, content } = tree[path] ?? {
        kind: 'absent',
        mode: '',
        owner: '',
        group: '',
        content: '',
      }
      return [path, kind === 'link' ? `-> ${content} ${owner}:${group}` : `${kind} ${mode} ${owner}:${group}`]
    }),
  )
}

t.test('deploys the clients as root', async (t) => {
  const host = new FakeHost()
  succeeded(t, await host.run())
  servedBy(t, host)
  const release = host.currentRelease()?.path ?? ''
  const at = '/srv/www/site'
  const environment = `${at}/shared/${host.machine.list(`${at}/shared`).find((name) => name.startsWith('env-python3-'))}`
  const expected: Record<string, string> = {
    [at]: 'directory 0755 deploy:www-data',
    [`${at}/releases`]: 'directory 0755 deploy:www-data',
    [`${at}/shared`]: 'directory 0770 deploy:www-data',
    [`${at}/shared/var`]: 'directory 0770 deploy:www-data',
    [`${at}/shared/var/log`]: 'directory 0770 deploy:www-data',
    [`${at}/shared/eggs`]: 'directory 0770 deploy:www-data',
    [`${environment}/pyvenv.cfg`]: 'file 0644 deploy:www-data',
    [`${at}/current`]: `-> ${release} deploy:www-data`,
    [release]: 'directory 0755 deploy:www-data',
    [`${release}/deploy.cfg`]: 'file 0600 deploy:www-data',
    [`${release}/VERSION`]: 'file 0644 deploy:www-data',
    [`${release}/cfg/base.cfg`]: 'file 0644 deploy:www-data',
    [`${release}/eggs`]: `-> ${at}/shared/eggs deploy:www-data`,
    [`${release}/var`]: `-> ${at}/shared/var deploy:www-data`,
    [`${release}/parts`]: 'directory 0755 deploy:www-data',
    [`${release}/bin/client1`]: 'file 0755 deploy:www-data',
    [`${release}/bin/client2`]: 'file 0755 deploy:www-data',
    [`${release}/.converge/release.json`]: 'file 0600 deploy:www-data',
    [`${release}/.converge/complete`]: 'file 0644 deploy:www-data',
    [`${at}/shared/repo.git/HEAD`]: 'file 0644 deploy:www-data',
    '/etc/supervisor/conf.d/site-client1.conf': 'file 0600 root:root',
    '/etc/logrotate.d/converge-site': 'file 0644 root:root',
    '/home/deploy': 'directory 0755 deploy:www-data',
  }
  t.strictSame(describePaths(host, Object.keys(expected)), expected)
  t.match(host.machine.account('deploy'), { shell: '/bin/bash', home: '/home/deploy' })
  t.equal(host.machine.list('/var/lib/dpkg').includes('status'), true)
  for (const name of ['git', 'python3-venv', 'supervisor', 'logrotate', 'cron'])
    t.match(host.machine.readText('/var/lib/dpkg/status'), `Package: ${name}\nStatus: install ok installed`)
  t.match(host.machine.readText('/etc/supervisor/conf.d/site-client1.conf'), /user=deploy\n/)
  await nothingToDo(t, host)
  for (const event of ['setup', 'deploy', 'configure']) await nothingToDo(t, host, [event])
})

t.test('deploys the clients as an ordinary user', async (t) => {
  const host = new FakeHost({ user: 'jane' })
  succeeded(t, await host.run())
  servedBy(t, host)
  for (const what of host.machine.changes.filter((what) => !what.startsWith('record ')))
    t.ok(what.includes(prefix) || /^(send|run supervisord)/.test(what), `below the prefix: ${what}`)
  for (const [path, { owner }] of Object.entries(host.tree(prefix)))
    if (owner !== 'jane') t.fail(`${path} belongs to ${owner}`)
  t.match(describePaths(host, [`${prefix}/etc/supervisor/supervisord.conf`]), {
    [`${prefix}/etc/supervisor/supervisord.conf`]: /^file 0600/,
  })
  t.notMatch(host.machine.readText(`${prefix}/etc/supervisor/conf.d/site-client1.conf`), /^user=/m)
  await nothingToDo(t, host)
})

t.test('deploys the clients as root below a prefix', async (t) => {
  const host = new FakeHost({ prefixed: true })
  // Such a run creates no account.
  host.machine
    .given('/etc/passwd', 'root:x:0:0:root:/root:/bin/bash\ndeploy:x:1001:33::/home/deploy:/bin/bash\n')
    .given('/etc/group', 'root:x:0:\nwww-data:x:33:\n')
    .given('/home/deploy', null, '0755', 'deploy')
  succeeded(t, await host.run())
  servedBy(t, host)
  t.equal(host.machine.stat(`${host.currentRelease()?.path}/deploy.cfg`)?.uid, host.machine.account('deploy')?.uid)
  t.equal(host.machine.lstat('/etc/supervisor'), null)
  await nothingToDo(t, host)
})

t.test('deploys server and clients on one host with systemd', async (t) => {
  const host = new FakeHost({ roles: both, init: 'systemd' })
  const report = await host.run()
  succeeded(t, report)
  servedBy(t, host)
  settled(t, host, { app: 'zeo', programs: ['zeoserver'] })
  t.ok(changed(report).includes('service supervisor'), 'it is enabled')
  const restarts = changed(report, 'service_restart')
  t.strictSame(
    restarts,
    ['service_restart zeo-zeoserver', 'service_restart site-client1 site-client2'],
    'the server first',
  )
  t.match(
    describePaths(host, [
      '/shared/zodb/filestorage',
      '/srv/www/zeo/shared/var/filestorage',
      '/etc/cron.d/converge-zeo-pack',
    ]),
    {
      '/shared/zodb/filestorage': 'directory 0700 deploy:www-data',
      '/srv/www/zeo/shared/var/filestorage': '-> /shared/zodb/filestorage deploy:www-data',
      '/etc/cron.d/converge-zeo-pack': 'file 0644 root:root',
    },
  )
  await nothingToDo(t, host)
})

t.test('a dry run predicts the run', async (t) => {
  const cases: [string, FakeHostOptions, (host: FakeHost) => void][] = [
    ['on an empty host', {}, () => undefined],
    ['by an ordinary user', { user: 'jane' }, () => undefined],
    ['of both roles', { roles: both }, () => undefined],
    [
      'if the programs exist already',
      {},
      ({ machine }) => {
        for (const program of ['git', 'python3', 'crontab', 'supervisord'])
          machine.given(`/usr/bin/${program}`, '', '0755')
        for (const path of ['/etc/supervisor/conf.d', '/var/log/supervisor']) machine.given(path, null)
        machine.given('/etc/supervisor/supervisord.conf', '')
      },
    ],
  ]
  for (const [name, options, given] of cases)
    await t.test(name, async (t) => {
      const host = new FakeHost(options)
      given(host)
      await checkPlan(t, host)
      host.remote.push({ VERSION: '2\n' })
      await checkPlan(t, host)
      host.attributes = { ...host.attributes, plone_instances: { app_name: 'site', instance_count: 3 } }
      await checkPlan(t, host, ['deploy'])
      await checkPlan(t, host, ['rollback'])
      await checkPlan(t, host, ['stop'])
      await checkPlan(t, host, ['undeploy'])
    })
})

/** Checks that a dry run writes nothing and predicts the run, and that a dry run afterwards predicts no change. */
async function checkPlan(t: Test, host: FakeHost, events?: readonly string[]): Promise<void> {
  const before = JSON.stringify([host.tree(), host.processes()])
  const dry = await host.run(events, { mode: 'plan' })
  t.equal(host.events, 0, 'a dry run changes nothing')
  t.equal(JSON.stringify([host.tree(), host.processes()]), before)
  const real = await host.run(events)
  succeeded(t, dry, 'the dry run')
  succeeded(t, real)
  const outcomes = (report: RunReport) =>
    new Map(report.resources.map((one: ResourceReport) => [one.name, one.outcome]))
  const [planned, done] = [outcomes(dry), outcomes(real)]
  for (const [resource, outcome] of planned) {
    if (outcome === 'planned') t.equal(done.get(resource), 'changed', `${resource} was planned, and changed`)
    if (outcome === 'skipped') t.equal(done.get(resource), 'skipped', `${resource} was to be skipped, and was`)
  }
  for (const [resource, outcome] of done)
    if (outcome === 'changed')
      t.match(planned.get(resource), /planned|unknown/, `${resource} changed, as was to be expected`)
  if (events?.[0] === 'rollback') return
  const after = await host.run(events, { mode: 'plan' })
  t.equal(after.outcome, 'unchanged', 'a dry run after it has nothing to say')
}
