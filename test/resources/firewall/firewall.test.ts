/** Tests firewall: rules of nftables, and rules that would lock out the operator. */
import t from 'tap'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { isInNetwork } from '../../../core/text/ip_address.ts'
import { firewall } from '../../../resources/firewall/firewall.ts'
import { rule, rulesetText } from '../../../resources/firewall/ruleset.ts'
import { sshPorts } from '../../../resources/firewall/ssh_clients.ts'
import { contract, failureOf, patchOf, planOf, run } from '../../support/contract.ts'
import { changeRules, giveNft, nft } from '../../support/fake_nft.ts'

const host = { commands: nft }
const file = '/etc/nftables.d/converge.nft'
const ssh = { services: ['ssh' as const] }

contract(t, firewall, [
  {
    name: 'loads rules',
    props: { allow: [ssh, { ports: [80] }] },
    host,
    given: giveNft,
    changes: ['replace /running = "as declared"', 'replace /content = '],
    then: (t, host) => void t.match(host.readText(file), 'tcp dport { 80 } accept'),
  },
  { name: 'does nothing if there are no rules to remove', props: { absent: true }, host, given: giveNft, changes: [] },
  { name: 'closes SSH with allowLockout', props: { allow: [], allowLockout: true }, host, given: giveNft },
  { name: 'accepts everything', props: { policy: 'accept', ping: false }, host, given: giveNft },
  {
    name: 'allows the network of the client',
    props: { allow: [{ ...ssh, from: ['203.0.113.0/24'] }] },
    host,
    given: giveNft,
  },
  { name: 'allows all ports of a network', props: { allow: [{ from: ['203.0.113.7'] }] }, host, given: giveNft },
  {
    name: 'refuses rules that close SSH',
    props: { allow: [{ ports: [80] }] },
    host,
    given: giveNft,
    fails: /close port 22.*ports: \[22\]/,
  },
  {
    name: 'refuses another protocol for the port of SSH',
    props: { allow: [{ ports: ['1-100'], protocol: 'udp' }] },
    host,
    given: giveNft,
    fails: /close port 22/,
  },
  {
    name: 'refuses rules that do not allow the client',
    props: { allow: [{ ...ssh, from: ['10.0.0.0/8', '2001:db8::/32'] }] },
    host,
    given: giveNft,
    fails: /keep 203\.0\.113\.7 out/,
  },
  {
    name: 'refuses rules that block the client',
    props: { allow: [ssh], blocked: ['203.0.113.0/24'] },
    host,
    given: giveNft,
    fails: /keep 203\.0\.113\.7 out/,
  },
])

t.test('loads and removes rules that somebody has changed', async (t) => {
  const real = new VirtualHost(host)
  giveNft(real)
  const plan = planOf((r) => firewall(r, { allow: [ssh] }))
  await run(plan, real)
  changeRules(real)
  real.forgetAnswers()
  t.strictSame(patchOf(await run(plan, real)), ['replace /running = "as declared"'])
  const gone = await run(
    planOf((r) => firewall(r, { absent: true })),
    real,
  )
  t.equal(failureOf(gone), undefined)
  t.equal(real.readText(file), null)
})

t.test('merges ports, and writes one rule for each network', async (t) => {
  const allow = [
    rule.parse({ ports: ['8000-8005', 8006, '8002-8003', 22], services: ['ssh'], from: ['10.0.0.0/8', '::1'] }),
  ]
  const text = rulesetText({ policy: 'reject', allow, ping: true, forward: 'drop', blocked: ['192.0.2.1'] })
  t.match(
    text,
    '\t\tip saddr 10.0.0.0/8 tcp dport { 22, 8000-8006 } accept\n\t\tip6 saddr ::1 tcp dport { 22, 8000-8006 } accept\n',
  )
  t.match(text, '\t\tip saddr 192.0.2.1 drop\n\t\tct state established')
})

t.test('reads ports and clients from sshd', async (t) => {
  const real = new VirtualHost()
  t.strictSame(sshPorts(real), [], 'no sshd')
  giveNft(real)
  real.given('/etc/ssh/sshd_config.d/x.conf', 'port 2222\nPort=22\n')
  real.given(
    '/proc/net/tcp6',
    '   0: 0:08AE B80D0120000000000000000001000000:D431 01\n   1: 0:08AE 0000000000000000FFFF00000700000A:D431 01\n',
  )
  t.strictSame(sshPorts(real), [
    { port: 22, clients: ['203.0.113.7'] },
    { port: 2222, clients: ['10.0.0.7', '2001:db8:0:0:0:0:0:1'] },
  ])
})

t.test('compares addresses with networks', async (t) => {
  t.ok(isInNetwork('10.1.2.3', '10.0.0.0/8'))
  t.notOk(isInNetwork('11.1.2.3', '10.0.0.0/8'))
  t.ok(isInNetwork('11.1.2.3', '0.0.0.0/0'))
  t.ok(isInNetwork('::ffff:10.1.2.3', '10.1.2.3'))
  t.ok(isInNetwork('2001:db8:0:0:0:0:0:1', '2001:db8::/32'))
  t.notOk(isInNetwork('2001:db9::1', '2001:db8::/32'))
  t.notOk(isInNetwork('::1', '0.0.0.0/0'))
})

t.test('refuses rules that nft would take for something else', async (t) => {
  for (const wrong of [
    {},
    { ports: [0] },
    { ports: ['9-8'] },
    { ports: ['1-70000'] },
    { from: ['10.0.0.0/33'] },
    { from: ['example.com'] },
    { ports: [1], comment: 'a" accept' },
  ])
    t.throws(() => planOf((r) => firewall(r, { allow: [wrong] })), JSON.stringify(wrong))
})
