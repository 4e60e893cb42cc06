/** Tests zope_cache: the cache of a client during migrations and scripts. */
import t from 'tap'
import { type CommandHandler, VirtualHost } from '../../../core/host/virtual.ts'
import { migration } from '../../../resources/commands/migration.ts'
import { clientScript, removeNamedCache } from '../../../resources/zope/temporary_cache.ts'
import { zope_cache } from '../../../resources/zope/zope_cache.ts'
import { contract, failureOf, planOf, run } from '../../support/contract.ts'

const release = '/srv/site/releases/000002-1a2b3c4d'
const conf = `${release}/parts/client1/etc/zope.conf`
const text = `%define INSTANCE ${release}/parts/client1
<environment>
    client zeoclient-9
</environment>
<zodb_db main>
    cache-size 5000
    <zeoclient>
      server 127.0.0.1:8001
      storage 1
      var ${release}/var
      cache-size 16MB
      client zeoclient-1
    </zeoclient>
    mount-point /
</zodb_db>
`
const without = text.replace('      client zeoclient-1\n', '')

const site = () =>
  new VirtualHost({ self: { name: 'anna', uid: 1000, gid: 1000, home: '/home/anna', shell: '/bin/sh' }, commands })
    .given(conf, text)
    .given(`${release}/parts/zeo/etc/zeo.conf`, 'address 8001\n')
    .given(`${release}/.converge/release.json`, '{}')
let configuration: string | null = null
const commands: CommandHandler = (argv, { environment }, host) => {
  configuration = host.readText(conf)
  if (argv.includes('fail')) return { status: 1, stderr: 'no' }
  host.given('/srv/log', JSON.stringify(environment))
  return {}
}
const props = (command: string) => ({ app: 'site', command: [command], commit: '1a2b', directory: release, zope: true })

t.test('runs a migration without a named cache, and restores it afterwards', async (t) => {
  t.equal(removeNamedCache(text), without, 'only within the ZEO client')
  t.equal(removeNamedCache(without), without)
  for (const command of ['migrate', 'fail']) {
    const host = site()
    const report = await run(
      planOf((r) => void migration(r, props(command))),
      host,
    )
    t.equal(failureOf(report) === undefined, command === 'migrate')
    t.equal(configuration, without)
    t.equal(host.readText(conf), text)
    t.equal(host.lstat(`${release}/.converge/zope.conf.d`), null)
  }
})

t.test('passes the variables of hooks to a migration', async (t) => {
  const host = site()
  await run(
    planOf((r) => void migration(r, props('migrate'))),
    host,
  )
  t.match(JSON.parse(host.readText('/srv/log') ?? ''), {
    CONVERGE_APP: 'site',
    CONVERGE_HOOK: 'migrate',
    CONVERGE_RELEASE: release,
    CONVERGE_COMMIT: '1a2b',
  })
})

t.test("runs a script with the first client's own cache", async (t) => {
  const host = site()
  t.equal(clientScript(host, release, {}), null, 'there is no client')
  host
    .given(`${release}/bin/buildout`, '#!/usr/bin/python3\n')
    .given(`${release}/bin/client1`, `#!/usr/bin/python3\nmain(['-C', '${conf}'] + sys.argv[1:])\n`)
  const path = `${release}/.converge/client`
  t.equal(clientScript(host, release, {}), path)
  t.equal(host.lstat(path)?.mode, '0755')
  t.match(host.readText(path), `main(['-C', '${release}/.converge/zope.conf'] + sys.argv[1:])`)
  t.equal(host.readText(`${release}/.converge/zope.conf`), without)
  t.equal(host.readText(conf), text)
})

contract(t, zope_cache, [
  {
    name: 'does nothing if there is nothing to restore',
    props: { release },
    given: (host) => host.given(conf, text),
    changes: [],
  },
  {
    name: 'restores the cache after a migration was killed',
    props: { release },
    given: (host) => host.given(conf, without).given(`${release}/.converge/zope.conf.d/client1`, text),
    changes: ['remove /without/0'],
    then: (t, host) => t.equal(host.readText(conf), text),
  },
])
