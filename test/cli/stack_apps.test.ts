/** Which apps a host of a stack deploys: those of its roles, or those that the stack file names its layers for. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { deployedOn } from '../../core/cli/stack/apps.ts'
import { stackInputs } from '../../core/cli/stack/inputs.ts'
import { Secrets } from '../../core/model/secrets.ts'
import { catalogue } from '../../recipes/catalogue.ts'
import { scratch } from '../support/machine.ts'

const scm = { repository: '/srv/site.git' }

t.test('by roles, and by layers where they are named', async (t) => {
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
  const online = new Set(Object.keys(content.hosts))
  const found = await Promise.all([...online].map((host) => deployedOn(call, inputs, host, online)))
  t.strictSame(
    found.map(({ apps, migrating }) => [apps, migrating]),
    [
      [['zeoserver', 'plone_instances', 'pages'], ['plone_instances']],
      [['plone_instances'], ['plone_instances']],
      [['pages'], []],
    ],
  )
})
