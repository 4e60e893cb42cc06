/** The names the balancer and the clients agree on. */
import t from 'tap'
import { backendName, clientHosts, ownHostName, serverName } from '../../../recipes/plone/balancing.ts'
import { layer, online, site, stack } from '../../support/plone_stack.ts'

t.test('the backend is named as the layer of the clients', async (t) => {
  t.equal(backendName(stack()), 'plone_instances')
  t.equal(
    backendName(stack(layer('plone_instances', online('plone1')), site({ app_name: 'intranet' }))),
    'plone_instances',
  )
  t.equal(backendName(stack(layer('intranet', online('plone1')), site({ app_name: 'intranet' }))), 'intranet')
  t.equal(backendName(stack(layer('lb'), site({ app_name: 'intranet' }))), 'plone_instances')
})

t.test('a host goes by the name it has in the stack', async (t) => {
  t.equal(serverName('plone1', 2), 'plone1-2')
  const clients = (instances: object) => ({ opsworks: { layers: { plone_instances: { instances } } } })
  t.equal(ownHostName(stack()), 'plone1', 'a stack that does not know it')
  t.equal(ownHostName(stack(clients({ a: online('plone1') }))), 'a')
  t.equal(ownHostName(stack(clients({ b: online('b') }))), 'plone1')
  const some = stack(clients({ b: online('b'), c: online('c', { status: 'stopped' }) }))
  t.strictSame(
    clientHosts(some).map(({ name }) => name),
    ['b'],
  )
})
