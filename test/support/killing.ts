/**
 * Kills runs with SIGKILL before each change and inside each command: the current release is always complete, and the
 * next run finishes.
 */
import t, { type Test } from 'tap'
import type { FakeHost } from './fake_host.ts'
import { nothingToDo, stateOf, succeeded } from './lifecycle.ts'

export interface Scenario {
  readonly name: string
  /** Sets up the host before the run that is killed. */
  readonly prepare: () => Promise<FakeHost>
  /** Events of that run and of the run after it; default: the whole lifecycle. */
  readonly events?: readonly string[]
  /** Events that change nothing after the recovery; default: the same events. */
  readonly after?: readonly string[]
  /** Checks the site after a run. */
  readonly checkSite: (t: Test, host: FakeHost) => void
  /** Whether all clients but one must stay up at every moment. */
  readonly keepsClientsUp?: boolean
  /** Whether two consecutive runs may be killed. */
  readonly twice?: boolean
  /** Kills only at every n-th opportunity, if another scenario covers all of them; default 1. */
  readonly each?: number
}

/** Kills a run of the scenario at every opportunity, each time on a new copy of the host. */
export function killEverywhere(scenario: Scenario): void {
  t.test(scenario.name, async (t) => {
    const { prepare, events, after = events, checkSite: served } = scenario
    const start = await prepare()
    const undisturbed = start.clone()
    succeeded(t, await undisturbed.run(events))
    served(t, undisturbed)
    const [opportunities, expected] = [undisturbed.events, stateOf(undisturbed)]
    await nothingToDo(t, undisturbed, after)
    t.ok(opportunities > 5, `${opportunities} opportunities for a kill`)
    for (let at = 1; at <= opportunities; at += scenario.each ?? 1) {
      const host = start.clone()
      await runUntilKill(host, at, scenario)
      if (host.killedBefore === null) t.fail(`the run ended before opportunity ${at}`)
      if (scenario.twice) await runUntilKill(host, 1 + ((at * 7) % opportunities), scenario)
      await checkRecovery(t, host, { scenario, expected })
    }
  })
}

/** Runs until the kill, and checks the invariants at that moment. */
async function runUntilKill(
  host: FakeHost,
  killAt: number,
  { name, events, keepsClientsUp: up }: Scenario,
): Promise<void> {
  const before = Object.values(host.processes()).filter(({ state }) => state === 'RUNNING').length
  await host.run(events, { killAt })
  const at = `${name}, killed before ${host.killedBefore}`
  for (const app of ['site', 'zeo']) {
    const current = `${host.root}/srv/www/${app}/current`
    if (host.machine.lstat(current) !== null && !host.currentRelease(app)?.complete)
      throw new Error(`${at}: current is not a complete release`)
  }
  for (const [program, { startedIn }] of Object.entries(host.processes()))
    if (host.machine.stat(`${startedIn}/.converge/complete`) === null && events?.[0] !== 'undeploy')
      throw new Error(`${at}: ${program} runs from an incomplete release`)
  const running = Object.values(host.processes()).filter(({ state }) => state === 'RUNNING').length
  if (up && running < Math.min(before, 2) - 1) throw new Error(`${at}: only ${running} programs run`)
}

/** Checks that the next run finishes the work, and that the run after it changes nothing. */
async function checkRecovery(
  t: Test,
  host: FakeHost,
  { scenario, expected }: { readonly scenario: Scenario; readonly expected: Record<string, unknown> },
): Promise<void> {
  const { events, after = events, checkSite: served } = scenario
  const what = host.killedBefore
  // The second run may have ended before the moment of its kill.
  if (what !== null) succeeded(t, await host.run(events), `killed before ${what}, the next run`)
  const found = stateOf(host)
  const differing = [...new Set([...Object.keys(expected), ...Object.keys(found)])].filter(
    (key) => JSON.stringify(expected[key]) !== JSON.stringify(found[key]),
  )
  if (differing.length > 0) {
    t.match(
      pick(found, differing),
      pick(expected, differing),
      `killed before ${what}, the next run ends as an undisturbed one`,
    )
    served(t, host)
  }
  const again = await host.run(after)
  if (again.outcome !== 'unchanged' || host.events > 0)
    t.fail(`killed before ${what}: the run after the recovery still changes something`)
  if (!/git/.test(what ?? '') || !host.currentRelease()) return
  host.remote.push({ VERSION: 'next\n' })
  succeeded(t, await host.run(['deploy']), `killed before ${what}, a deploy of the next revision`)
}

function pick(from: Record<string, unknown>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(keys.map((key) => [key, from[key]]))
}
