/** Tests which programs of an app's commands the host must have. */
import t from 'tap'
import { VirtualHost } from '../../core/host/virtual.ts'
import type { JsonObject } from '../../core/node/merge.ts'
import type { App } from '../../recipes/app/app.ts'
import { type AppCommand, hostProgram, shellCommandsOf } from '../../recipes/app/host_programs.ts'
import portApp from '../../recipes/port_app/role.ts'
import { findingOf } from '../support/resource_proofs.ts'
import { planned, roleNode } from '../support/role_plans.ts'

const layout = (attributes: object = {}) => ({ name: 'shop', deployTo: '/srv/www/shop', attributes }) as unknown as App

t.test('finds the program of a command', (t) => {
  const cases: [command: Omit<AppCommand, 'attribute'>, program: string | null][] = [
    [{ line: 'node server.js %{port}' }, 'node'],
    [{ line: '  "node" server.js' }, 'node'],
    [{ line: 'sh -c "exec node server.js"' }, 'sh'],
    [{ line: '/opt/node/bin/node server.js' }, '/opt/node/bin/node'],
    [{ line: 'bin/serve' }, null],
    [{ line: './serve' }, null],
    [{ line: 'node_modules/.bin/next start' }, null],
    [{ line: '/srv/www/shop/current/bin/serve' }, null],
    [{ line: '/srv/www/shop/releases/../current/bin/serve' }, null],
    [{ line: '/srv/www/shop2/bin/serve' }, '/srv/www/shop2/bin/serve'],
    [{ line: '/opt/%{port}/serve' }, null],
    [{ line: '' }, null],
    [{ line: 'node server.js', path: '/opt/node/bin:/usr/bin' }, 'node'],
    [{ line: 'gunicorn app', path: '/srv/www/shop/current/bin:/usr/bin' }, null],
    [{ line: 'gunicorn app', path: 'bin:/usr/bin' }, null],
  ]
  for (const [command, program] of cases)
    t.equal(hostProgram(layout(), { ...command, attribute: 'a' })?.program ?? null, program, command.line)
  t.end()
})

t.test('does not check a migration or smoke test that needs a shell', (t) => {
  const cases: [line: string, isChecked: boolean][] = [
    ['python3 manage.py migrate', true],
    ['/usr/bin/php artisan migrate --force', true],
    ['cd app && python3 manage.py migrate', false],
    ['DEBUG=1 python3 manage.py', false],
    ['. venv/bin/activate; python manage.py', false],
    ['exec python3 manage.py', false],
    ['test -e file', true],
    ['$PYTHON manage.py', false],
  ]
  for (const [line, isChecked] of cases) {
    const attribute = 'deploy.shop.migrate_command'
    const found = shellCommandsOf(layout({ migrate: true, migrate_command: line }))
    t.strictSame(found, isChecked ? [{ line, attribute, path: undefined }] : [], line)
  }
  t.strictSame(shellCommandsOf(layout({ migrate_command: 'python3' })), [], 'no migration')
  t.end()
})

const json = (port_app: object, deploy: object = {}): JsonObject => ({
  port_app: { app_name: 'shop', command: 'node server.js %{port}', ...port_app },
  deploy: { shop: { scm: { repository: 'https://git.example.com/shop.git' }, ...deploy } },
})

t.test('a deploy checks the programs before the build', async (t) => {
  const node = json({ build_command: 'npm ci' })
  const { resources } = await planned('port-app', node)
  const keys = resources.map(({ type, key }) => `${type} ${key}`)
  const at = (start: string) => keys.findIndex((key) => key.startsWith(start))
  t.ok(at('host_program node of port_app.command') >= 0, keys.join('\n'))
  t.ok(at('host_program node') < at('git_release'))
  const own = await planned('port-app', node, { uid: 1000 })
  const ownKeys = own.resources.map(({ type }) => type)
  t.ok(ownKeys.indexOf('host_program') > ownKeys.lastIndexOf('execute'), 'a build as the run may install programs')
})

t.test('the build of a rollout checks the program too', async (t) => {
  const order = async (port_app: object, uid = 0) => {
    const { resources } = await planned('port-app', json(port_app), { event: 'build', uid })
    return resources.flatMap(({ type }) => (['host_program', 'git_release'].includes(type) ? [type] : []))
  }
  t.strictSame(await order({ build_command: 'npm ci' }), ['host_program', 'git_release'])
  t.strictSame(await order({ build_command: 'npm ci' }, 1000), ['git_release', 'host_program'])
  t.strictSame(await order({ build_command: null }, 1000), ['host_program', 'git_release'], 'nothing installs it')
})

t.test('a deploy checks the programs of the migration and the smoke test', async (t) => {
  const commands = (migrate_command: string, command: string, more: JsonObject = {}) =>
    json({ command: '%{port}' }, { migrate: true, migrate_command, smoke_test: { command }, ...more })
  const order = async (node: JsonObject, role = 'port-app') => {
    const { resources } = await planned(role, node, { event: 'build' })
    return resources.flatMap(({ type, key }) =>
      type === 'host_program' ? key : type === 'git_release' || type === 'buildout' ? type : [],
    )
  }
  const [migration, test] = ['deploy.shop.migrate_command', 'deploy.shop.smoke_test.command']
  t.strictSame(await order(commands('npx migrate', '/opt/smoke --quick')), [
    `npx of ${migration}`,
    `/opt/smoke of ${test}`,
    'git_release',
  ])
  t.strictSame(await order(commands('./bin/migrate', 'scripts/smoke')), [
    'git_release',
    `bin/migrate of ${migration}`,
    `scripts/smoke of ${test}`,
  ])
  const home = { environment: { PATH: '/home/deploy/.local/bin:/usr/bin' } }
  for (const unknown of [commands('cd app && npx x', '../../shared/env/bin/x'), commands('npx x', '$SMOKE', home)])
    t.strictSame(await order(unknown), ['git_release'], 'only the run knows it')
  t.strictSame(await order(commands('/home/deploy/bin/x', '/srv/www/shop/shared/x')), ['git_release'])
  const other = { opsworks: { layers: { shop: { instances: { a: { hostname: 'a', status: 'online' } } } } } }
  t.strictSame(await order({ ...commands('npx migrate', 'curl x'), ...other }), [`curl of ${test}`, 'git_release'])
  const site = {
    deploy: {
      plone_instances: {
        scm: { repository: 'https://git.example.com/site.git' },
        smoke_test: { command: 'bin/smoke' },
      },
    },
  }
  t.strictSame(await order(site, 'zeo-client'), [
    'git_release',
    'bin/smoke of deploy.plone_instances.smoke_test.command before the build',
    'buildout',
    'bin/smoke of deploy.plone_instances.smoke_test.command',
  ])
})

t.test('doctor checks the migration and the smoke test', async (t) => {
  const find = async (host: VirtualHost, environment: JsonObject = {}) => {
    const own = { migrate: true, migrate_command: 'npx migrate', environment }
    const checks = await portApp.checks?.(roleNode(json({}, own)), host, ['port-app'])
    return findingOf(checks ?? [], 'npx of deploy.shop.migrate_command')
  }
  const host = new VirtualHost().given('/opt/node/bin/npx', '', '0755')
  t.match(await find(host), { status: 'missing', detail: 'is not on the PATH' })
  t.match(await find(host, { PATH: '/opt/node/bin:/usr/bin' }), { status: 'ok', detail: '/opt/node/bin/npx' })
})

t.test('doctor reports missing programs', async (t) => {
  const host = new VirtualHost({ commands: () => ({}) })
  const find = async (own: JsonObject, roles: readonly string[] = ['port-app']) => {
    const checks = await portApp.checks?.(roleNode(own), host, roles)
    return findingOf(checks ?? [], 'node of port_app.command')
  }
  t.match(await find(json({})), {
    status: 'missing',
    detail: 'is not on the PATH',
    remedy: 'add the package of node to deploy.shop.os_packages and run setup, or correct port_app.command',
  })
  t.match(await find(json({}, { os_packages: ['nodejs'] })), {
    status: 'ok',
    detail: 'is not on the PATH; setup first installs nodejs',
  })
  const packages = { converge: { packages: ['nodejs'] } }
  t.match(await find({ ...json({}), ...packages }, ['base', 'port-app']), { status: 'ok' })
  t.match(await find({ ...json({}), ...packages }), { status: 'missing' }, 'only the role base installs them')
  t.match(await find(json({}), ['node-from-source', 'port-app']), {
    status: 'warning',
    detail: 'is not on the PATH, unless node-from-source installs it',
  })
  const own = await portApp.checks?.(roleNode(json({ command: 'bin/serve %{port}' })), host, ['port-app'])
  t.notOk(
    own?.some(({ what }) => what.endsWith('port_app.command')),
    'a program of the release',
  )
  host.given('/usr/bin/node', '')
  t.match(await find(json({})), { status: 'ok', detail: '/usr/bin/node' })
})
