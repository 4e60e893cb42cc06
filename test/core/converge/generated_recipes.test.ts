/**
 * Tests generated recipes and hosts: the run does what the plan predicts, a second plan is empty, and the next run
 * repairs a kill.
 */
import fc from 'fast-check'
import t from 'tap'
import type { Plan } from '../../../core/compile/compile.ts'
import { VirtualHost } from '../../../core/host/virtual.ts'
import { references } from '../../../core/model/reference.ts'
import type { ResourceReport, RunReport } from '../../../core/report/events.ts'
import { run } from '../../support/contract.ts'
import { hostFor, listFiles, planFor, type State, worlds } from '../../support/random_hosts.ts'

const runs = Number(process.env.PROPERTY_RUNS ?? 300)

function resultOf(
  report: RunReport,
  name: string,
): Pick<ResourceReport, 'outcome' | 'patch' | 'reason'> & { message?: string | undefined } {
  const found = report.resources.find((resource) => resource.name === name)
  if (found === undefined) return { outcome: 'unchanged' }
  const { outcome, patch, reason, failure } = found
  return { outcome: outcome === 'planned' ? 'changed' : outcome, patch, reason, message: failure?.message }
}

/** Compares each resource that both runs reached; one that the plan cannot predict may have any outcome. */
function assertPredicted(plan: Plan, dry: RunReport, real: RunReport): void {
  // Names that contain references are the same in both.
  const reached = Math.min(...[dry, real].map(({ counts }) => plan.resources.length - counts.notReached))
  for (const { name } of plan.resources.slice(0, reached)) {
    const predicted = resultOf(dry, name)
    if (predicted.outcome === 'unknown') continue
    const done = resultOf(real, name)
    if (JSON.stringify(predicted) !== JSON.stringify(done))
      throw new Error(`${name}: the plan said ${JSON.stringify(predicted)}, the run did ${JSON.stringify(done)}`)
  }
  const unknown = dry.resources.some(({ outcome }) => outcome === 'unknown')
  if (!unknown && dry.counts.notReached !== real.counts.notReached) throw new Error('they ended at different resources')
}

async function dryRun(plan: Plan, host: VirtualHost): Promise<RunReport> {
  const before = [listFiles(host), host.changes.length]
  const report = await run(plan, new VirtualHost({ base: host }), 'plan')
  if (JSON.stringify([listFiles(host), host.changes.length]) !== JSON.stringify(before))
    throw new Error('the dry run wrote')
  return report
}

/**
 * Checks that nothing changes any more, except for: commands with neither `creates` nor `when`; resources guarded by a
 * path that another resource creates later in the run; and resources that depend on these.
 */
function assertAtRest(plan: Plan, report: RunReport): void {
  const restless = new Set<string>()
  for (const { name, type, options, props } of plan.resources) {
    const always = type === 'execute' && options.when === undefined && !(props as { creates?: string }).creates
    const providers = [
      ...(options.when ?? []).map(({ resource }) => `${resource.type} ${resource.key}`),
      ...references(props).map(({ provider }) => provider),
    ]
    if (always || typeof options.onlyIf === 'object' || providers.some((one) => restless.has(one))) restless.add(name)
  }
  for (const { name, outcome, patch, reason } of report.resources) {
    const after = /^\(known after (.*)\)$/.exec(reason ?? '')?.[1]
    if (after !== undefined && restless.has(after)) restless.add(name)
    if (outcome !== 'skipped' && !restless.has(name))
      throw new Error(`${name} is still ${outcome}: ${JSON.stringify(patch)} ${reason}`)
  }
}

t.test('a plan predicts the run, and a second plan is empty', async (t) => {
  await fc.assert(
    fc.asyncProperty(worlds, async ({ specs, state }) => {
      const plan = planFor(specs)
      const host = hostFor(state)
      const dry = await dryRun(plan, host)
      const real = await run(plan, host)
      assertPredicted(plan, dry, real)
      if (real.counts.failed > 0) return
      assertAtRest(plan, await dryRun(plan, host))
      if (plan.resources.some(({ options }) => typeof options.onlyIf === 'object')) return
      const after = listFiles(host)
      await run(plan, host)
      if (JSON.stringify(listFiles(host)) !== JSON.stringify(after)) throw new Error('a second run changed files')
    }),
    { numRuns: runs },
  )
  t.pass(`${runs} worlds`)
})

async function killed(plan: Plan, state: State, at: number): Promise<{ host: VirtualHost; hit: boolean }> {
  let alive = true
  let armed = true
  const host = hostFor(state, {
    beforeChange: (count) => {
      if (armed && count >= at) alive = false
      // After the kill, no code of the run has any effect.
      if (!alive) throw new Error('killed')
    },
  })
  await run(plan, host)
  const hit = !alive
  alive = true
  armed = false
  return { host, hit }
}

t.test('killed at any change, the next run finishes the work', async (t) => {
  let kills = 0
  await fc.assert(
    fc.asyncProperty(worlds, async ({ specs, state }) => {
      // A digest contains the number of changes, which differs after a kill.
      const plan = planFor(specs, '/srv', { digests: false })
      const whole = hostFor(state)
      if ((await run(plan, whole)).counts.failed > 0) return
      // A guard on a path that is created later in the recipe requires further runs, with or without a kill.
      const further = plan.resources.some(({ options }) => typeof options.onlyIf === 'object') ? 5 : 0
      for (let round = 0; round < further; round++) if ((await run(plan, whole)).counts.failed > 0) return
      for (let at = 1; ; at++) {
        const { host, hit } = await killed(plan, state, at)
        if (!hit) break
        kills++
        const next = await run(plan, host)
        if (next.counts.failed > 0)
          throw new Error(`killed at ${at}, the next run fails: ${JSON.stringify(next.resources)}`)
        for (let round = 0; round < further; round++) await run(plan, host)
        if (JSON.stringify(listFiles(host)) !== JSON.stringify(listFiles(whole)))
          throw new Error(`killed at ${at}, the next run does not finish`)
        assertAtRest(plan, await dryRun(plan, host))
      }
    }),
    { numRuns: runs },
  )
  t.ok(kills > runs / 2, `${kills} kills`)
})
