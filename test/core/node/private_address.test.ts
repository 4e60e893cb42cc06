/** Tests which address of a host counts as its private one. */
import t from 'tap'
import { factLayer } from '../../../core/node/fact_attributes.ts'
import { type Facts, neutralFacts } from '../../../core/node/facts.ts'
import { isPrivateAddress } from '../../../core/text/private_address.ts'

function privateIp(...addresses: readonly string[]): unknown {
  const facts: Facts = {
    ...neutralFacts,
    addresses: addresses.map((address, index) => ({
      interface: `eth${index}`,
      address,
      family: address.includes(':') ? 'IPv6' : 'IPv4',
      internal: address.startsWith('127.') || address === '::1',
    })),
  }
  const { opsworks } = factLayer(facts, 'here') as { opsworks: { instance: { private_ip: unknown } } }
  return opsworks.instance.private_ip
}

t.test('prefers an address of a private network to a public one', async (t) => {
  t.equal(privateIp('127.0.0.1', '203.0.113.7', '10.0.0.4'), '10.0.0.4')
  t.equal(privateIp('203.0.113.7', 'fd00::4', '192.168.1.4', '172.31.0.1'), '192.168.1.4')
  t.equal(privateIp('169.254.3.4', '203.0.113.7'), '203.0.113.7')
  t.equal(privateIp('fe80::1', '2001:db8::1', 'fd00::4'), 'fd00::4')
  t.equal(privateIp('fe80::1', '2001:db8::1'), '2001:db8::1')
  t.equal(privateIp('127.0.0.1', 'fe80::1'), '127.0.0.1')
})

t.test('recognizes private addresses', async (t) => {
  for (const address of [
    '127.0.0.1',
    '10.255.0.1',
    '192.168.0.1',
    '172.16.0.1',
    '172.31.9.9',
    '100.64.0.1',
    '::1',
    'fd12::1',
  ])
    t.ok(isPrivateAddress(address), address)
  for (const address of [
    '11.0.0.1',
    '192.169.0.1',
    '172.15.0.1',
    '172.32.0.1',
    '100.128.0.1',
    '203.0.113.7',
    '2001:db8::1',
    'fe80::1',
  ])
    t.notOk(isPrivateAddress(address), address)
})
