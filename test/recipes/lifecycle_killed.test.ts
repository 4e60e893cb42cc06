/** Tests deploys, configures and rollbacks of a running site, killed at every opportunity. */
import { deployed, type FakeHost, type FakeHostOptions, set } from '../support/fake_host.ts'
import { killEverywhere, type Scenario } from '../support/killing.ts'
import { servedBy } from '../support/lifecycle.ts'

const both = ['zeo-server', 'zeo-client']

/** Makes a host with `count` deployed versions, from 1. */
async function withReleases(count: number, app = {}, options: FakeHostOptions = {}): Promise<FakeHost> {
  const host = await deployed({}, app, options)
  for (let version = 2; version <= count; version++) {
    host.remote.push({ VERSION: `${version}\n` })
    await host.run(['deploy'])
  }
  return host
}

const scenarios: readonly Scenario[] = [
  {
    name: 'a deploy of a new revision',
    prepare: async () => {
      const host = await deployed()
      host.remote.push({ VERSION: '2\n' })
      return host
    },
    events: ['deploy'],
    checkSite: servedBy,
    keepsClientsUp: true,
    twice: true,
  },
  {
    name: 'a deploy of a configuration with a client more',
    prepare: async () => {
      const host = await deployed()
      set(host, { instance_count: 3 })
      return host
    },
    events: ['deploy'],
    checkSite: (t, host) => servedBy(t, host, 3),
    keepsClientsUp: true,
  },
  {
    name: 'a configure with a client less',
    prepare: async () => {
      const host = await deployed({ instance_count: 3 })
      set(host, { instance_count: 2 })
      return host
    },
    events: ['configure'],
    checkSite: servedBy,
    keepsClientsUp: true,
  },
  {
    name: 'a rollback of the code',
    prepare: () => withReleases(3),
    events: ['rollback'],
    after: ['configure'],
    checkSite: (t, host) => servedBy(t, host, 2, { commit: host.releases()[1]?.commit ?? '' }),
    keepsClientsUp: true,
    twice: true,
  },
  {
    name: 'a rollback of the configuration',
    prepare: async () => {
      const host = await deployed()
      set(host, { instance_count: 3 })
      await host.run(['deploy'])
      return host
    },
    events: ['rollback'],
    after: ['configure'],
    checkSite: servedBy,
    keepsClientsUp: true,
  },
  {
    name: 'a deploy that removes old releases',
    prepare: async () => {
      const host = await withReleases(4)
      set(host, {}, { keep_releases: 2 })
      host.remote.push({ VERSION: '5\n' })
      return host
    },
    events: ['deploy'],
    checkSite: servedBy,
    keepsClientsUp: true,
  },
  {
    name: 'a deploy after a build that failed',
    prepare: async () => {
      const host = await deployed()
      host.remote.push({ VERSION: '2\n', broken: '' })
      await host.run(['deploy'])
      host.remote.push({ VERSION: '3\n', broken: null })
      return host
    },
    events: ['deploy'],
    checkSite: servedBy,
    keepsClientsUp: true,
  },
  {
    name: 'a restart',
    prepare: () => deployed(),
    events: ['restart'],
    after: ['deploy'],
    checkSite: servedBy,
    keepsClientsUp: true,
  },
  {
    name: 'undeploy',
    prepare: () => withReleases(2, {}, { roles: both }),
    events: ['undeploy'],
    checkSite: (t, host) => t.strictSame(host.processes(), {}),
  },
]

for (const scenario of scenarios) killEverywhere(scenario)
