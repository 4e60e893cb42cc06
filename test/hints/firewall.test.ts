/** Proves the hints of the firewall. */
import t from 'tap'
import { firewall } from '../../resources/firewall/firewall.ts'
import { giveNft, nft } from '../support/fake_nft.ts'
import { proveResources } from '../support/resource_proofs.ts'

proveResources(t, [
  {
    source: 'resources/firewall/firewall.ts',
    hint: "declare it before this: packages(r, { names: ['nftables'] })",
    commands: nft,
    broken: (r) => firewall(r, { policy: 'accept' }),
    repair: giveNft,
  },
  {
    source: 'resources/firewall/firewall.ts',
    hint: 'add to allow: { ports: [22] }; or set allowLockout: true if nobody needs SSH to this host',
    commands: nft,
    given: giveNft,
    broken: (r) => firewall(r, {}),
    repaired: (r) => firewall(r, { allow: [{ ports: [22] }] }),
  },
  {
    source: 'resources/firewall/firewall.ts',
    hint: "add its network to the rule: { ports: [22], from: ['203.0.113.7'] }; or set allowLockout: true",
    commands: nft,
    given: giveNft,
    broken: (r) => firewall(r, { allow: [{ ports: [22], from: ['10.0.0.0/8'] }] }),
    repaired: (r) => firewall(r, { allow: [{ ports: [22], from: ['10.0.0.0/8', '203.0.113.7'] }] }),
  },
])
