/** Proves the hints of rollouts over several hosts: triggers each with simulated hosts, then follows it. */
import t, { type Test } from 'tap'
import type { RolloutRequest } from '../../core/fleet/rollout/state/request.ts'
import { type Behaviour, Simulation } from '../core/fleet/rollout/simulated.ts'
import { hintPattern, type Proof } from '../support/proofs.ts'

type Hosts = Readonly<Record<string, Behaviour>>

interface RolloutProof extends Proof {
  readonly hosts: Hosts
  readonly broken: Partial<RolloutRequest>
  /** The hosts after the hint was followed; default: the same. */
  readonly repairedHosts?: Hosts
  readonly repaired?: Partial<RolloutRequest>
  /** Names of the selected hosts; default: all. */
  readonly only?: readonly string[]
}

function proveRollouts(t: Test, proofs: readonly RolloutProof[]): void {
  for (const { source, hint, hosts, broken, repairedHosts = hosts, repaired = broken, only } of proofs)
    t.test(`${source}: ${hint}`, async (t) => {
      const before = (await new Simulation(hosts).go(broken)).report
      const hints = before.hosts.flatMap(({ failure }) => failure?.hint ?? [])
      // If a rollout stops, the reason ends with the hint.
      const given = [...hints, before.stopped?.split('; ').at(-1) ?? '']
      t.ok(
        given.some((text) => hintPattern(hint).test(text)),
        'the hint is given',
        { before },
      )
      const { report } = await new Simulation(repairedHosts).go(repaired, only ? { only } : {})
      t.equal(report.outcome, 'changed', 'the rollout succeeds', { report })
    })
}

const [old, bad, good] = ['0'.repeat(40), 'b'.repeat(40), 'd'.repeat(40)]

t.test('the hints about rollbacks work', async (t) => {
  const hint =
    "name a commit or the id of a release with --to, or leave hosts or apps out with --limit '!HOST' or --app; converge stack log shows the releases of each host"
  const source = 'core/fleet/planning/rollback_targets.ts'
  const hosts = { a: { history: [old, bad, good] }, b: { history: [old, good] } }
  const both = { a: { apps: ['site', 'shop'], history: { site: [old, good], shop: [good] } } }
  const broken = { action: 'rollback', rollbackTo: bad } as const
  proveRollouts(t, [
    { source, hint, hosts, broken, repaired: { action: 'rollback', rollbackTo: old } },
    { source, hint, hosts, broken, only: ['a'] },
    {
      source,
      hint,
      hosts: both,
      broken: { action: 'rollback', rollbackTo: old },
      repaired: { action: 'rollback', rollbackTo: old, apps: ['site'] },
    },
  ])
})

t.test('the hints about hosts that are down or interrupted work', async (t) => {
  proveRollouts(t, [
    {
      source: 'core/fleet/rollout/connect_phase.ts',
      hint: 'add --down skip to continue without …',
      hosts: { a: {}, b: { connects: 'refused' } },
      broken: { onUnreachable: 'fail' },
      repaired: { onUnreachable: 'skip' },
    },
    {
      source: 'core/fleet/rollout/hosts/host_runner.ts',
      hint: 'run it again to finish',
      hosts: { a: { does: { deploy: 'ends' } } },
      broken: {},
      repairedHosts: { a: {} },
    },
  ])
})

t.test('the hints about a branch with an unreachable repository work', async (t) => {
  const proof: Proof = {
    source: 'core/fleet/rollout/state/deploy_commits.ts',
    hint: 'make the repository reachable, or name the commit: --app … --revision …',
  }
  const unconfirmed = 'cannot list the branches and tags of git://git.example.com/site.git: fatal: unable to connect'
  const hosts = (more: object) => ({
    a: { revisions: () => [{ app: 'site', revision: 'main', commit: good, ...more }] },
  })
  const { refusal } = await new Simulation(hosts({ unconfirmed })).go({})
  t.match(refusal?.hint, hintPattern(proof.hint), 'the hint is given')
  const after = await new Simulation(hosts({})).go({ apps: ['site'], revision: good })
  t.strictSame([after.refusal, after.report.outcome], [null, 'changed'], 'the rollout succeeds')
})

t.test('the hints about undeploy work', async (t) => {
  proveRollouts(t, [
    {
      source: 'core/fleet/rollout/result.ts',
      hint: 'leave --app out to undeploy all of them, or run converge undeploy --role ROLE on the host itself',
      hosts: { a: { apps: ['site', 'shop'] } },
      broken: { action: 'undeploy', apps: ['site'] },
      repaired: { action: 'undeploy', apps: [] },
    },
  ])
})

t.test('the hints about an unreachable host outside the rollout work', async (t) => {
  const proof: Proof = {
    source: 'core/fleet/rollout/state/request.ts',
    hint: 'run converge stack configure when it can be reached',
  }
  const reportOf = async (other: Behaviour) =>
    (await new Simulation({ a: {}, b: other }).go({}, { only: ['a'] })).report
  const before = JSON.stringify(await reportOf({ connects: 'refused' }))
  t.ok(before.includes(proof.hint), 'the hint is given', { before })
  const after = JSON.stringify(await reportOf({}))
  t.notOk(after.includes(proof.hint), 'it is not given again', { after })
})
