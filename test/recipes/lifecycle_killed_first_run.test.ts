/** Tests the first lifecycle on an empty host, killed at every opportunity. */
import { packed } from '../support/commands.ts'
import { FakeHost, set } from '../support/fake_host.ts'
import { killEverywhere, type Scenario } from '../support/killing.ts'
import { servedBy, settled } from '../support/lifecycle.ts'

const eggs = 'https://eggs.example.com/eggs.tar.gz'
const both = ['zeo-server', 'zeo-client']

const scenarios: readonly Scenario[] = [
  { name: 'the first whole way', prepare: async () => new FakeHost(), checkSite: servedBy },
  {
    name: 'the first whole way of both roles, by an ordinary user',
    prepare: async () => {
      const host = new FakeHost({
        roles: both,
        user: 'jane',
        downloads: { [eggs]: packed({ 'v5/cp311/old.egg/x': '' }) },
      })
      set(host, {}, { buildout_cache_archives: [{ url: eggs, path: 'shared/eggs' }] })
      return host
    },
    each: 4,
    checkSite: (t, host) => {
      servedBy(t, host)
      settled(t, host, { app: 'zeo', programs: ['zeoserver'] })
    },
  },
]

for (const scenario of scenarios) killEverywhere(scenario)
