/** Proves the hints of `converge debug-client`: triggers each, then follows it. */
import t from 'tap'
import { VirtualHost } from '../../core/host/virtual.ts'
import { debugClient } from '../../recipes/plone/debug_client.ts'
import { proveCalls, proveCommands } from '../support/proofs.ts'
import { roleNode } from '../support/role_plans.ts'

const app = '/srv/www/plone_instances'
const release = `${app}/releases/000001-1a2b3c4d`

/** Prepares a client on a host with a complete release, with or without a part of plone.recipe.zope2instance. */
function prepare({ isDeployed, hasClient }: { readonly isDeployed: boolean; readonly hasClient: boolean }) {
  const host = new VirtualHost()
  host.given(`${release}/.converge/complete`, '')
  if (isDeployed) host.replaceLink(`${app}/current`, release)
  if (hasClient) {
    host.given(`${release}/bin/client1`, `main(['-C', '${release}/parts/client1/etc/zope.conf'])\n`)
    host.given(`${release}/parts/client1/etc/zope.conf`, 'instancehome /\n')
  }
  const account = { user: 'root', group: 'root' }
  const client = debugClient(roleNode({ deploy: { plone_instances: account } }), host)
  return { client, host }
}

t.test('the hints of debug-client work', async (t) => {
  const source = 'recipes/plone/debug_client.ts'
  proveCalls(t, [
    {
      source,
      hint: 'deploy the app first',
      broken: () => prepare({ isDeployed: false, hasClient: true }),
      repaired: () => prepare({ isDeployed: true, hasClient: true }),
    },
    {
      source,
      hint: 'add a part of plone.recipe.zope2instance to the buildout, such as client1, and deploy',
      broken: () => prepare({ isDeployed: true, hasClient: false }),
      repaired: () => prepare({ isDeployed: true, hasClient: true }),
    },
  ])
  proveCommands(t, [
    {
      source: 'core/cli/commands/debug_client.ts',
      hint: 'name the role of the clients: --role zeo-client',
      broken: 'debug-client --role memcached --prefix @/p',
      repaired: 'debug-client --role zeo-client --prefix @/p',
      reaches: 'has no current release',
    },
  ])
})

t.test('the files of a debug client exist until it is removed', (t) => {
  const { client, host } = prepare({ isDeployed: true, hasClient: true })
  const directory = client.script.replace(/\/client$/, '')
  t.equal(host.stat(directory)?.mode, '0700')
  t.match(host.readText(client.script), `'${directory}/zope.conf'`)
  client.remove()
  t.equal(host.stat(directory), null)
  t.strictSame(host.list(`${release}/.converge`), ['complete'])
  t.end()
})
