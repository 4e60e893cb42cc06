/**
 * Tests which apps a host of a stack deploys: those of its roles, or those that the stack file assigns to its layers.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { deployedOnAll } from '../../core/cli/stack/apps.ts'
import { stackInputs } from '../../core/cli/stack/inputs.ts'
import { Secrets } from '../../core/model/secrets.ts'
import { catalogue } from '../../recipes/catalogue.ts'
import { scratch } from '../support/machine.ts'

const scm = { repository: '/srv/site.git' }

t.test('selects apps by roles, and by layers if apps name them', async (t) => {
  const stack = join(scratch(t), 'stack.json')
  const content = {
    name: 'small',
    layers: { zeoserver: { roles: ['zeo-server'] }, plone_instances: { roles: ['zeo-client'] }, web: { roles: [] } },
    hosts: {
      both: { address: '10.0.0.1', layers: ['zeoserver', 'plone_instances'] },
      app: { address: '10.0.0.2', layers: ['plone_instances'], prefix: '/home/me/site' },
      web: { address: '10.0.0.3', layers: ['web'] },
    },
    apps: {
      zeoserver: { scm },
      plone_instances: { scm, deploy_to: '/opt/plone', migrate: true, migrate_command: 'bin/migrate' },
      pages: { scm, layers: ['web', 'zeoserver'] },
      nobody: { scm },
    },
  }
  writeFileSync(stack, JSON.stringify(content))
  const call = { args: { stack }, catalogue, secrets: new Secrets(), endProcess: () => undefined }
  const inputs = await stackInputs(call)
  const found = [...(await deployedOnAll(call, inputs, [])).values()]
  t.strictSame(
    found.map(({ apps, appsToMigrate }) => [apps, appsToMigrate]),
    [
      [['zeoserver', 'plone_instances', 'pages'], ['plone_instances']],
      [['plone_instances'], ['plone_instances']],
      [['pages'], []],
    ],
  )
})

t.test('reports once what a recipe refuses, before it connects to any host', async (t) => {
  const directory = scratch(t)
  const stack = join(directory, 'stack.json')
  const recipe = `import { execute, role } from 'converge-engine'
    export default role('odd', { restart(r) { execute(r, { command: 'true', always: true }) } })`
  writeFileSync(join(directory, 'odd.ts'), recipe)
  const hosts = Object.fromEntries([1, 2, 3].map((n) => [`h${n}`, { address: `10.0.0.${n}`, layers: ['all'] }]))
  writeFileSync(stack, JSON.stringify({ name: 'odd', layers: { all: { roles: ['odd'] } }, hosts, recipes: ['odd.ts'] }))
  const call = { args: { stack }, catalogue, secrets: new Secrets(), endProcess: () => undefined }
  const inputs = await stackInputs(call)
  t.equal((await deployedOnAll(call, inputs, ['deploy'])).size, 3)
  await t.rejects(deployedOnAll(call, inputs, ['restart']), { usage: true, message: /no property always .*all hosts/ })
})

t.test('compiles an event apart from the deploy, which declares the same services differently', async (t) => {
  const stack = join(scratch(t), 'stack.json')
  const content = {
    name: 'shop',
    layers: {
      zeoserver: { roles: ['zeo-server'] },
      plone_instances: { roles: ['zeo-client'] },
      shop: { roles: ['port-app'], attributes: { port_app: { app_name: 'shop', command: 'node server.js %{port}' } } },
      frontend: { roles: ['frontend'] },
    },
    hosts: {
      web: { address: '10.0.0.1', layers: ['zeoserver', 'frontend'] },
      app: { address: '10.0.0.2', cpus: 1, layers: ['plone_instances', 'shop'] },
    },
    apps: { zeoserver: { scm }, plone_instances: { scm }, shop: { scm } },
  }
  writeFileSync(stack, JSON.stringify(content))
  const call = { args: { stack }, catalogue, secrets: new Secrets(), endProcess: () => undefined }
  const inputs = await stackInputs(call)
  const known = new Set([...(await deployedOnAll(call, inputs, [])).values()].flatMap(({ events }) => [...events]))
  t.ok(known.has('restart') && known.has('maintenance_on'))
  for (const event of known) {
    const found = [...(await deployedOnAll(call, inputs, [event])).values()]
    t.strictSame(
      found.map(({ apps }) => apps),
      [['zeoserver'], ['plone_instances', 'shop']],
      event,
    )
  }
})
