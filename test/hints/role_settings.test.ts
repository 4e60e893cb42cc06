/** Proves the hints about settings of roles: triggers each through the recipes, then follows it. */
import t from 'tap'
import { compile } from '../../core/compile/compile.ts'
import { VirtualHost } from '../../core/host/virtual.ts'
import type { JsonObject } from '../../core/node/merge.ts'
import newrelic from '../../recipes/newrelic/role.ts'
import { HooksMachine } from '../support/hooks_machine.ts'
import { proveCalls } from '../support/proofs.ts'
import { planned, roleNode } from '../support/role_plans.ts'

t.test('the hints about hooks work', async (t) => {
  const install = (interval: number) => () => new HooksMachine('other').run('hooks_install', { interval })
  proveCalls(t, [
    {
      source: 'recipes/hooks/jobs.ts',
      hint: 'set --interval to a time that divides an hour or a day evenly, such as 1m, 5m, 10m, 15m, 30m, 1h, 2h, 6h or 24h',
      broken: install(7 * 60),
      repaired: install(10 * 60),
    },
  ])
})

t.test('the hints about agents and their bus work', async (t) => {
  const on =
    (role: string, json: object, init: 'systemd' | 'other' = 'systemd') =>
    () =>
      planned(role, json as never, { event: 'configure', init })
  const stackFile = { bus: { stack_file: '/srv/stacks/shop/stack.yaml' } }
  proveCalls(t, [
    {
      source: 'recipes/agent/role.ts',
      hint: 'use a host with systemd, or start converge agent run by another supervisor',
      broken: on('agent', {}, 'other'),
      repaired: on('agent', {}),
    },
    {
      source: 'recipes/bus/role.ts',
      hint: 'use a host with systemd',
      broken: on('bus', stackFile, 'other'),
      repaired: on('bus', stackFile),
    },
    {
      source: 'recipes/bus/role.ts',
      hint: 'set it to the stack file, such as /srv/stacks/shop/stack.yaml',
      broken: on('bus', {}),
      repaired: on('bus', stackFile),
    },
  ])
})

t.test('the hint about a distribution without a codename works', async (t) => {
  const json = { newrelic: { infrastructure: true, license: 'l' } }
  const on = (codename: string | null) => () => {
    const facts = { platform: { name: 'debian', version: '', codename } }
    return compile([newrelic], ['setup'], roleNode(json, { facts, events: ['setup'] }))
  }
  proveCalls(t, [
    {
      source: 'recipes/newrelic/role.ts',
      hint: 'set VERSION_CODENAME in /etc/os-release, or remove the role newrelic from the host',
      broken: on(null),
      repaired: on('trixie'),
    },
  ])
})

t.test('the hints about Redis and memcached work', async (t) => {
  const hosts = { app2: { private_ip: '10.0.0.2', status: 'online' } }
  const layers = { plone_instances: { instances: hosts } }
  const on = (options: Parameters<typeof planned>[2] = {}) => {
    const opsworks = { instance: { hostname: 'app1', private_ip: '10.0.0.1' }, layers }
    return () =>
      planned('broker', { opsworks, redis: { config: { requirepass: 'planted' } } }, { event: 'configure', ...options })
  }
  const system = 'recipes/app/require_system.ts'
  proveCalls(t, [
    {
      source: system,
      hint: 'run converge as root',
      broken: on({ uid: 1000 }),
      repaired: on(),
    },
    {
      source: system,
      hint: 'run converge as root, without --prefix',
      broken: on({ root: false }),
      repaired: on(),
    },
  ])
})

t.test('the hints about the console work', async (t) => {
  const source = 'recipes/console/role.ts'
  const on =
    (settings: JsonObject, options: Parameters<typeof planned>[2] = {}) =>
    () =>
      planned('console', { console: settings }, { event: 'configure', ...options })
  const good = { stack_files: ['/srv/shop/stack.yaml'] }
  const certificate = { certificate: '/etc/ssl/a.pem', certificate_key: '/etc/ssl/a.key' }
  proveCalls(t, [
    {
      source,
      hint: 'list the stack files that the console serves, such as ["/srv/stacks/shop/stack.yaml"]',
      broken: on({}),
      repaired: on(good),
    },
    {
      source,
      hint: 'set console.certificate and console.certificate_key to the files of the certificate',
      broken: on({ ...good, server_name: 'deploy.example.com' }),
      repaired: on({ ...good, server_name: 'deploy.example.com', ...certificate }),
    },
    {
      source,
      hint: 'use a host with systemd, or start converge console by another supervisor',
      broken: on(good, { init: 'other' }),
      repaired: on(good),
    },
  ])
})

t.test('the hints about the war of jetty-app work', async (t) => {
  const source = 'recipes/jetty_app/role.ts'
  const deploy = (war: JsonObject) => () =>
    planned('jetty-app', {
      jetty_app: { war },
      deploy: { jetty_app: { scm: { repository: 'https://git.example.com/app.git' } } },
    })
  const url = 'https://example.com/app.war'
  const sha256 = '0'.repeat(64)
  proveCalls(t, [
    {
      source,
      hint: 'keep one of them: jetty_app.war.file or jetty_app.war.path',
      broken: deploy({ file: '/srv/app.war', path: 'app.war' }),
      repaired: deploy({ path: 'app.war' }),
    },
    {
      source,
      hint: 'set jetty_app.war.sha256 to what sha256sum prints for the war',
      broken: deploy({ url }),
      repaired: deploy({ url, sha256 }),
    },
  ])
})

t.test('the hints about sites of nginx work', async (t) => {
  const source = 'recipes/web/site_names.ts'
  const scm = { repository: 'https://git.example.com/app.git' }
  const site = (php: JsonObject, host: VirtualHost) => () =>
    planned('php-app', { php_app: { app_name: 'app', ...php }, deploy: { app: { scm } } }, { host })
  const server = (listen: string) => `server {\n    listen ${listen};\n    server_name _;\n}\n`
  const with_ = (name: string, text: string) => new VirtualHost().given(`/etc/nginx/sites-enabled/${name}`, text)
  const written = with_('shop', `# Written by converge, changes are overwritten.\n${server('80')}`)
  const others = with_('other', server('80 default_server'))
  const repaired = with_('other', server('80'))
  const hint = 'give app domains or a port of its own, or undeploy shop: nginx would show only one of them'
  const default_ = 'remove default_server from /etc/nginx/sites-enabled/other, or give app domains or another port'
  const frontend =
    (host: VirtualHost, more: JsonObject = {}) =>
    () =>
      planned('frontend', more, { host, event: 'configure' })
  const all = with_('app', `# Written by converge, changes are overwritten.\n${server('80 default_server')}`)
  proveCalls(t, [
    {
      source,
      hint: 'give app domains or a port of its own, or undeploy app: nginx would show only one of them',
      broken: frontend(all),
      repaired: frontend(new VirtualHost()),
    },
    { source, hint, broken: site({}, written), repaired: site({ domains: ['app.test'] }, written) },
    { source, hint, broken: site({}, written), repaired: site({ http_port: 8080 }, written) },
    { source, hint, broken: site({}, written), repaired: site({}, new VirtualHost()) },
    { source, hint: default_, broken: site({}, others), repaired: site({}, repaired) },
    { source, hint: default_, broken: site({}, others), repaired: site({ domains: ['app.test'] }, others) },
    { source, hint: default_, broken: site({}, others), repaired: site({ http_port: 8080 }, others) },
    {
      source,
      hint: 'remove default_server from /etc/nginx/sites-enabled/other, or give the frontend another port',
      broken: frontend(others),
      repaired: frontend(repaired),
    },
  ])
})

t.test('the hints about a current release that converge did not create work', async (t) => {
  const app = '/srv/www/port_app'
  const release = `${app}/releases/000001-1a2b3c4d`
  const hosts = () => new VirtualHost().given('/srv/other/index.html', '')
  const pair = hosts()
    .given(`${release}/.converge/release.json`, '{}')
    .given(`${release}/.converge/complete`, '')
    .given(`${app}/current`, { link: release })
  const restart = (host: VirtualHost) => () =>
    planned(
      'port-app',
      {
        port_app: { command: 'node server.js --port %{port}' },
        deploy: { port_app: { scm: { repository: 'https://git.example.com/app.git' } } },
      },
      { event: 'restart', host },
    )
  proveCalls(t, [
    {
      source: 'recipes/app/app.ts',
      hint: 'run a deploy first',
      broken: restart(hosts().given(`${app}/current`, { link: '/srv/other' })),
      repaired: restart(pair),
    },
  ])
})
