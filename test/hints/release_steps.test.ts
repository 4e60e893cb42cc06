/**
 * Proves the hints about steps of a deploy (checkout, smoke test, cleanup): triggers each on an in-memory host, then
 * follows it.
 */
import t, { type Test } from 'tap'
import type { VirtualHost } from '../../core/host/virtual.ts'
import { git_release } from '../../resources/git/git_release.ts'
import { release_cleanup } from '../../resources/releases/release_cleanup.ts'
import { release_complete } from '../../resources/releases/release_complete.ts'
import { release_file } from '../../resources/releases/release_file.ts'
import { Supervisor } from '../../resources/supervisor/client.ts'
import { zeo_address } from '../../resources/zope/zeo_address.ts'
import { failureOf } from '../support/contract.ts'
import { deployed, type FakeHost, set } from '../support/fake_host.ts'
import { succeeded } from '../support/lifecycle.ts'
import { hintPattern } from '../support/proofs.ts'
import { proveResources } from '../support/resource_proofs.ts'

const into = '/srv/site/releases'
const current = '/srv/site/current'
const release = `${into}/000001-1a2b3c4d`
const zeoConfig = `${release}/parts/zeoserver/etc/zeo.conf`
const copied = { into, shared: '/srv/site/shared', current, repository: '/src/site', scmType: 'directory' as const }

t.test('the hints about releases work', async (t) => {
  const mounted = (host: VirtualHost): void => {
    for (const n of [1, 2, 3, 4])
      host
        .given(`${into}/00000${n}-1a2b3c4d/.converge/release.json`, '{}')
        .given(`${into}/00000${n}-1a2b3c4d/.converge/complete`, '')
    host
      .given(current, { link: `${into}/000004-1a2b3c4d` })
      .given('/proc/self/mountinfo', `40 30 0:5 / ${release}/data rw - tmpfs none rw\n`)
  }
  proveResources(t, [
    {
      source: 'resources/releases/release_cleanup.ts',
      hint: 'umount /srv/site/releases/000001-1a2b3c4d/data',
      warning: true,
      given: mounted,
      broken: (r) => release_cleanup(r, { into, current, keep: 2 }),
      repair: (host) => host.given('/proc/self/mountinfo', ''),
    },
    {
      source: 'resources/zope/zeo_address.ts',
      hint: 'set "address = 0.0.0.0:8001", or the private address of this host, in the part [zeoserver] of the buildout, and deploy',
      warning: true,
      given: (host) => host.given(zeoConfig, '<zeo>\naddress 127.0.0.1:8001\n</zeo>\n'),
      broken: (r) => zeo_address(r, { app: 'zeoserver', server: release, clients: ['app1'] }),
      repair: (host) => host.given(zeoConfig, '<zeo>\naddress 0.0.0.0:8001\n</zeo>\n'),
    },
    {
      source: 'resources/releases/release_complete.ts',
      hint: 'declare git_release() first, and give its path',
      commands: () => ({}),
      given: (host) => host.given(into, null).given('/srv/site/shared', null).given('/src/site/buildout.cfg', 'x'),
      broken: (r) => release_complete(r, { release }),
      repaired: (r) => release_complete(r, { release: git_release(r, copied).path }),
    },
    {
      source: 'resources/releases/release_file.ts',
      hint: 'set plone_instances.base_config to the buildout file of the repository that deploy.cfg extends, or commit cfg/base.cfg',
      given: (host) => host.given(`${release}/buildout.cfg`, 'x'),
      broken: (r) =>
        release_file(r, { release, file: 'cfg/base.cfg', attribute: 'plone_instances.base_config', source: copied }),
      repaired: (r) =>
        release_file(r, { release, file: 'buildout.cfg', attribute: 'plone_instances.base_config', source: copied }),
    },
    {
      source: 'resources/releases/release_file.ts',
      hint: 'set plone_instances.base_config to the buildout file of the repository that deploy.cfg extends, or commit cfg/base.cfg',
      given: (host) => host.given(`${release}/buildout.cfg`, 'x'),
      broken: (r) =>
        release_file(r, { release, file: 'cfg/base.cfg', attribute: 'plone_instances.base_config', source: copied }),
      repair: (host) => host.given(`${release}/cfg/base.cfg`, 'x'),
    },
  ])
})

t.test('the hints about a release that failed its smoke test work', async (t) => {
  const proof = {
    source: 'resources/releases/release_trial.ts',
    hint: 'deploy another commit or configuration; if the cause was elsewhere and is gone, add --retry-failed',
  }
  /** Makes a host on which a release failed its smoke test, so that it is back on the previous one. */
  const failed = async (t: Test, http: object): Promise<FakeHost> => {
    const trial = { smoke_test: { http: [http], deadline_seconds: 1, rollback_on_failure: true } }
    const host = await deployed()
    set(host, {}, trial)
    host.remote.push({ VERSION: '2\n' })
    t.match(failureOf(await host.run(['deploy'])), { code: 'SMOKE_TEST_FAILED' })
    set(host, {}, { smoke_test: { http: [] } })
    succeeded(t, await host.run(['rollback']))
    set(host, {}, trial)
    t.match(failureOf(await host.run(['deploy'])), { hint: hintPattern(proof.hint) }, 'the hint is given')
    return host
  }
  const number = (host: FakeHost) => host.currentRelease()?.id.slice(0, 6)
  const third = { path: '/', port: 8081, contains: '/000003-' }

  await t.test('another commit', async (t) => {
    const host = await failed(t, third)
    host.remote.push({ VERSION: '3\n' })
    succeeded(t, await host.run(['deploy']))
    t.equal(number(host), '000003')
  })

  await t.test('another configuration', async (t) => {
    const host = await failed(t, third)
    set(host, { zodb_cache_size: 7 })
    succeeded(t, await host.run(['deploy']))
    t.equal(number(host), '000003')
  })

  await t.test('--retry-failed, where a server that the app needs is up again', async (t) => {
    const host = await failed(t, { path: '/', port: 8090 })
    host.programs.api = { port: 8090 }
    host.machine.given('/etc/supervisor/conf.d/api.conf', '[program:api]\n')
    const supervisor = new Supervisor(host.machine, '/var/run/supervisor.sock')
    await supervisor.reloadConfig()
    await supervisor.addProcessGroup('api')
    succeeded(t, await host.run(['deploy'], { retryFailed: true }))
    t.equal(number(host), '000002')
  })
})
