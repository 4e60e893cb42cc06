/** Makes a stack for tests of the console: two hosts with an app of one file, whose deploys wait as long as a file exists. */
import type { Owner } from '../../support/machine.ts'
import { hostNeeds, type TestHost, testNetwork } from './hosts.ts'
import { Operator } from './operator.ts'
import { probeStack } from './probe_stack.ts'

export const stackNeeds = [...hostNeeds, 'git', 'npm registry'] as const

const recipe = `import { directory, execute, git_release, role, symlink } from 'converge-engine'
export default role('probe', {
  setup(r) { for (const path of ['/srv/mine', '/srv/mine/releases', '/srv/mine/shared']) directory(r, { path }) },
  deploy(r) {
    const { revision = 'main', commit } = r.node.deploy?.mine?.scm ?? {}
    execute(r, { command: 'until [ ! -e /srv/wait ]; do sleep 0.05; done', notIf: { description: 'nothing to wait for', check: (host) => host.lstat('/srv/wait') === null } })
    execute(r, { command: 'exit 1', onlyIf: { description: 'broken', check: (host) => host.lstat('/srv/broken') !== null } })
    const { path: target } = git_release(r, { app: 'mine', into: '/srv/mine/releases', shared: '/srv/mine/shared',
      current: '/srv/mine/current', repository: '/srv/site', revision, commit, inputs: {} })
    symlink(r, { path: '/srv/mine/current', target })
  },
})
`

export interface ConsoleStack {
  readonly operator: Operator
  readonly hosts: readonly [TestHost, TestHost]
  /** Commits a text to the repository of each host; all get the same commit. */
  commit(text: string): Promise<void>
  /** Returns the text of the current release. */
  version(host: TestHost): Promise<string>
  /** Makes deploys wait until `releaseDeploys`, from the next plan on. */
  holdDeploys(): void
  releaseDeploys(): Promise<void>
}

/** Makes the hosts, and sets them up from the command line. @throws if that fails */
export async function consoleStack(t: Owner): Promise<ConsoleStack> {
  const network = await testNetwork(t)
  const hosts = (await network.many('h', 2)) as [TestHost, TestHost]
  const commit = async (text: string) => {
    const date = '2026-01-01T00:00:00Z'
    const identity = `GIT_AUTHOR_DATE=${date} GIT_COMMITTER_DATE=${date} git -c user.name=a -c user.email=a@b`
    for (const host of hosts)
      await host.run(`cd /srv/site && echo ${text} >VERSION && git add . && ${identity} commit -qm ${text}`)
  }
  for (const host of hosts) await host.run('git init -q -b main /srv/site')
  await commit('one')
  const operator = new Operator(network)
  operator.write({
    'recipes/probe.ts': recipe,
    'stack.json': probeStack(hosts),
  })
  const { status, stdout, stderr } = await operator.run(['setup'])
  if (status !== 0) throw new Error(stdout + stderr)
  return {
    operator,
    hosts,
    commit,
    version: async (host) => (await host.run('cat /srv/mine/current/VERSION')).stdout.trim(),
    holdDeploys: () => {
      for (const host of hosts) host.write('/srv/wait', '')
    },
    releaseDeploys: async () => {
      for (const host of hosts) await host.run('rm -f /srv/wait')
    },
  }
}
