/** Tests which commit a rollout deploys when a revision is misspelt, abbreviated or cannot be confirmed. */
import { readdirSync } from 'node:fs'
import t from 'tap'
import { needs } from '../support/machine.ts'
import { hostNeeds, testNetwork } from './support/hosts.ts'
import { Operator } from './support/operator.ts'
import { probeStack } from './support/probe_stack.ts'

const recipe = `import { directory, git_release, role } from 'converge-engine'
export default role('probe', {
  setup(r) { for (const path of ['/srv/mine', '/srv/mine/releases', '/srv/mine/shared']) directory(r, { path }) },
  deploy(r) {
    const { revision = 'main', commit } = r.node.deploy?.mine?.scm ?? {}
    git_release(r, { app: 'mine', into: '/srv/mine/releases', shared: '/srv/mine/shared', current: '/srv/mine/current',
      repository: '/srv/site', revision, commit, inputs: {} })
  },
})
`

t.test('revisions of a rollout', async (t) => {
  if (!needs(t, [...hostNeeds, 'git'])) return
  const network = await testNetwork(t)
  const [host] = await network.many('h', 1)
  if (host === undefined) throw new Error('no host')
  const commit = (text: string) =>
    host.run(
      `cd /srv/site && echo ${text} >VERSION && git add . && git -c user.name=a -c user.email=a@b commit -qm ${text} && git rev-parse HEAD`,
    )
  await host.run('git init -q -b main /srv/site')
  await commit('one')
  const operator = new Operator(network)
  operator.write({
    'recipes/probe.ts': recipe,
    'stack.json': probeStack([{ name: 'h1', address: host.address }]),
  })
  const records = () => readdirSync(`${operator.directory}/.converge/probe/deployments`).length
  const setup = await operator.run(['setup'])
  t.equal(setup.status, 0, setup.stdout)
  if (!t.passing()) return

  const misspelt = await operator.run(['deploy', '--revision', 'nope'])
  t.match(misspelt, {
    status: 1,
    stderr: /^error: \/srv\/site has no branch, tag or commit nope\n {2}hint: it has: main$/m,
  })
  t.equal(records(), 1, 'nothing is recorded')
  t.notMatch(misspelt.stdout, /deployment/)

  await commit('two')
  await commit('three')
  await host.run('mv /srv/site /srv/away')
  const offline = await operator.run(['deploy'])
  t.match(offline, {
    status: 1,
    stderr: /^error: h1: cannot list the branches and tags of \/srv\/site.*; mine is not deployed, since main may/m,
  })
  t.equal(records(), 1)
  const again = await operator.run(['setup'])
  t.match(again, {
    status: 0,
    stdout:
      /warning: h1: cannot list the branches and tags of .*; mine keeps commit \w+, and main may have a newer one/,
  })
  await host.run('mv /srv/away /srv/site')

  const two = (await host.run('git -C /srv/site rev-parse HEAD~1')).stdout.trim()
  const short = await operator.run(['deploy', '--revision', two.slice(0, 8)])
  t.equal(short.status, 0, short.stdout + short.stderr)
  t.match(short.stdout, new RegExp(`^commit mine: ${two.slice(0, 12)} \\(${two.slice(0, 8)}\\)$`, 'm'))
  t.match(short.stdout, /^deployment 3$/m)
})
