/**
 * Tests a role of a user that wraps zeo-client on a real host: an override of a built-in file, a package and a service
 * beside it, and a step before the restart. The site is deployed, deployed again, and rolled back.
 */
import t, { type Test } from 'tap'
import { needs } from '../support/machine.ts'
import { FleetSite } from './support/fleet_site.ts'
import { hostNeeds } from './support/hosts.ts'
import { type Outcome, outcomes } from './support/operator.ts'

const recipe = `
import { execute, file, packages, placed, readTemplate, role, roles, service, service_restart, supervisor_program } from 'converge-engine'

const warmUp = (r) =>
  r.before(service_restart, 'plone_instances-client1', (when) => {
    execute(r, { name: 'record the restart', command: ['sh', '-c', 'echo restart >> /var/tmp/restarts'], when })
  })

export default role('cached-client', {
  doc: 'Zope clients with memcached beside them',
  extends: roles.zeo_client,
  setup(r) {
    packages(r, { names: ['memcached'] })
    r.include(roles.zeo_client, 'setup')
  },
  configure(r) {
    r.include(roles.zeo_client, 'configure')
    warmUp(r)
  },
  deploy(r) {
    const config = file(r, { path: '/etc/memcached.conf', content: '-m 32\\n-p 11299\\n-u memcache\\n-l 127.0.0.1\\n', mode: '0644' })
    service(r, { name: 'memcached', enabled: true, action: 'running', after: config })
    r.include(roles.zeo_client, 'deploy')
    warmUp(r)
  },
  rollback(r) {
    r.include(roles.zeo_client, 'rollback')
    warmUp(r)
  },
  overrides(r, node) {
    r.override(file, placed(node, '/etc/logrotate.d/converge-plone_instances'), {
      content: readTemplate(import.meta.url, 'rotation.conf'),
    })
    r.override(supervisor_program, 'plone_instances-client1', { environment: { OWN_NAME: 'from the wrapper' } })
  },
})
`
const rotation = '/srv/www/plone_instances/shared/var/log/*.log {\n  weekly\n  rotate 3\n  missingok\n}\n'

t.test('a role that wraps zeo-client', async (t) => {
  t.setTimeout(20 * 60_000)
  if (!needs(t, [...hostNeeds, 'git', 'python3 venv', 'pip registry', 'supervisord'])) return
  const site = await FleetSite.make(t)
  const stack = async (t: Test, status: number, ...args: readonly string[]): Promise<Outcome> => {
    const outcome = await site.operator.json(args)
    t.equal(outcome.status, status, `converge stack ${args.join(' ')}: ${outcome.stderr}`)
    if (outcome.status !== status) t.comment(JSON.stringify(outcome.report, null, 1))
    return outcome
  }
  /** Runs a scene; each one starts with the site as the previous one left it. */
  const scene = async (name: string, play: (t: Test) => Promise<void>) => {
    if (t.passing()) await t.test(name, { timeout: 10 * 60_000 }, play)
  }
  site.operator.write({ 'recipes/cached_client.ts': recipe, 'recipes/rotation.conf': rotation })
  site.changeAttributes({ clientRole: 'cached-client' })
  await site.addHosts('zeo1', 'plone1')
  await site.shareEggs(() => stack(t, 0, 'deploy', '--host', 'zeo1').then(() => undefined), 'zeo1')
  const host = site.host('plone1')
  const restarts = () =>
    host.exists('/var/tmp/restarts') ? host.read('/var/tmp/restarts').trim().split('\n').length : 0

  await scene('setup and deploy apply all three', async (t) => {
    await stack(t, 0, 'setup')
    await stack(t, 0, 'deploy')
    t.equal(host.read('/etc/logrotate.d/converge-plone_instances'), rotation, 'the file of the recipe')
    const program = await host.run('cat /etc/supervisor/conf.d/*client1*')
    t.match(program.stdout, 'from the wrapper', 'an overridden property')
    t.match((await host.run("dpkg-query -W -f '${Status}' memcached")).stdout, 'install ok installed')
    t.equal((await host.run('pgrep -u memcache memcached')).status, 0, 'the service runs')
    const pid = await site.clientPid('plone1')
    t.match((await host.run(`tr '\\0' '\\n' < /proc/${pid}/environ`)).stdout, 'OWN_NAME=from the wrapper')
  })

  await scene('a second deploy changes nothing, and runs no step', async (t) => {
    const [before, pid] = [restarts(), await site.clientPid('plone1')]
    t.strictSame(outcomes(await stack(t, 0, 'deploy')), { zeo1: 'unchanged', plone1: 'unchanged' })
    t.equal(restarts(), before)
    t.equal(await site.clientPid('plone1'), pid)
  })

  await scene('a new revision runs the step before the restart, once', async (t) => {
    const before = restarts()
    await site.commit()
    await stack(t, 0, 'deploy')
    t.equal(restarts(), before + 1)
    const { stdout } = await site.operator.run(['status'])
    t.match(stdout, /plone1/)
    t.notMatch(stdout, /no release/)
  })

  await scene('a plan of the stack explains, selects and leaves out', async (t) => {
    site.changeAttributes({ environment: { COLOR: 'blue' } })
    const plan = async (...args: readonly string[]) => {
      const { status, stdout, stderr } = await site.operator.run(['plan', '--host', 'plone1', ...args])
      t.equal(status, 0, stderr)
      return stdout
    }
    const whole = await plan('--explain')
    t.match(whole, /service_restart plone_instances-client1/)
    t.match(whole, /environment\.COLOR = "blue" \(stack\.yaml:\d+:\d+\)/, 'where the value comes from')
    t.match(whole, /declared at recipes\/cached_client\.ts:6:5/)
    const only = await plan('--only', 'git_release')
    t.match(only, /git_release .* new release/)
    t.notMatch(only, /service_restart|buildout/)
    const skipped = await plan('--skip', 'service_restart', '--skip', 'execute')
    t.match(skipped, /git_release .* new release/)
    t.notMatch(skipped, /service_restart|record the restart/)
  })

  await scene('a rollback keeps the overrides, and runs the step', async (t) => {
    site.changeAttributes({ environment: {} })
    const before = restarts()
    await stack(t, 0, 'rollback', '--app', 'plone_instances')
    t.equal(restarts(), before + 1)
    t.match((await host.run('cat /etc/supervisor/conf.d/*client1*')).stdout, 'from the wrapper')
    t.equal(host.read('/etc/logrotate.d/converge-plone_instances'), rotation)
  })
})
